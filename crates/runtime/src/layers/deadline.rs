//! The deadline of a call: the caller's `grpc-timeout`, capped by the configuration. It bounds the
//! call until the last byte of its response.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Request;
use futures::future::Either;
use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use taizhang_contracts::{Error, Reason, Result, Until};
use tokio::time::{Instant, Sleep, Timeout, sleep_until, timeout_at};
use tower::{Layer, Service};

use super::refuse::{OrRefused, refuse};
use crate::headers::{GRPC_TIMEOUT, parse_timeout};

/// How much earlier than the caller a service stops, so that its answer arrives before the caller
/// gives up.
const MARGIN: Duration = Duration::from_millis(5);

/// Ends a call with DEADLINE_EXCEEDED when its time is over, and drops its work. Handlers find the
/// deadline as [`Until`] in the request's extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct DeadlineLayer {
    longest: Duration,
}

impl DeadlineLayer {
    /// No call takes longer than `longest`, whatever its caller allows.
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let longest = self.longest;
        Deadline { inner, longest }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Deadline<S> {
    inner: S,
    longest: Duration,
}

impl<S, B> Service<Request> for Deadline<S>
where
    S: Service<Request, Response = Response<B>, Error = Error>,
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    type Response = Response<DeadlineBody<B>>;
    type Error = Error;
    type Future = OrRefused<DeadlineFuture<S::Future>, DeadlineBody<B>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let allowed = allowed(request.headers(), self.longest);
        if allowed.is_zero() {
            return refuse(Error::new(Reason::DeadlineExceeded));
        }
        let until = Instant::now() + allowed;
        request.extensions_mut().insert(Until(until));
        let inner = Some(timeout_at(until, self.inner.call(request)));
        Either::Left(DeadlineFuture {
            until,
            begun: false,
            inner,
        })
    }
}

/// How long a call with these headers may take. A malformed `grpc-timeout` counts as none.
fn allowed(headers: &HeaderMap, longest: Duration) -> Duration {
    let timeout = headers
        .get(GRPC_TIMEOUT)
        .and_then(|v| parse_timeout(v.as_bytes()));
    timeout.map_or(longest, |t| (t - MARGIN.min(t / 10)).min(longest))
}

pin_project! {
    pub(super) struct DeadlineFuture<F> {
        until: Instant,
        begun: bool,
        // `None` once the time is over.
        #[pin]
        inner: Option<Timeout<F>>,
    }
}

impl<F, B> Future for DeadlineFuture<F>
where
    F: Future<Output = Result<Response<B>>>,
{
    type Output = Result<Response<DeadlineBody<B>>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        // `Timeout` polls the call before its timer: without this, a call whose deadline has passed
        // would begin.
        let begins = !std::mem::replace(this.begun, true);
        let polled = match begins && *this.until <= Instant::now() {
            true => None,
            false => ready!(inner.poll(cx)).ok(),
        };
        let Some(result) = polled else {
            this.inner.set(None);
            return Poll::Ready(Err(Error::new(Reason::DeadlineExceeded)));
        };
        Poll::Ready(result.map(|response| {
            response.map(|inner| DeadlineBody {
                until: *this.until,
                sleep: None,
                inner,
            })
        }))
    }
}

pin_project! {
    pub(super) struct DeadlineBody<B> {
        until: Instant,
        // Made when the body is pending for the first time: most never are.
        #[pin]
        sleep: Option<Sleep>,
        #[pin]
        inner: B,
    }
}

impl<B> Body for DeadlineBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let mut this = self.project();
        if let Poll::Ready(frame) = this.inner.poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Error::internal)));
        }
        if this.sleep.is_none() {
            this.sleep.set(Some(sleep_until(*this.until)));
        }
        if let Some(sleep) = this.sleep.as_pin_mut() {
            ready!(sleep.poll(cx));
        }
        Poll::Ready(Some(Err(Error::new(Reason::DeadlineExceeded))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::layers::testing::{collected, data, message, request, streaming};
    use futures::stream::{self, StreamExt};
    use std::sync::Arc;
    use tower::{ServiceExt, service_fn};

    const LONGEST: Duration = Duration::from_secs(30);
    const SHORT: Duration = Duration::from_millis(50);

    #[test]
    fn the_shorter_of_the_callers_timeout_and_the_longest_holds() {
        let cases = [
            (None, LONGEST),
            (Some("1H"), LONGEST),
            (Some("nonsense"), LONGEST),
            (Some("1S"), Duration::from_millis(995)),
            (Some("10m"), Duration::from_millis(9)),
            (Some("0S"), Duration::ZERO),
        ];
        for (timeout, expected) in cases {
            let headers: Vec<_> = timeout.map(|t| ("grpc-timeout", t)).into_iter().collect();
            let headers = request(&headers).headers().clone();
            assert_eq!(allowed(&headers, LONGEST), expected, "{timeout:?}");
        }
    }

    #[tokio::test]
    async fn a_handler_finds_its_deadline() {
        let service = service_fn(|request: Request| async move {
            let until = request.extensions().get::<Until>().unwrap();
            assert!(until.remaining() <= Duration::from_millis(995));
            assert!(until.remaining() > Duration::from_millis(500));
            Ok(message())
        });
        let service = DeadlineLayer::new(LONGEST).layer(service);
        let response = service.oneshot(request(&[("grpc-timeout", "1S")])).await;
        let (bytes, _) = collected(response.unwrap().into_body()).await.unwrap();
        assert_eq!(bytes, "message");
    }

    #[tokio::test]
    async fn a_call_that_takes_too_long_is_ended_and_its_work_dropped() {
        let work = Arc::new(());
        let held = work.clone();
        let service = service_fn(move |_: Request| {
            let held = held.clone();
            async move {
                let _held = held;
                futures::future::pending::<Result<Response<axum::body::Body>>>().await
            }
        });
        let mut service = DeadlineLayer::new(SHORT).layer(service);
        let mut response = Box::pin(service.call(request(&[])));
        let start = Instant::now();
        assert!(futures::poll!(&mut response).is_pending());
        assert_eq!(Arc::strong_count(&work), 3);
        let Err(error) = response.as_mut().await else {
            panic!("no error");
        };
        assert_eq!(error.reason(), Reason::DeadlineExceeded);
        assert_eq!(Arc::strong_count(&work), 2);
        assert!((SHORT..LONGEST).contains(&start.elapsed()));
    }

    #[tokio::test]
    async fn a_stream_that_takes_too_long_is_ended() {
        let service = service_fn(|_: Request| async {
            Ok(streaming(stream::iter([data()]).chain(stream::pending())))
        });
        let service = DeadlineLayer::new(SHORT).layer(service);
        let response = service.oneshot(request(&[])).await.unwrap();
        let mut body = std::pin::pin!(response.into_body());
        let mut frame = async || http_body_util::BodyExt::frame(&mut body).await.unwrap();
        assert!(frame().await.unwrap().is_data());
        let error = frame().await.unwrap_err();
        assert_eq!(error.reason(), Reason::DeadlineExceeded);
    }

    #[tokio::test]
    async fn a_call_whose_time_is_over_does_not_begin() {
        let service = service_fn(|_: Request| async {
            if true {
                panic!("begun");
            }
            Ok(message())
        });
        let service = DeadlineLayer::new(LONGEST).layer(service);
        for timeout in ["0S", "1n"] {
            let request = request(&[("grpc-timeout", timeout)]);
            let Err(error) = service.clone().oneshot(request).await else {
                panic!("no error");
            };
            assert_eq!(error.reason(), Reason::DeadlineExceeded, "{timeout}");
        }
    }
}
