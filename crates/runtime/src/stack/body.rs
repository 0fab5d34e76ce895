//! How much a caller may send.

use axum::body::Body;
use axum::extract::Request;
use http_body_util::Limited;

/// What gRPC writes before a message: a flag and a length.
const PREFIX: usize = 5;

/// Bounds the whole body of a call with one message. Where there are many, each is bounded when it
/// is decoded.
pub(super) fn bounded(request: Request, message_bytes: usize, client_streams: bool) -> Request {
    if client_streams {
        return request;
    }
    request.map(|body| Body::new(Limited::new(body, message_bytes + PREFIX)))
}
