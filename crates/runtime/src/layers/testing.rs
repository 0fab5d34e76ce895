//! Services and responses to test a single layer with.

#![allow(clippy::unwrap_used)]

use axum::body::{Body, Bytes};
use axum::extract::Request;
use futures::stream::{Stream, StreamExt};
use http::{HeaderMap, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tonic::Status;
use tonic_types::StatusExt;

use taizhang_contracts::Reason;

/// The path of a method that `meetings` serves.
pub(super) const PATH: &str = "/taizhang.history.v1.HistoryService/ListHistory";
/// The gRPC service of that method.
pub(super) const SERVICE: &str = "taizhang.history.v1.HistoryService";

/// A request for [`PATH`] with these headers.
pub(super) fn request(headers: &[(&'static str, &str)]) -> Request {
    let mut request = Request::post(PATH);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

pub(super) fn data() -> Frame<Bytes> {
    Frame::data(Bytes::from_static(b"message"))
}

/// The trailers of a call with this status.
pub(super) fn trailers(status: &Status) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    status.add_header(&mut trailers).unwrap();
    Frame::trailers(trailers)
}

pub(super) fn ok() -> Status {
    Status::new(tonic::Code::Ok, "")
}

/// A response that streams these frames.
pub(super) fn streaming(
    frames: impl Stream<Item = Frame<Bytes>> + Send + 'static,
) -> Response<Body> {
    Response::new(Body::new(StreamBody::new(frames.map(Ok::<_, axum::Error>))))
}

/// A response with one message and the status OK.
pub(super) fn message() -> Response<Body> {
    streaming(futures::stream::iter([data(), trailers(&ok())]))
}

/// The bytes of a body and its trailers.
pub(super) async fn collected<B>(body: B) -> Result<(Bytes, HeaderMap), B::Error>
where
    B: http_body::Body<Data = Bytes>,
{
    let collected = body.collect().await?;
    let trailers = collected.trailers().cloned().unwrap_or_default();
    Ok((collected.to_bytes(), trailers))
}

/// Asserts that headers or trailers hold an error of this reason with its details.
pub(super) fn assert_refused(trailers: &HeaderMap, reason: Reason) {
    let status = Status::from_header_map(trailers).unwrap();
    assert_eq!(status.code(), reason.code());
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.reason, reason.name());
    assert!(status.get_details_localized_message().is_some());
}
