//! Puts the [`CallScope`] around a call: a task-local, so that the client finds there what to pass
//! on, however deep in the code it is used.

use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Bytes;
use axum::extract::Request;
use http::Response;
use http_body::Body;
use tower::{Layer, Service};

use super::within::{Enter, Within};
use crate::call_scope::CallScope;

/// Runs the call, and streams its response, within a scope of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallScopeLayer;

impl<S> Layer<S> for CallScopeLayer {
    type Service = Scoped<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Scoped { inner }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Scoped<S> {
    inner: S,
}

impl<S, B> Service<Request> for Scoped<S>
where
    S: Service<Request, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    type Response = Response<Within<Arc<CallScope>, B>>;
    type Error = S::Error;
    type Future = Within<Arc<CallScope>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let scope = Arc::new(CallScope::of(request.headers()));
        Within::new(scope, || self.inner.call(request))
    }
}

impl Enter for Arc<CallScope> {
    fn enter<T>(&self, run: impl FnOnce() -> T) -> T {
        self.sync_scope(run)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::layers::testing::{collected, data, request, streaming};
    use futures::stream::{self, StreamExt};
    use std::convert::Infallible;
    use tower::{ServiceExt, service_fn};

    #[tokio::test]
    async fn a_call_and_its_stream_are_within_its_scope() {
        let service = service_fn(|_: Request| async {
            tokio::task::yield_now().await;
            let scope = CallScope::current().unwrap();
            assert_eq!(scope.request_id.as_ref().unwrap(), "id");
            assert_eq!(scope.traceparent.as_ref().unwrap(), "00-1-2-01");
            let frames = stream::iter(0..1).map(move |_| {
                assert_eq!(CallScope::current().unwrap(), scope);
                data()
            });
            Ok::<_, Infallible>(streaming(frames))
        });
        let headers = [("x-request-id", "id"), ("traceparent", "00-1-2-01")];
        let response = CallScopeLayer.layer(service).oneshot(request(&headers));
        let (bytes, _) = collected(response.await.unwrap().into_body())
            .await
            .unwrap();
        assert_eq!(bytes, "message");
        assert_eq!(CallScope::current(), None);
    }
}
