//! Asks a read a second time if it was lost in transit, as happens to a call when the other
//! service renews its connection (GOAWAY) or stops. A write is never sent twice from here: whether
//! the first was committed is not known.

use std::future::{Ready, ready};

use axum::body::Bytes;
use http::{Request, Response};
use http_body_util::{Collected, Full};
use taizhang_contracts::METHODS;
use tokio::time::Instant;
use tonic::{Code, Status};
use tower::BoxError;
use tower::retry::Policy;

use crate::headers::code;

/// One retry, of reads only, and only while there is time left.
#[derive(Debug, Clone)]
pub(super) struct RetryLostReads {
    until: Instant,
    retried: bool,
}

impl RetryLostReads {
    pub(super) fn until(until: Instant) -> Self {
        let retried = false;
        Self { until, retried }
    }
}

type Answer = Result<Response<Collected<Bytes>>, BoxError>;

impl Policy<Request<Full<Bytes>>, Response<Collected<Bytes>>, BoxError> for RetryLostReads {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<Full<Bytes>>, answer: &mut Answer) -> Option<Ready<()>> {
        let again = !self.retried && is_lost(answer) && Instant::now() < self.until;
        self.retried = true;
        again.then(|| {
            tracing::debug!("a read was lost in transit; asking again");
            ready(())
        })
    }

    fn clone_request(&mut self, request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
        is_read(request.uri().path()).then(|| request.clone())
    }
}

/// Whether the transport failed, or the other service is stopping (UNAVAILABLE).
fn is_lost(answer: &Answer) -> bool {
    match answer {
        // A status is one of our own layers': too late, or too large.
        Err(error) => !error.is::<Status>(),
        Ok(response) => {
            let code =
                code(response.headers()).or_else(|| response.body().trailers().and_then(code));
            code == Some(Code::Unavailable)
        }
    }
}

/// Whether the contract of a method requires a scope for reading only.
fn is_read(path: &str) -> bool {
    let method = METHODS.iter().find(|m| m.path == path);
    method.is_some_and(|m| m.scope.ends_with(".read"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use futures::stream;
    use http::HeaderMap;
    use http_body::Frame;
    use http_body_util::{BodyExt, StreamBody};
    use std::time::Duration;
    use tower::retry::RetryLayer;
    use tower::{Layer, ServiceExt, service_fn};

    const READ: &str = "/taizhang.history.v1.HistoryService/ListHistory";
    const WRITE: &str = "/taizhang.meetings.v1.MeetingService/CreateMeeting";
    const LONG: Duration = Duration::from_secs(60);

    fn headers(code: Code) -> HeaderMap {
        let mut headers = HeaderMap::new();
        Status::new(code, "").add_header(&mut headers).unwrap();
        headers
    }

    async fn in_headers(code: Code) -> Answer {
        let body = http_body_util::Empty::new().collect().await?;
        let mut response = Response::new(body);
        *response.headers_mut() = headers(code);
        Ok(response)
    }

    async fn in_trailers(code: Code) -> Answer {
        let frame = Frame::<Bytes>::trailers(headers(code));
        let frames = stream::iter([Ok::<_, BoxError>(frame)]);
        Ok(Response::new(StreamBody::new(frames).collect().await?))
    }

    async fn broken(_: Code) -> Answer {
        Err("broken pipe".into())
    }

    async fn late(_: Code) -> Answer {
        Err(Status::deadline_exceeded("").into())
    }

    /// How often a service is asked that gives this answer.
    async fn asked<F>(path: &str, time: Duration, answer: impl Fn() -> F) -> usize
    where
        F: Future<Output = Answer>,
    {
        let asked = std::cell::Cell::new(0);
        let service = service_fn(|request: Request<Full<Bytes>>| {
            asked.set(asked.get() + 1);
            let answer = answer();
            async {
                let body = request.into_body().collect().await?.to_bytes();
                assert_eq!(body, "request");
                answer.await
            }
        });
        let policy = RetryLostReads::until(Instant::now() + time);
        let request = Request::post(path).body(Full::from("request")).unwrap();
        let _answer = RetryLayer::new(policy)
            .layer(service)
            .oneshot(request)
            .await;
        asked.get()
    }

    #[tokio::test]
    async fn a_read_that_is_lost_in_transit_is_asked_once_more() {
        assert_eq!(asked(READ, LONG, || broken(Code::Ok)).await, 2);
        assert_eq!(asked(READ, LONG, || in_headers(Code::Unavailable)).await, 2);
        assert_eq!(
            asked(READ, LONG, || in_trailers(Code::Unavailable)).await,
            2
        );
    }

    #[tokio::test]
    async fn any_other_answer_stands() {
        assert_eq!(asked(READ, LONG, || in_trailers(Code::Ok)).await, 1);
        assert_eq!(asked(READ, LONG, || in_headers(Code::NotFound)).await, 1);
        assert_eq!(asked(READ, LONG, || late(Code::Ok)).await, 1);
    }

    #[tokio::test]
    async fn writes_and_unknown_methods_are_not_retried() {
        assert_eq!(asked(WRITE, LONG, || broken(Code::Ok)).await, 1);
        assert_eq!(asked("/x/y", LONG, || broken(Code::Ok)).await, 1);
    }

    #[tokio::test]
    async fn nothing_is_retried_after_the_deadline() {
        assert_eq!(asked(READ, Duration::ZERO, || broken(Code::Ok)).await, 1);
    }
}
