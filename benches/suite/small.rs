//! Rates on SQLite, and the footprint of the program: size, memory, startup time.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::callers::{Measured, Pace, measure};
use crate::calls::{Meetings, office};
use crate::cpu::Processes;
use crate::process::{Home, SERVICES};

/// The number of startups.
const STARTS: usize = 5;

/// The number of callers.
pub(crate) const CALLERS: usize = 16;

/// Rates on SQLite: `CreateMeeting` in one office, in many, and `GetMeeting`.
pub(crate) async fn sqlite(
    program: &Path,
    folder: &Path,
    pace: Pace,
) -> anyhow::Result<[Measured; 3]> {
    let home = Home::make(folder.join("sqlite"), &[], None)?;
    let server = home.serve(program, &["meetings"])?;
    let meetings = Meetings::open(server.address("meetings")?, &home.token()?).await?;
    let processes = Processes {
        service: Some(server.id()),
        database: None,
    };
    let one = meetings.clone();
    let one_office = measure(CALLERS, pace, processes, move |caller, _| {
        let meetings = one.clone();
        async move { meetings.create(caller, office(0)).await.map(drop) }
    })
    .await?;
    let many = meetings.clone();
    let many_offices = measure(CALLERS, pace, processes, move |caller, _| {
        let meetings = many.clone();
        async move { meetings.create(caller, office(caller)).await.map(drop) }
    })
    .await?;
    let get = measure(CALLERS, pace, processes, move |caller, n| {
        let meetings = meetings.clone();
        async move { meetings.get(caller, n).await }
    })
    .await?;
    Ok([one_office, many_offices, get])
}

/// The footprint of the program.
pub(crate) struct Footprint {
    /// The size of the executable, in bytes.
    pub(crate) binary: u64,
    /// The idle memory of all services on SQLite, in bytes.
    pub(crate) idle: u64,
    /// Milliseconds from the start to `SERVING` in an empty folder.
    pub(crate) first_start: f64,
    /// The same with existing keys and databases.
    pub(crate) later_start: f64,
}

/// Measures the footprint.
pub(crate) async fn footprint(program: &Path, folder: &Path) -> anyhow::Result<Footprint> {
    let (mut first, mut later, mut idle) = (Vec::new(), Vec::new(), 0);
    for i in 0..STARTS {
        let home = Home::make(folder.join(format!("start-{i}")), &[], None)?;
        for (times, last) in [(&mut first, false), (&mut later, true)] {
            let since = Instant::now();
            let server = home.serve(program, SERVICES)?;
            server.serving().await?;
            times.push(since.elapsed().as_secs_f64() * 1e3);
            if last && i == STARTS - 1 {
                tokio::time::sleep(Duration::from_secs(2)).await;
                idle = server.resident()?;
            }
        }
    }
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or_default()
    };
    Ok(Footprint {
        binary: std::fs::metadata(program)?.len(),
        idle,
        first_start: median(first),
        later_start: median(later),
    })
}
