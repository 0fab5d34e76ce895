//! Sends the request id and the trace of the running call, so that the logs and spans of both
//! services belong together.

use std::task::{Context, Poll};

use http::Request;
use tower::{Layer, Service};

use crate::call_scope::CallScope;
use crate::headers::{TRACEPARENT, X_REQUEST_ID};
use crate::trace_context;

/// Copies the headers of the [`CallScope`] into each request.
#[derive(Debug, Clone, Copy)]
pub(super) struct PropagateLayer;

impl<S> Layer<S> for PropagateLayer {
    type Service = Propagate<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Propagate { inner }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Propagate<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for Propagate<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let headers = request.headers_mut();
        if let Some(scope) = CallScope::current() {
            if let Some(id) = &scope.request_id {
                headers.insert(X_REQUEST_ID, id.clone());
            }
            if let Some(parent) = &scope.traceparent {
                headers.insert(TRACEPARENT, parent.clone());
            }
        }
        // Where traces are collected, the current span is the parent instead.
        trace_context::inject(headers);
        self.inner.call(request)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use std::convert::Infallible;
    use std::sync::Arc;
    use tower::service_fn;

    #[tokio::test]
    async fn the_headers_of_the_call_scope_go_along() {
        let call = || {
            let service = service_fn(|request: Request<()>| async move {
                Ok::<_, Infallible>(request.headers().clone())
            });
            PropagateLayer.layer(service).call(Request::new(()))
        };
        let headers = HeaderMap::from_iter([
            (X_REQUEST_ID, "id".parse().unwrap()),
            (TRACEPARENT, "00-1-2-01".parse().unwrap()),
        ]);
        let scope = Arc::new(CallScope::of(&headers));
        assert_eq!(scope.sync_scope(call).await.unwrap(), headers);
        assert!(call().await.unwrap().is_empty());
    }
}
