//! Statuses that did not come from an [`Error`] get the details that every error has. tonic makes
//! some before a handler runs, when a message can't be decoded for instance.

use http::{HeaderMap, HeaderName, HeaderValue};
use taizhang_contracts::{Error, Reason};
use tonic::{Code, Status};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// The code in headers or trailers, if they have one.
pub(super) fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get(STATUS).map(|v| Code::from_bytes(v.as_bytes()))
}

/// Gives a status without details what it lacks.
pub(super) fn complete(headers: &mut HeaderMap) {
    let bare = |code| !matches!(code, Code::Ok | Code::Cancelled) && !headers.contains_key(DETAILS);
    if !code(headers).is_some_and(bare) {
        return;
    }
    let Some(status) = Status::from_header_map(headers) else {
        return;
    };
    write(&explain(&status), headers);
}

/// Puts an error where a status stands.
pub(super) fn write(status: &Status, headers: &mut HeaderMap) {
    if status.add_header(headers).is_err() {
        headers.insert(STATUS, HeaderValue::from(Code::Internal as i32));
    }
}

fn explain(status: &Status) -> Status {
    let said = status.message();
    let says = |texts: &[&str]| texts.iter().any(|t| said.starts_with(t));
    if says(UNSUPPORTED) {
        let error = Error::new(Reason::InvalidFields)
            .saying("不支持该压缩方式", "the compression is not supported");
        // The code that the protocol asks for.
        let bare: Status = error.into();
        let details = bare.details().to_vec().into();
        return Status::with_details(Code::Unimplemented, bare.message(), details);
    }
    let error = if says(UNDECODABLE) {
        Error::new(Reason::InvalidFields).saying("请求内容无法解码", "the message can't be decoded")
    } else if says(TOO_LARGE) {
        Error::new(Reason::InvalidFields).saying("请求内容过大", "the message is too large")
    } else {
        match reason(status.code()) {
            Some(reason) => Error::new(reason),
            None => Error::internal(said),
        }
    };
    error.into()
}

/// How tonic's own messages begin; the tests over the wire hold these to the tonic we build with.
const UNSUPPORTED: &[&str] = &["Content is compressed with"];
const UNDECODABLE: &[&str] = &[
    "failed to decode Protobuf message",
    "protocol error: received message with",
    "Missing request message",
    "Unexpected EOF decoding stream",
];
const TOO_LARGE: &[&str] = &[
    "Error, decoded message length too large",
    "length limit exceeded",
];

/// The reason that says no more than the code does.
fn reason(code: Code) -> Option<Reason> {
    match code {
        Code::InvalidArgument | Code::OutOfRange => Some(Reason::InvalidFields),
        Code::DeadlineExceeded => Some(Reason::DeadlineExceeded),
        Code::NotFound => Some(Reason::NotFound),
        Code::AlreadyExists => Some(Reason::AlreadyExists),
        Code::ResourceExhausted => Some(Reason::Overloaded),
        Code::FailedPrecondition => Some(Reason::WrongState),
        Code::Aborted => Some(Reason::LostRace),
        Code::Unimplemented => Some(Reason::MethodUnknown),
        Code::Unavailable => Some(Reason::Unavailable),
        Code::Unauthenticated => Some(Reason::TokenInvalid),
        Code::PermissionDenied => Some(Reason::ScopeMissing),
        Code::Ok | Code::Cancelled | Code::Unknown | Code::Internal | Code::DataLoss => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tonic_types::StatusExt;

    fn completed(status: Status) -> Status {
        let mut headers = HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        complete(&mut headers);
        Status::from_header_map(&headers).unwrap()
    }

    #[test]
    fn a_bare_status_gets_a_reason() {
        let cases = [
            (
                Status::internal("failed to decode Protobuf message: X.y: buffer underflow"),
                Code::InvalidArgument,
                "INVALID_FIELDS",
            ),
            (
                Status::out_of_range("Error, decoded message length too large: found 9"),
                Code::InvalidArgument,
                "INVALID_FIELDS",
            ),
            (
                Status::unimplemented("Content is compressed with `x` which isn't supported"),
                Code::Unimplemented,
                "INVALID_FIELDS",
            ),
            (
                Status::unimplemented(""),
                Code::Unimplemented,
                "METHOD_UNKNOWN",
            ),
            (
                Status::unavailable("pool timed out"),
                Code::Unavailable,
                "UNAVAILABLE",
            ),
            (
                Status::internal("select * from secret"),
                Code::Internal,
                "INTERNAL",
            ),
            (Status::unknown("h2 broke"), Code::Internal, "INTERNAL"),
        ];
        for (status, code, reason) in cases {
            let completed = completed(status.clone());
            assert_eq!(completed.code(), code, "{status}");
            assert_eq!(completed.get_details_error_info().unwrap().reason, reason);
            assert!(completed.get_details_localized_message().is_some());
            assert!(
                !completed.message().contains("secret")
                    && !completed.message().contains("Protobuf")
            );
        }
    }

    #[test]
    fn a_status_with_details_stays() {
        let status: Status = Error::not_found("Meeting", "offices/demo/meetings/m1").into();
        let same = completed(status.clone());
        assert_eq!(
            (same.message(), same.details()),
            (status.message(), status.details())
        );
    }
}
