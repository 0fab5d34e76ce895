//! How many calls a service works on at once. The others are refused at once: a caller that queued
//! would give up waiting before its answer comes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use axum::extract::Request;
use futures::future::Either;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use taizhang_contracts::{Error, Reason, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::{Layer, Service};

use super::refuse::{OrRefused, refuse};

/// Lets calls in that get one of so many permits, and refuses the others with RESOURCE_EXHAUSTED.
/// A call holds its permit until the body of its response is dropped.
#[derive(Debug, Clone)]
pub(super) struct LoadShedLayer {
    permits: Arc<Semaphore>,
}

impl LoadShedLayer {
    pub(super) fn new(calls: usize) -> Self {
        let permits = Arc::new(Semaphore::new(calls.min(Semaphore::MAX_PERMITS)));
        Self { permits }
    }
}

impl<S> Layer<S> for LoadShedLayer {
    type Service = LoadShed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let permits = self.permits.clone();
        LoadShed { inner, permits }
    }
}

#[derive(Debug, Clone)]
pub(super) struct LoadShed<S> {
    inner: S,
    permits: Arc<Semaphore>,
}

impl<S, B> Service<Request> for LoadShed<S>
where
    S: Service<Request, Response = Response<B>, Error = Error>,
    B: Body<Data = Bytes>,
{
    type Response = Response<Permitted<B>>;
    type Error = Error;
    type Future = OrRefused<Permitted<S::Future>, Permitted<B>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.permits.clone().try_acquire_owned() {
            Ok(permit) => Either::Left(Permitted {
                inner: self.inner.call(request),
                permit: Some(permit),
            }),
            Err(_) => refuse(Error::new(Reason::Overloaded)),
        }
    }
}

pin_project! {
    /// A future of a response, or the body of a response, that holds a permit.
    pub(super) struct Permitted<T> {
        #[pin]
        inner: T,
        // After `inner`, so that the call's work is dropped before its permit.
        permit: Option<OwnedSemaphorePermit>,
    }
}

impl<F, B> Future for Permitted<F>
where
    F: Future<Output = Result<Response<B>>>,
{
    type Output = Result<Response<Permitted<B>>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx));
        let permit = this.permit.take();
        Poll::Ready(result.map(|response| response.map(|inner| Permitted { inner, permit })))
    }
}

impl<B: Body<Data = Bytes>> Body for Permitted<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::layers::testing::{message, request};
    use http_body_util::BodyExt;
    use tower::{ServiceExt, service_fn};

    #[tokio::test]
    async fn a_permit_is_held_until_the_body_is_dropped() {
        let layer = LoadShedLayer::new(1);
        let call = async || {
            let service = service_fn(|_: Request| async { Ok(message()) });
            layer.layer(service).oneshot(request(&[])).await
        };
        let refused = async || call().await.err().map(|error| error.reason());

        let mut body = Box::pin(call().await.unwrap().into_body());
        while let Some(frame) = body.frame().await {
            frame.unwrap();
            assert_eq!(refused().await, Some(Reason::Overloaded));
        }
        drop(body);
        assert_eq!(refused().await, None);
    }

    #[tokio::test]
    async fn a_refused_or_abandoned_call_gives_its_permit_back() {
        let layer = LoadShedLayer::new(1);
        let refusing = service_fn(|_: Request| async {
            Err::<Response<axum::body::Body>, _>(Error::new(Reason::TokenMissing))
        });
        let mut refusing = layer.layer(refusing);
        let waiting = service_fn(|_: Request| {
            futures::future::pending::<Result<Response<axum::body::Body>>>()
        });
        let mut waiting = layer.layer(waiting);
        for _ in 0..2 {
            let refused = refusing.call(request(&[])).await.err();
            assert_eq!(refused.map(|e| e.reason()), Some(Reason::TokenMissing));
            let mut abandoned = Box::pin(waiting.call(request(&[])));
            assert!(futures::poll!(&mut abandoned).is_pending());
        }
    }
}
