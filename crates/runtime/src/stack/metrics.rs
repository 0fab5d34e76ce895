//! What Prometheus is told of calls: how many, how long, how many at once.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use metrics::{Counter, Gauge, Histogram};
use tonic::Code;
use tracing::Span;

use super::method::Method;

/// The names of the codes as gRPC writes them, by number.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Tells the recorder what the metrics mean, and which version runs.
pub(crate) fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_counter!("taizhang_calls_total", "Calls that ended, by their code");
    describe_histogram!(
        "taizhang_call_seconds",
        Unit::Seconds,
        "How long calls took"
    );
    describe_gauge!("taizhang_calls_in_flight", "Calls that are running");
    describe_counter!(
        "taizhang_late_reads_total",
        "Lists and figures, by whether the replica or the primary answered"
    );
    describe_gauge!(
        "taizhang_replica_behind_seconds",
        Unit::Seconds,
        "How far the replica is behind at most"
    );
    describe_gauge!(
        "taizhang_certificate_end_timestamp_seconds",
        Unit::Seconds,
        "When the certificate that is shown to callers ends, since 1970"
    );
    describe_gauge!("taizhang_build_info", "1, with the version that runs");
    metrics::gauge!("taizhang_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// The metrics of one method, looked up once.
pub(super) struct Metrics {
    service: &'static str,
    method: &'static str,
    calls: [OnceLock<Counter>; CODES.len()],
    seconds: Histogram,
    in_flight: Gauge,
}

impl Metrics {
    pub(super) fn of(service: &'static str, method: &'static str) -> Self {
        Self {
            service,
            method,
            calls: Default::default(),
            seconds: metrics::histogram!("taizhang_call_seconds", "service" => service, "method" => method),
            in_flight: metrics::gauge!("taizhang_calls_in_flight", "service" => service, "method" => method),
        }
    }

    /// The counter of a code; made when the code first occurs, as most never do.
    fn calls(&self, code: Code) -> Option<&Counter> {
        let number = code as usize;
        let counter = self.calls.get(number)?;
        Some(counter.get_or_init(|| {
            let (service, method) = (self.service, self.method);
            metrics::counter!("taizhang_calls_total", "service" => service, "method" => method, "code" => CODES[number])
        }))
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Metrics({}, {})", self.service, self.method)
    }
}

/// A call that runs; measured when dropped.
#[derive(Debug)]
pub(super) struct Running {
    method: Arc<Method>,
    span: Span,
    since: Instant,
    /// As if the caller had gone away, until the call ended.
    code: Code,
}

impl Running {
    pub(super) fn start(method: Arc<Method>, span: Span) -> Self {
        method.metrics.in_flight.increment(1.0);
        Self {
            method,
            span,
            since: Instant::now(),
            code: Code::Cancelled,
        }
    }

    /// The call ended so.
    pub(super) fn ended(&mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let took = self.since.elapsed();
        let metrics = &self.method.metrics;
        metrics.in_flight.decrement(1.0);
        metrics.seconds.record(took);
        if let Some(calls) = metrics.calls(self.code) {
            calls.increment(1);
        }
        let code = CODES.get(self.code as usize).copied().unwrap_or_default();
        self.span.record("code", code);
        let milliseconds = took.as_secs_f64() * 1e3;
        match self.code {
            Code::Internal | Code::Unknown | Code::Unavailable | Code::DeadlineExceeded => {
                tracing::warn!(parent: &self.span, milliseconds, "failed");
            }
            Code::Unauthenticated | Code::PermissionDenied => {
                tracing::info!(parent: &self.span, milliseconds, "refused");
            }
            // A line for every other call would cost more than it tells.
            _ => tracing::debug!(parent: &self.span, milliseconds, "ended"),
        }
    }
}
