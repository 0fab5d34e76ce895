//! Enters something, such as a span or a task-local, around each poll of a future and of the body
//! of its response, and also when they are dropped.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

/// Something that can be entered for the time that a function runs.
pub(super) trait Enter: Clone {
    fn enter<T>(&self, run: impl FnOnce() -> T) -> T;
}

pin_project! {
    /// A future of a response, or the body of a response, polled and dropped within `scope`.
    pub(super) struct Within<E, T> where E: Enter {
        scope: E,
        // `None` only once dropped.
        #[pin]
        inner: Option<T>,
    }

    impl<E, T> PinnedDrop for Within<E, T> where E: Enter {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.scope.enter(|| this.inner.set(None));
        }
    }
}

impl<E: Enter, T> Within<E, T> {
    /// Makes the inner one in the scope already.
    pub(super) fn new(scope: E, make: impl FnOnce() -> T) -> Self {
        let inner = Some(scope.enter(make));
        Self { scope, inner }
    }
}

impl<E, F, B, X> Future for Within<E, F>
where
    E: Enter,
    F: Future<Output = Result<Response<B>, X>>,
{
    type Output = Result<Response<Within<E, B>>, X>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else {
            return Poll::Pending;
        };
        let response = ready!(this.scope.enter(|| inner.poll(cx)))?;
        Poll::Ready(Ok(response.map(|body| Within {
            scope: this.scope.clone(),
            inner: Some(body),
        })))
    }
}

impl<E, B> Body for Within<E, B>
where
    E: Enter,
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        match this.inner.as_pin_mut() {
            Some(inner) => this.scope.enter(|| inner.poll_frame(cx)),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(B::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map(B::size_hint).unwrap_or_default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::cell::Cell;

    use futures::stream::{self, StreamExt};
    use http_body_util::{BodyExt, StreamBody};

    thread_local! {
        static ENTERED: Cell<bool> = const { Cell::new(false) };
    }

    #[derive(Clone)]
    struct Flag;

    impl Enter for Flag {
        fn enter<T>(&self, run: impl FnOnce() -> T) -> T {
            ENTERED.set(true);
            let out = run();
            ENTERED.set(false);
            out
        }
    }

    struct DropsWithin;

    impl Drop for DropsWithin {
        fn drop(&mut self) {
            assert!(ENTERED.get());
        }
    }

    #[tokio::test]
    async fn polls_and_drops_of_future_and_body_are_within() {
        let within = Within::new(Flag, || {
            assert!(ENTERED.get());
            async {
                let held = DropsWithin;
                tokio::task::yield_now().await;
                assert!(ENTERED.get());
                let frames = stream::iter(0..2).map(move |_| {
                    let _held = &held;
                    assert!(ENTERED.get());
                    Ok::<_, Error>(Frame::data(Bytes::from_static(b"m")))
                });
                Ok::<_, Error>(Response::new(StreamBody::new(frames)))
            }
        });
        let body = within.await.unwrap().into_body();
        assert!(!ENTERED.get());
        assert_eq!(body.collect().await.unwrap().to_bytes(), "mm");
        drop(Within::new(Flag, || DropsWithin));
    }

    type Error = std::convert::Infallible;
}
