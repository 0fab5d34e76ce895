//! W3C Trace Context in headers: read from a caller, written for a callee.

use http::{HeaderMap, HeaderName};
use opentelemetry::global;
use opentelemetry::propagation::{Extractor, Injector};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::headers::TRACEPARENT;

/// Makes a span the child of the caller's, if the headers name one.
pub(crate) fn extract(headers: &HeaderMap, span: &Span) {
    if headers.contains_key(TRACEPARENT) {
        let parent = global::get_text_map_propagator(|p| p.extract(&Incoming(headers)));
        // Fails where no traces are collected.
        let _ = span.set_parent(parent);
    }
}

/// Writes the trace context of the current span into headers, if traces are collected.
pub(crate) fn inject(headers: &mut HeaderMap) {
    let context = Span::current().context();
    global::get_text_map_propagator(|p| p.inject_context(&context, &mut Outgoing(headers)));
}

struct Incoming<'a>(&'a HeaderMap);

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct Outgoing<'a>(&'a mut HeaderMap);

impl Injector for Outgoing<'_> {
    fn set(&mut self, key: &str, value: String) {
        // The propagator of the crate writes an empty `tracestate`, which has no meaning.
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
    use http::HeaderValue;
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::propagation::TraceContextPropagator;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_trace_continues_with_a_span_of_this_service() {
        global::set_text_map_propagator(TraceContextPropagator::new());
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            let headers = HeaderMap::from_iter([(TRACEPARENT, HeaderValue::from_static(PARENT))]);
            let span = tracing::error_span!("call");
            extract(&headers, &span);
            let mut out = HeaderMap::new();
            span.in_scope(|| inject(&mut out));
            let passed_on = out[TRACEPARENT].to_str().unwrap();
            assert_eq!(&passed_on[..35], &PARENT[..35]);
            assert_ne!(&passed_on[36..52], &PARENT[36..52]);
            assert!(!out.contains_key("tracestate"));
        });
    }

    #[test]
    fn nothing_is_injected_where_no_traces_are_collected() {
        let mut out = HeaderMap::new();
        inject(&mut out);
        assert!(out.is_empty());
    }
}
