//! Closed-loop callers: each sends its next call when the last is answered.

use std::future::Future;
use std::time::{Duration, Instant};

use futures::future::try_join_all;

use crate::cpu::{Processes, Used};

/// The durations of a measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// The warm-up, which is not counted.
    pub(crate) warm_up: Duration,
    /// The measured time.
    pub(crate) measured: Duration,
}

/// The result of one measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// Answers per second.
    pub(crate) rate: f64,
    /// The latency in milliseconds: the median and the 99th percentile. `None` if not measured.
    pub(crate) took: Option<(f64, f64)>,
    /// Processor time per call, in seconds.
    pub(crate) used: Used,
}

/// Runs callers until the time is over. `call` gets the index of the caller and of its call.
///
/// # Errors
/// The first error of a call.
pub(crate) async fn measure<C, F>(
    callers: usize,
    pace: Pace,
    processes: Processes,
    call: C,
) -> anyhow::Result<Measured>
where
    C: Fn(usize, u64) -> F + Clone + Send + 'static,
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let counted_from = Instant::now() + pace.warm_up;
    let over = counted_from + pace.measured;
    let tasks = (0..callers).map(|caller| {
        let call = call.clone();
        let task = async move {
            let mut took: Vec<u32> = Vec::new();
            for n in 0.. {
                let since = Instant::now();
                if since >= over {
                    break;
                }
                call(caller, n).await?;
                let end = Instant::now();
                if counted_from <= end && end < over {
                    took.push(micros(end - since));
                }
            }
            anyhow::Ok(took)
        };
        async move { tokio::spawn(task).await? }
    });
    let used = async {
        tokio::time::sleep_until(counted_from.into()).await;
        let before = processes.used();
        tokio::time::sleep_until(over.into()).await;
        Ok(processes.used().since(before))
    };
    let (took, used) = futures::try_join!(try_join_all(tasks), used)?;
    let mut took: Vec<u32> = took.concat();
    anyhow::ensure!(!took.is_empty(), "no call was answered in time");
    took.sort_unstable();
    let at = |part: f64| {
        let i = (took.len() as f64 * part) as usize;
        f64::from(took.get(i).copied().unwrap_or_default()) / 1e3
    };
    Ok(Measured {
        rate: took.len() as f64 / pace.measured.as_secs_f64(),
        took: Some((at(0.5), at(0.99))),
        used: used.by(took.len() as f64),
    })
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}
