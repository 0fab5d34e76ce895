//! What goes back: statuses with details, the request id in the trailers, and a call that counts as
//! running, and is bound by its deadline, until its last byte is out.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use taizhang_contracts::{Error, Reason, Result};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use tonic::{Code, Status};

use super::{metrics::Running, panics, request_id, statuses};
use crate::current::Scope;

/// The answer to a call that ended, or whose messages begin to flow.
pub(super) fn of(
    result: Result<(Response, OwnedSemaphorePermit)>,
    scope: Scope,
    mut running: Running,
) -> Response {
    let (mut response, place) = match result {
        Ok((response, place)) => (response, Some(place)),
        Err(error) => (Status::from(error).into_http(), None),
    };
    // Without messages the headers are the trailers.
    if let Some(code) = finish(response.headers_mut(), &scope) {
        running.ended(code);
        return response;
    }
    let flow = |messages| Flow {
        messages,
        running,
        _place: place,
        overdue: None,
        over: false,
    };
    response.map(|messages| {
        Body::new(Answer {
            scope,
            flow: flow(messages),
        })
    })
}

/// Completes headers that hold a status: the code that the call ended with.
fn finish(headers: &mut HeaderMap, scope: &Scope) -> Option<Code> {
    statuses::code(headers)?;
    statuses::complete(headers);
    headers.insert(request_id::NAME, scope.current.request_id.clone());
    statuses::code(headers)
}

/// The messages of an answer and its trailers.
struct Answer {
    scope: Scope,
    flow: Flow,
}

struct Flow {
    messages: Body,
    running: Running,
    _place: Option<OwnedSemaphorePermit>,
    /// Wakes at the deadline; made when there is something to wait for.
    overdue: Option<Pin<Box<Sleep>>>,
    over: bool,
}

type Polled = Poll<Option<Result<Frame<Bytes>, axum::Error>>>;

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let Self { scope, flow } = self.get_mut();
        scope.poll(cx, |cx| flow.poll(cx, scope))
    }

    fn is_end_stream(&self) -> bool {
        self.flow.over
    }

    fn size_hint(&self) -> SizeHint {
        self.flow.messages.size_hint()
    }
}

impl Flow {
    fn poll(&mut self, cx: &mut Context<'_>, scope: &Scope) -> Polled {
        if self.over {
            return Poll::Ready(None);
        }
        let messages = Pin::new(&mut self.messages);
        let polled = catch_unwind(AssertUnwindSafe(|| messages.poll_frame(cx)));
        let frame = match polled {
            Ok(Poll::Ready(Some(Ok(frame)))) => frame,
            Ok(Poll::Ready(Some(Err(cause)))) => return self.fail(Error::internal(cause), scope),
            Ok(Poll::Ready(None)) => return self.fail(Error::internal("no trailers"), scope),
            Ok(Poll::Pending) => {
                ready!(self.overdue(cx, scope));
                return self.fail(Error::new(Reason::DeadlineExceeded), scope);
            }
            Err(panic) => return self.fail(panics::error(&*panic), scope),
        };
        match frame.into_trailers() {
            Ok(trailers) => self.end(trailers, scope),
            Err(messages) => Poll::Ready(Some(Ok(messages))),
        }
    }

    fn overdue(&mut self, cx: &mut Context<'_>, scope: &Scope) -> Poll<()> {
        let deadline = scope.current.deadline.instant();
        let overdue = self
            .overdue
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        overdue.as_mut().poll(cx)
    }

    fn fail(&mut self, error: Error, scope: &Scope) -> Polled {
        let mut trailers = HeaderMap::new();
        statuses::write(&error.into(), &mut trailers);
        self.end(trailers, scope)
    }

    fn end(&mut self, mut trailers: HeaderMap, scope: &Scope) -> Polled {
        self.over = true;
        if let Some(code) = finish(&mut trailers, scope) {
            self.running.ended(code);
        }
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    use futures::StreamExt;
    use futures::stream::{self, Stream};
    use http::HeaderValue;
    use http_body_util::{BodyExt, StreamBody};
    use taizhang_contracts::error::Language;
    use tonic_types::StatusExt;
    use tracing::Span;

    use crate::current::Current;
    use crate::deadline::{self, Deadline};
    use crate::stack::load::Load;
    use crate::stack::method::Methods;

    /// What a caller sees of an answer that streams these frames, and whether its place is free.
    async fn told(
        frames: impl Stream<Item = Frame<Bytes>> + Send + 'static,
    ) -> (Vec<u8>, Option<Status>, HeaderMap) {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", HeaderValue::from_static("50m"));
        let current = Current {
            deadline: Deadline::of(&headers, Duration::from_secs(1)),
            request_id: HeaderValue::from_static("id"),
            traceparent: None,
        };
        let (language, span) = (Language::English, Span::none());
        let scope = Scope {
            language,
            current: Arc::new(current),
            span: span.clone(),
        };
        let running = Running::start(Methods::of("test", &[]).find("").clone(), span);
        let load = Load::new(1);
        let place = load.enter().unwrap();
        let body = Body::new(StreamBody::new(frames.map(Ok::<_, axum::Error>)));
        let answer = of(Ok((Response::new(body), place)), scope, running);
        assert!(load.enter().is_err());
        let collected = answer.into_body().collect().await.unwrap();
        assert!(load.enter().is_ok());
        let trailers = collected.trailers().cloned().unwrap();
        let status = Status::from_header_map(&trailers);
        (collected.to_bytes().to_vec(), status, trailers)
    }

    fn data() -> Frame<Bytes> {
        Frame::data(Bytes::from_static(b"message"))
    }

    fn refused(status: Option<Status>, reason: Reason) {
        let status = status.unwrap();
        assert_eq!(status.code(), reason.code());
        assert_eq!(
            status.get_details_error_info().unwrap().reason,
            reason.name()
        );
        assert_eq!(status.get_details_localized_message().unwrap().locale, "en");
        assert!(!status.message().contains("words"));
    }

    #[tokio::test]
    async fn messages_flow_and_the_id_goes_into_the_trailers() {
        let end = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
        let frames = stream::iter([data(), data(), Frame::trailers(end)]);
        let (sent, status, trailers) = told(frames).await;
        assert_eq!(sent, b"messagemessage");
        assert_eq!(status.unwrap().code(), Code::Ok);
        assert_eq!(trailers["x-request-id"], "id");
    }

    #[tokio::test]
    async fn a_stream_that_takes_too_long_is_ended() {
        let (sent, status, trailers) = told(stream::iter([data()]).chain(stream::pending())).await;
        assert_eq!(sent, b"message");
        refused(status, Reason::DeadlineExceeded);
        assert_eq!(trailers["x-request-id"], "id");
    }

    #[tokio::test]
    async fn a_panic_in_a_stream_is_an_error() {
        let frames = stream::iter(0..2).map(|i| if i == 0 { data() } else { panic!("words") });
        let (sent, status, _) = told(frames).await;
        assert_eq!(sent, b"message");
        refused(status, Reason::Internal);
    }

    #[tokio::test]
    async fn a_stream_without_trailers_is_our_fault() {
        let (_, status, _) = told(stream::iter([data()])).await;
        refused(status, Reason::Internal);
    }

    #[tokio::test]
    async fn a_bare_status_in_trailers_gets_details() {
        let mut end = HeaderMap::new();
        Status::internal("words").add_header(&mut end).unwrap();
        let (_, status, _) = told(stream::iter([data(), Frame::trailers(end)])).await;
        refused(status, Reason::Internal);
    }

    #[tokio::test]
    async fn a_stream_knows_its_deadline() {
        let frames = stream::iter(0..1).map(|_| {
            assert!(deadline::remaining().is_some());
            data()
        });
        assert_eq!(told(frames).await.0, b"message");
    }
}
