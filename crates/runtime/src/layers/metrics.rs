//! Counts a call as running until the body of its response is dropped, which is after its last
//! byte, and then records its code and how long it took.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::Request;
use http::{HeaderMap, Response};
use http_body::Body;
use tonic::Code;
use tower::{Layer, Service};

use super::trailers::{OnTrailers, WithTrailers};
use crate::headers::code;
use crate::method::{Method, Methods};

/// Measures calls by their method.
#[derive(Debug, Clone)]
pub(super) struct MetricsLayer {
    methods: Arc<Methods>,
}

impl MetricsLayer {
    pub(super) fn new(methods: Arc<Methods>) -> Self {
        Self { methods }
    }
}

impl<S> Layer<S> for MetricsLayer {
    type Service = Metrics<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let methods = self.methods.clone();
        Metrics { inner, methods }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Metrics<S> {
    inner: S,
    methods: Arc<Methods>,
}

impl<S, B> Service<Request> for Metrics<S>
where
    S: Service<Request, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    type Response = Response<WithTrailers<Running, B>>;
    type Error = S::Error;
    type Future = WithTrailers<Running, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let method = self.methods.find(request.uri().path()).clone();
        let running = Running::start(method);
        WithTrailers::new(running, self.inner.call(request))
    }
}

/// A running call; measured when dropped.
#[derive(Debug)]
pub(super) struct Running {
    method: Arc<Method>,
    start: Instant,
    code: Code,
}

impl Running {
    fn start(method: Arc<Method>) -> Self {
        method.metrics.began();
        Self {
            method,
            start: Instant::now(),
            // Stays if the caller goes away.
            code: Code::Cancelled,
        }
    }
}

impl OnTrailers for Running {
    fn on_trailers(&mut self, trailers: &mut HeaderMap) {
        self.code = code(trailers).unwrap_or(Code::Unknown);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.method.metrics.ended(self.code, self.start.elapsed());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::layers::testing::{SERVICE, message, request};
    use http_body_util::BodyExt;
    use metrics_exporter_prometheus::PrometheusBuilder;
    use std::convert::Infallible;
    use tonic::Status;
    use tower::{ServiceExt, service_fn};

    #[test]
    fn a_call_runs_until_its_body_is_dropped() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let shown = recorder.handle();
        let has = |line: &str| {
            let labels =
                r#"service="meetings",method="taizhang.history.v1.HistoryService/ListHistory""#;
            let line = line.replace("{", &format!("{{{labels}"));
            let text = shown.render();
            assert!(text.contains(&line), "{line}\n{text}");
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.unwrap();
        metrics::with_local_recorder(&recorder, || {
            let methods = Arc::new(Methods::of("meetings", &[SERVICE]));
            let layer = MetricsLayer::new(methods);
            let call = || {
                let service = service_fn(|_: Request| async { Ok::<_, Infallible>(message()) });
                let response = layer.layer(service).oneshot(request(&[]));
                Box::pin(runtime.block_on(response).unwrap().into_body())
            };
            let mut body = call();
            has("taizhang_calls_in_flight{} 1");
            runtime.block_on(body.frame()).unwrap().unwrap();
            runtime.block_on(body.frame()).unwrap().unwrap();
            has("taizhang_calls_in_flight{} 1");
            drop(body);
            has("taizhang_calls_in_flight{} 0");
            has(r#"taizhang_calls_total{,code="OK"} 1"#);
            has("taizhang_call_seconds_count{} 1");

            // The caller goes away before the trailers.
            drop(call());
            has(r#"taizhang_calls_total{,code="CANCELLED"} 1"#);

            // A status without messages ends the call at once.
            let service = service_fn(|_: Request| async {
                Ok::<_, Infallible>(Status::new(Code::NotFound, "").into_http::<axum::body::Body>())
            });
            let response = layer.layer(service).oneshot(request(&[]));
            let _response = runtime.block_on(response).unwrap();
            has("taizhang_calls_in_flight{} 0");
            has(r#"taizhang_calls_total{,code="NOT_FOUND"} 1"#);
        });
    }
}
