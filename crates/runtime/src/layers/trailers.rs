//! Sees, and may change, the status that ends a call. It stands in the trailers after the messages
//! or, in a response without messages (*Trailers-Only*), in the headers.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::headers::GRPC_STATUS;

/// What a layer does with the status of a call; dropped when the response's body is.
pub(super) trait OnTrailers {
    fn on_trailers(&mut self, trailers: &mut HeaderMap);
}

pin_project! {
    /// A future of a response, or the body of a response, that calls `hook` once the call ends.
    pub(super) struct WithTrailers<H, T> {
        // `None` once the status was in the headers.
        hook: Option<H>,
        #[pin]
        inner: T,
    }
}

impl<H, T> WithTrailers<H, T> {
    pub(super) fn new(hook: H, inner: T) -> Self {
        let hook = Some(hook);
        Self { hook, inner }
    }
}

impl<H, F, B, X> Future for WithTrailers<H, F>
where
    H: OnTrailers,
    F: Future<Output = Result<Response<B>, X>>,
{
    type Output = Result<Response<WithTrailers<H, B>>, X>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        let mut hook = this.hook.take();
        if response.headers().contains_key(GRPC_STATUS)
            && let Some(mut hook) = hook.take()
        {
            hook.on_trailers(response.headers_mut());
        }
        Poll::Ready(Ok(response.map(|inner| WithTrailers { hook, inner })))
    }
}

impl<H, B> Body for WithTrailers<H, B>
where
    H: OnTrailers,
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let mut polled = this.inner.poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &mut polled
            && let (Some(trailers), Some(hook)) = (frame.trailers_mut(), this.hook)
        {
            hook.on_trailers(trailers);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
