//! Adds the details that every error has to a status that did not come from an [`Error`]. tonic
//! makes such bare statuses itself, when a message can't be decoded for instance.

use http::{HeaderMap, HeaderValue};
use taizhang_contracts::{Error, Reason};
use tonic::{Code, Status};

use crate::headers::{GRPC_STATUS, GRPC_STATUS_DETAILS, code};

/// Replaces a status without details by one with details, in headers or trailers.
pub(super) fn complete(headers: &mut HeaderMap) {
    let bare = |code| {
        !matches!(code, Code::Ok | Code::Cancelled) && !headers.contains_key(GRPC_STATUS_DETAILS)
    };
    if !code(headers).is_some_and(bare) {
        return;
    }
    let Some(status) = Status::from_header_map(headers) else {
        return;
    };
    write(&explain(&status), headers);
}

/// Writes a status into headers or trailers, over the one that is there.
pub(super) fn write(status: &Status, headers: &mut HeaderMap) {
    if status.add_header(headers).is_err() {
        headers.insert(GRPC_STATUS, HeaderValue::from(Code::Internal as i32));
    }
}

/// The status with details in place of a bare one, whose text stays inside.
fn explain(status: &Status) -> Status {
    let text = status.message();
    let begins_with = |texts: &[&str]| texts.iter().any(|t| text.starts_with(t));
    if begins_with(UNSUPPORTED_COMPRESSION) {
        let error = Error::new(Reason::InvalidFields)
            .saying("不支持该压缩方式", "the compression is not supported");
        // The gRPC specification requires this code.
        let bare: Status = error.into();
        let details = bare.details().to_vec().into();
        return Status::with_details(Code::Unimplemented, bare.message(), details);
    }
    let error = if begins_with(UNDECODABLE) {
        Error::new(Reason::InvalidFields).saying("请求内容无法解码", "the message can't be decoded")
    } else if begins_with(TOO_LARGE) {
        Error::new(Reason::InvalidFields).saying("请求内容过大", "the message is too large")
    } else {
        match reason(status.code()) {
            Some(reason) => Error::new(reason),
            None => Error::internal(text),
        }
    };
    error.into()
}

/// How the messages of tonic's own statuses begin. The tests over the wire fail if a new tonic
/// changes them.
const UNSUPPORTED_COMPRESSION: &[&str] = &["Content is compressed with"];
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

/// The reason that means the same as the code; `None` for codes that are faults of the service.
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
    fn a_bare_status_gets_a_reason_and_loses_its_text() {
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
    fn a_status_with_details_is_unchanged() {
        let status: Status = Error::not_found("Meeting", "offices/demo/meetings/m1").into();
        let same = completed(status.clone());
        assert_eq!(
            (same.message(), same.details()),
            (status.message(), status.details())
        );
    }
}
