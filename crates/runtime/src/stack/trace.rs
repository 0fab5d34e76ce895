//! The span of a call, and W3C trace context in and out.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::global;
use opentelemetry::propagation::{Extractor, Injector};
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

pub(crate) const PARENT: HeaderName = HeaderName::from_static("traceparent");

/// The span of a call, within the caller's trace if it told of one.
pub(super) fn span(method: &'static str, request_id: &HeaderValue, headers: &HeaderMap) -> Span {
    // Of the level error, so that whatever is logged has it around, also where little is logged.
    let span = tracing::error_span!(
        "call",
        otel.name = method,
        otel.kind = "server",
        method,
        request_id = request_id.to_str().unwrap_or_default(),
        caller = Empty,
        code = Empty,
    );
    if headers.contains_key(PARENT) {
        let parent = global::get_text_map_propagator(|p| p.extract(&In(headers)));
        // An error says that no traces are collected.
        let _ = span.set_parent(parent);
    }
    span
}

/// Writes the trace context of the current span into headers, if traces are collected.
pub(crate) fn inject(headers: &mut HeaderMap) {
    let context = Span::current().context();
    global::get_text_map_propagator(|p| p.inject_context(&context, &mut Out(headers)));
}

struct In<'a>(&'a HeaderMap);

impl Extractor for In<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct Out<'a>(&'a mut HeaderMap);

impl Injector for Out<'_> {
    fn set(&mut self, key: &str, value: String) {
        // The propagator of the crate writes an empty `tracestate`, which says nothing.
        if value.is_empty() {
            return;
        }
        if let (Ok(name), Ok(value)) = (key.parse::<HeaderName>(), value.parse()) {
            self.0.insert(name, value);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::propagation::TraceContextPropagator;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt;

    const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_trace_goes_on_through_us() {
        global::set_text_map_propagator(TraceContextPropagator::new());
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            let mut headers = HeaderMap::new();
            headers.insert(PARENT, HeaderValue::from_static(TRACEPARENT));
            let span = span("method", &HeaderValue::from_static("id"), &headers);
            let mut out = HeaderMap::new();
            span.in_scope(|| inject(&mut out));
            let passed_on = out[PARENT].to_str().unwrap();
            assert_eq!(&passed_on[..35], &TRACEPARENT[..35]);
            assert_ne!(&passed_on[36..52], &TRACEPARENT[36..52]);
            assert!(!out.contains_key("tracestate"));
        });
    }

    #[test]
    fn without_a_collector_nothing_is_written() {
        let mut out = HeaderMap::new();
        inject(&mut out);
        assert!(out.is_empty());
    }
}
