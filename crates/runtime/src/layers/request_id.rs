//! The id by which a call is found in the logs of the caller and of the services. The caller's
//! `x-request-id` is kept if it is fit for a log line, else replaced; it goes back with the status,
//! also that of an error.

use std::task::{Context, Poll};

use axum::body::Bytes;
use axum::extract::Request;
use http::{HeaderMap, HeaderValue, Response};
use http_body::Body;
use tower::{Layer, Service};
use uuid::Uuid;

use super::trailers::{OnTrailers, WithTrailers};
use crate::headers::X_REQUEST_ID;

/// Sees to it that the request has an `x-request-id`, and answers with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestIdLayer;

impl<S> Layer<S> for RequestIdLayer {
    type Service = RequestId<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequestId { inner }
    }
}

#[derive(Debug, Clone)]
pub(super) struct RequestId<S> {
    inner: S,
}

impl<S, B> Service<Request> for RequestId<S>
where
    S: Service<Request, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    type Response = Response<WithTrailers<Id, B>>;
    type Error = S::Error;
    type Future = WithTrailers<Id, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let id = match request.headers().get(X_REQUEST_ID) {
            Some(id) if is_fit(id.as_bytes()) => id.clone(),
            _ => {
                let id = new();
                request.headers_mut().insert(X_REQUEST_ID, id.clone());
                id
            }
        };
        WithTrailers::new(Id(id), self.inner.call(request))
    }
}

/// The id of a running call.
#[derive(Debug)]
pub(super) struct Id(HeaderValue);

impl OnTrailers for Id {
    fn on_trailers(&mut self, trailers: &mut HeaderMap) {
        trailers.insert(X_REQUEST_ID, self.0.clone());
    }
}

fn new() -> HeaderValue {
    let id = Uuid::new_v4().to_string();
    // A UUID is always a good value.
    HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static(""))
}

fn is_fit(id: &[u8]) -> bool {
    let good = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    (1..=128).contains(&id.len()) && id.iter().all(good)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::layers::testing::{collected, message, request};
    use std::convert::Infallible;
    use tonic::Status;
    use tower::{ServiceExt, service_fn};

    /// The id that the service sees.
    fn id_in(request: &Request) -> HeaderValue {
        request.headers()[X_REQUEST_ID].clone()
    }

    #[tokio::test]
    async fn a_fit_id_is_kept_and_any_other_replaced() {
        let long = "a".repeat(129);
        for (given, kept) in [
            ("0193e5f2-2f4b-7c2e-8a39-5b6c7d8e9f00", true),
            ("portal:2022.12_31", true),
            ("", false),
            ("two words", false),
            ("a\"}", false),
            (long.as_str(), false),
        ] {
            let service = service_fn(|request: Request| {
                let mut response = message();
                response.extensions_mut().insert(id_in(&request));
                async { Ok::<_, Infallible>(response) }
            });
            let service = RequestIdLayer.layer(service);
            let response = service.oneshot(request(&[("x-request-id", given)])).await;
            let response = response.unwrap();
            let id = response.extensions().get::<HeaderValue>().unwrap().clone();
            assert_eq!(id == given, kept, "{given}");
            assert!(is_fit(id.as_bytes()));
            let (bytes, trailers) = collected(response.into_body()).await.unwrap();
            assert_eq!(bytes, "message");
            assert_eq!(trailers[X_REQUEST_ID], id);
        }
        assert_ne!(new(), new());
    }

    #[tokio::test]
    async fn the_id_goes_into_the_headers_of_a_response_without_messages() {
        let service = service_fn(|_: Request| async {
            Ok::<_, Infallible>(Status::internal("").into_http::<axum::body::Body>())
        });
        let service = RequestIdLayer.layer(service);
        let response = service.oneshot(request(&[("x-request-id", "id")])).await;
        assert_eq!(response.unwrap().headers()[X_REQUEST_ID], "id");
    }
}
