//! Logs, traces and metrics. None of them has tokens or passwords.

use std::sync::Once;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::call_metrics;
use crate::config::{Config, ConfigError, Telemetry};

/// Flushes traces when dropped.
#[derive(Debug)]
#[must_use = "traces are flushed when it is dropped"]
pub struct Guard(Option<SdkTracerProvider>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(traces) = &self.0 {
            // Bounded, as the collector may not answer.
            let _ = traces.shutdown_with_timeout(Duration::from_secs(3));
        }
    }
}

/// Sets up logs, and traces and metrics if configured, for this process. `name` is the
/// `service.name` of its traces. What is set up already stays as it is. Must be called within a
/// tokio runtime.
///
/// # Errors
/// If the address for metrics or the collector's can't be used.
pub fn init(name: &'static str, config: &Config) -> Result<Guard, ConfigError> {
    let telemetry = &config.telemetry;
    let traces = traces(name, telemetry)?;
    let exported = traces
        .as_ref()
        .map(|t| tracing_opentelemetry::layer().with_tracer(t.tracer("taizhang")));
    let filter =
        EnvFilter::try_new(&telemetry.log).map_err(|e| ConfigError::new("telemetry.log", e))?;
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = if telemetry.json {
        lines.json().flatten_event(true).boxed()
    } else {
        lines.with_ansi(false).boxed()
    };
    // Fails if a subscriber is set already, which stays.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(exported)
        .with(lines)
        .try_init();
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    log_panics();
    metrics(telemetry)?;
    Ok(Guard(traces))
}

fn traces(
    name: &'static str,
    telemetry: &Telemetry,
) -> Result<Option<SdkTracerProvider>, ConfigError> {
    let Some(url) = &telemetry.otlp else {
        return Ok(None);
    };
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(url)
        .build();
    let exporter = exporter.map_err(|e| ConfigError::new("telemetry.otlp", e))?;
    let resource = Resource::builder().with_service_name(name).build();
    let traces = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource);
    Ok(Some(traces.build()))
}

/// The buckets of histograms, in seconds: from half a millisecond to the longest deadline.
const BUCKETS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

fn metrics(telemetry: &Telemetry) -> Result<(), ConfigError> {
    let Some(address) = telemetry.metrics else {
        return Ok(());
    };
    let unusable = |e| ConfigError::new("telemetry.metrics", e);
    let builder = PrometheusBuilder::new()
        .with_http_listener(address)
        .set_buckets(BUCKETS);
    let (recorder, endpoint) = builder
        .and_then(PrometheusBuilder::build)
        .map_err(unusable)?;
    if metrics::set_global_recorder(recorder).is_ok() {
        call_metrics::describe();
        tokio::spawn(async move {
            if endpoint.await.is_err() {
                tracing::error!("the endpoint for metrics failed");
            }
        });
    }
    Ok(())
}

/// Logs panics, within the span of their call.
fn log_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !tracing::enabled!(tracing::Level::ERROR) {
                return before(panic);
            }
            let location = panic
                .location()
                .map(ToString::to_string)
                .unwrap_or_default();
            let text = panic.payload_as_str().unwrap_or_default();
            tracing::error!(location, text, "panic");
        }));
    });
}
