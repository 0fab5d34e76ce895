//! The deadline of calls to another service: told to it as `grpc-timeout`, and kept here too, as a
//! connection that is not there answers nothing.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::Request;
use taizhang_contracts::{Error, Reason};
use tokio::time::{Instant, timeout_at};
use tonic::Status;
use tower::{BoxError, Layer, Service};

use crate::headers::{GRPC_TIMEOUT, format_timeout};

/// Ends a call with DEADLINE_EXCEEDED at an instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct DeadlineLayer {
    until: Instant,
}

impl DeadlineLayer {
    pub(super) fn new(until: Instant) -> Self {
        Self { until }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let until = self.until;
        Deadline { inner, until }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Deadline<S> {
    inner: S,
    until: Instant,
}

impl<S, B> Service<Request<B>> for Deadline<S>
where
    S: Service<Request<B>, Error = BoxError>,
    S::Future: Send + 'static,
    S::Response: 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let left = self.until.saturating_duration_since(Instant::now());
        request
            .headers_mut()
            .insert(GRPC_TIMEOUT, format_timeout(left));
        let call = timeout_at(self.until, self.inner.call(request));
        Box::pin(async {
            call.await.unwrap_or_else(|_| {
                let late = Error::new(Reason::DeadlineExceeded);
                Err(Status::from(late).into())
            })
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::headers::parse_timeout;
    use std::time::Duration;
    use tonic::Code;
    use tower::{ServiceExt, service_fn};

    #[tokio::test]
    async fn the_other_service_is_told_the_time_that_is_left() {
        let until = Instant::now() + Duration::from_secs(10);
        let service = service_fn(|request: Request<()>| async move {
            Ok::<_, BoxError>(request.headers()[GRPC_TIMEOUT].clone())
        });
        let told = DeadlineLayer::new(until).layer(service);
        let told = told.oneshot(Request::new(())).await.unwrap();
        let told = parse_timeout(told.as_bytes()).unwrap();
        assert!((Duration::from_secs(5)..=Duration::from_secs(10)).contains(&told));
    }

    #[tokio::test]
    async fn a_call_without_an_answer_ends_at_the_deadline() {
        let until = Instant::now() + Duration::from_millis(50);
        let silent =
            service_fn(|_: Request<()>| futures::future::pending::<Result<(), BoxError>>());
        let silent = DeadlineLayer::new(until).layer(silent);
        let error = silent.oneshot(Request::new(())).await.unwrap_err();
        let status = error.downcast::<Status>().unwrap();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert!(Instant::now() >= until);
    }
}
