//! A panic ends its own call with INTERNAL and no other call. Its text goes to the log only.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use axum::extract::Request;
use futures::future::Either;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use taizhang_contracts::{Error, Result};
use tower::{Layer, Service};

use super::refuse::{OrRefused, refuse};

/// Catches the panics of a call and of its response's stream.
///
/// What the call was changing is dropped with it: transactions roll back. That is why it is
/// unwind-safe.
#[derive(Debug, Clone, Copy)]
pub(super) struct CatchPanicLayer;

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CatchPanic { inner }
    }
}

#[derive(Debug, Clone)]
pub(super) struct CatchPanic<S> {
    inner: S,
}

impl<S, B> Service<Request> for CatchPanic<S>
where
    S: Service<Request, Response = Response<B>, Error = Error>,
    B: Body<Data = Bytes, Error = Error>,
{
    type Response = Response<Caught<B>>;
    type Error = Error;
    type Future = OrRefused<Caught<S::Future>, Caught<B>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) {
            Ok(inner) => Either::Left(Caught { inner }),
            Err(panic) => refuse(error(&*panic)),
        }
    }
}

pin_project! {
    /// A future of a response, or the body of a response, whose panics are errors.
    pub(super) struct Caught<T> {
        #[pin]
        inner: T,
    }
}

impl<F, B> Future for Caught<F>
where
    F: Future<Output = Result<Response<B>>>,
{
    type Output = Result<Response<Caught<B>>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = self.project().inner;
        let response = match catch_unwind(AssertUnwindSafe(|| inner.poll(cx))) {
            Ok(polled) => ready!(polled)?,
            Err(panic) => return Poll::Ready(Err(error(&*panic))),
        };
        Poll::Ready(Ok(response.map(|inner| Caught { inner })))
    }
}

impl<B> Body for Caught<B>
where
    B: Body<Data = Bytes, Error = Error>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let inner = self.project().inner;
        catch_unwind(AssertUnwindSafe(|| inner.poll_frame(cx)))
            .unwrap_or_else(|panic| Poll::Ready(Some(Err(error(&*panic)))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The error of a panic; logs its text.
fn error(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::internal(format_args!("panic: {}", text.unwrap_or("not a text")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::layers::testing::{collected, data, message, request, streaming};
    use futures::stream::{self, StreamExt};
    use http_body_util::BodyExt;
    use taizhang_contracts::Reason;
    use tower::{ServiceExt, service_fn};

    type Answer = Result<Response<axum::body::Body>>;

    /// Calls a service through the layer; the bytes of its response.
    async fn called<F>(service: impl FnMut(Request) -> F) -> Result<Bytes>
    where
        F: Future<Output = Answer>,
    {
        let service = service_fn(service).map_response(|response: Response<_>| {
            response.map(|b: axum::body::Body| b.map_err(Error::internal))
        });
        let response = CatchPanicLayer.layer(service).oneshot(request(&[])).await?;
        Ok(collected(response.into_body()).await?.0)
    }

    fn assert_internal(result: Result<Bytes>) {
        let error = result.unwrap_err();
        assert_eq!(error.reason(), Reason::Internal);
        assert!(!error.to_string().contains("text"));
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error_without_its_text() {
        assert_eq!(
            called(|_| async { Ok(message()) }).await.unwrap(),
            "message"
        );
        assert_internal(called(async |_| -> Answer { panic!("text") }).await);
        assert_internal(called(|_| -> futures::future::Ready<Answer> { panic!("text") }).await);
        let stream = async |_| {
            let frames = stream::iter(0..2).map(|i| if i == 0 { data() } else { panic!("text") });
            Ok(streaming(frames))
        };
        assert_internal(called(stream).await);
    }
}
