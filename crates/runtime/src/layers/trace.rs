//! The span of a call, within the caller's trace, and the log line at its end.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::Request;
use http::{HeaderMap, Response};
use http_body::Body;
use tonic::Code;
use tower::{Layer, Service};
use tracing::Span;
use tracing::field::Empty;

use super::trailers::{OnTrailers, WithTrailers};
use super::within::{Enter, Within};
use crate::headers::{X_REQUEST_ID, code, code_name};
use crate::method::Methods;
use crate::trace_context;

/// Runs the call within a span, until its response's body is dropped.
#[derive(Debug, Clone)]
pub(super) struct TraceLayer {
    methods: Arc<Methods>,
}

impl TraceLayer {
    pub(super) fn new(methods: Arc<Methods>) -> Self {
        Self { methods }
    }
}

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let methods = self.methods.clone();
        Trace { inner, methods }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Trace<S> {
    inner: S,
    methods: Arc<Methods>,
}

impl<S, B> Service<Request> for Trace<S>
where
    S: Service<Request, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    type Response = Response<Within<Span, WithTrailers<LogLine, B>>>;
    type Error = S::Error;
    type Future = Within<Span, WithTrailers<LogLine, S::Future>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let method = self.methods.find(request.uri().path());
        let span = span(method.name, request.headers());
        let line = LogLine::start(span.clone());
        Within::new(span, || WithTrailers::new(line, self.inner.call(request)))
    }
}

impl Enter for Span {
    fn enter<T>(&self, run: impl FnOnce() -> T) -> T {
        self.in_scope(run)
    }
}

fn span(method: &'static str, headers: &HeaderMap) -> Span {
    let request_id = headers.get(X_REQUEST_ID);
    let request_id = request_id.and_then(|id| id.to_str().ok());
    // Of the level error, so that every log line has it, whatever the log filter.
    let span = tracing::error_span!(
        "call",
        otel.name = method,
        otel.kind = "server",
        method,
        request_id = request_id.unwrap_or_default(),
        caller = Empty,
        code = Empty,
    );
    trace_context::extract(headers, &span);
    span
}

/// The log line of a call, written when dropped.
#[derive(Debug)]
pub(super) struct LogLine {
    span: Span,
    start: Instant,
    code: Code,
}

impl LogLine {
    fn start(span: Span) -> Self {
        Self {
            span,
            start: Instant::now(),
            // Stays if the caller goes away.
            code: Code::Cancelled,
        }
    }
}

impl OnTrailers for LogLine {
    fn on_trailers(&mut self, trailers: &mut HeaderMap) {
        self.code = code(trailers).unwrap_or(Code::Unknown);
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        self.span.record("code", code_name(self.code));
        let milliseconds = self.start.elapsed().as_secs_f64() * 1e3;
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::layers::testing::{SERVICE, data, request, streaming, trailers};
    use futures::stream::{self, StreamExt};
    use http_body_util::BodyExt;
    use std::convert::Infallible;
    use std::io::Write;
    use std::sync::Mutex;
    use tonic::Status;
    use tower::{ServiceExt, service_fn};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The log lines of a call whose response is a message and this status, of which the caller
    /// takes so many frames before it goes away.
    async fn logged(status: Status, frames: usize) -> Vec<serde_json::Value> {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(move || writer.clone())
            .finish();
        let default = tracing::subscriber::set_default(subscriber);
        let service = service_fn(move |_: Request| {
            tracing::info!("in the service");
            let frames = stream::iter([data(), trailers(&status)]).map(|frame| {
                tracing::info!("in the stream");
                frame
            });
            async { Ok::<_, Infallible>(streaming(frames)) }
        });
        let methods = Arc::new(Methods::of("meetings", &[SERVICE]));
        let service = TraceLayer::new(methods).layer(service);
        let response = service.oneshot(request(&[("x-request-id", "portal-7")]));
        let mut body = Box::pin(response.await.unwrap().into_body());
        for _ in 0..frames {
            body.frame().await.unwrap().unwrap();
        }
        drop(body);
        drop(default);
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        log.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[tokio::test]
    async fn every_log_line_of_a_call_has_its_span() {
        let lines = logged(Status::internal("text"), 2).await;
        let messages: Vec<_> = lines.iter().map(|l| l["message"].as_str()).collect();
        let expected = ["in the service", "in the stream", "in the stream", "failed"];
        assert_eq!(messages, expected.map(Some));
        for line in &lines {
            assert_eq!(line["span"]["request_id"], "portal-7");
            let method = "taizhang.history.v1.HistoryService/ListHistory";
            assert_eq!(line["span"]["method"], method);
        }
    }

    #[tokio::test]
    async fn the_last_log_line_has_the_code_that_the_call_ended_with() {
        for (status, frames, message, code) in [
            (Status::internal(""), 2, "failed", "INTERNAL"),
            (
                Status::new(Code::Unauthenticated, ""),
                2,
                "refused",
                "UNAUTHENTICATED",
            ),
            (Status::new(Code::NotFound, ""), 2, "ended", "NOT_FOUND"),
            // The caller goes away before the trailers.
            (Status::internal(""), 1, "ended", "CANCELLED"),
        ] {
            let lines = logged(status, frames).await;
            let last = lines.last().unwrap();
            assert_eq!(last["message"], message);
            assert_eq!(last["span"]["code"], code);
            assert!(last["milliseconds"].is_number());
        }
    }
}
