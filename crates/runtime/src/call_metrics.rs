//! The metrics of calls, for Prometheus: how many ended, how long they took, how many run.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};
use tonic::Code;

use crate::headers::CODE_NAMES;

/// Tells the recorder what the metrics mean, and which version of the program runs.
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
        "When the server's certificate expires, since 1970"
    );
    describe_gauge!("taizhang_build_info", "1, with the version that runs");
    metrics::gauge!("taizhang_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// The metrics of one method, registered once.
pub(crate) struct CallMetrics {
    service: &'static str,
    method: &'static str,
    /// By code; each is registered when the code first occurs, as most never do.
    ended: [OnceLock<Counter>; CODE_NAMES.len()],
    seconds: Histogram,
    in_flight: Gauge,
}

impl CallMetrics {
    pub(crate) fn of(service: &'static str, method: &'static str) -> Self {
        Self {
            service,
            method,
            ended: Default::default(),
            seconds: metrics::histogram!("taizhang_call_seconds", "service" => service, "method" => method),
            in_flight: metrics::gauge!("taizhang_calls_in_flight", "service" => service, "method" => method),
        }
    }

    /// A call began.
    pub(crate) fn began(&self) {
        self.in_flight.increment(1.0);
    }

    /// A call ended.
    pub(crate) fn ended(&self, code: Code, took: Duration) {
        self.in_flight.decrement(1.0);
        self.seconds.record(took);
        let number = code as usize;
        if let Some(counter) = self.ended.get(number) {
            let (service, method) = (self.service, self.method);
            counter
                .get_or_init(|| {
                    metrics::counter!("taizhang_calls_total", "service" => service, "method" => method, "code" => CODE_NAMES[number])
                })
                .increment(1);
        }
    }
}

impl std::fmt::Debug for CallMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CallMetrics({}, {})", self.service, self.method)
    }
}
