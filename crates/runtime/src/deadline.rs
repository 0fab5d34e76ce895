//! Until when a call may work: what the caller allows, capped by the configuration.

use std::future::Future;
use std::time::Duration;

use http::HeaderMap;
use taizhang_contracts::{Error, Reason, Result};
use tokio::time::Instant;

use crate::current::Current;

/// When a call's time is over. Handlers find it as `Until` in the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deadline(Instant);

/// How much earlier than the caller we stop, so that our answer reaches it before it gives up.
const MARGIN: Duration = Duration::from_millis(5);

impl Deadline {
    /// The deadline of a call that begins now. A `grpc-timeout` that can't be read counts as none.
    pub(crate) fn of(headers: &HeaderMap, cap: Duration) -> Self {
        let asked = headers
            .get("grpc-timeout")
            .and_then(|v| parse(v.as_bytes()));
        let asked = asked.map_or(cap, |t| t - MARGIN.min(t / 10));
        Self(Instant::now() + asked.min(cap))
    }

    /// How much time is left; nothing once it is over.
    pub(crate) fn remaining(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    pub(crate) fn instant(&self) -> Instant {
        self.0
    }

    /// Runs a call until its time is over, then drops it.
    pub(crate) async fn bound<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        match tokio::time::timeout_at(self.0, call).await {
            Ok(result) => result,
            Err(_) => Err(Error::new(Reason::DeadlineExceeded)),
        }
    }
}

/// How much time is left for the call at hand; `None` outside of one.
pub fn remaining() -> Option<Duration> {
    Current::get(|current| current.deadline.remaining())
}

/// The value of `grpc-timeout`: at most eight digits and a unit.
fn parse(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let n: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match unit {
        b'H' => Some(Duration::from_secs(n * 3_600)),
        b'M' => Some(Duration::from_secs(n * 60)),
        b'S' => Some(Duration::from_secs(n)),
        b'm' => Some(Duration::from_millis(n)),
        b'u' => Some(Duration::from_micros(n)),
        b'n' => Some(Duration::from_nanos(n)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        let cases = [
            ("1H", Some(Duration::from_secs(3_600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("4m", Some(Duration::from_millis(4))),
            ("5u", Some(Duration::from_micros(5))),
            ("6n", Some(Duration::from_nanos(6))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3_600))),
            ("123456789S", None),
            ("S", None),
            ("", None),
            ("+1S", None),
            ("1s", None),
            ("-1S", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn the_shorter_of_asked_and_cap_holds() {
        let cap = Duration::from_secs(30);
        let cases = [
            (None, cap),
            (Some("1H"), cap),
            (Some("nonsense"), cap),
            (Some("1S"), Duration::from_millis(995)),
            (Some("10m"), Duration::from_millis(9)),
            (Some("0S"), Duration::ZERO),
        ];
        for (timeout, expected) in cases {
            let mut headers = HeaderMap::new();
            if let Some(timeout) = timeout {
                headers.insert("grpc-timeout", http::HeaderValue::from_static(timeout));
            }
            let before = Instant::now();
            let Deadline(at) = Deadline::of(&headers, cap);
            assert!(at >= before + expected, "{timeout:?}");
            assert!(at <= Instant::now() + expected, "{timeout:?}");
        }
    }
}
