//! Every error has a reason and details, and none has internal texts.

use tonic::Code;
use tonic_types::StatusExt;

use crate::harness::{PATH, asking, assert_refused, bearer, framed, send, start, status};

#[tokio::test]
async fn a_panic_ends_its_own_call_without_its_text() {
    let server = start().await;
    let refused = server.ask("panic").await.unwrap_err();
    assert_refused(&refused, Code::Internal, "INTERNAL");
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.metadata["error_id"].len(), 36);
    assert!(
        !format!("{refused:?}").contains("the text of a panic"),
        "{refused:?}"
    );
    server.ask("m1").await.unwrap();
}

#[tokio::test]
async fn a_bare_status_of_a_handler_loses_its_text() {
    let server = start().await;
    let refused = server.ask("bare").await.unwrap_err();
    assert_refused(&refused, Code::Internal, "INTERNAL");
    assert!(!format!("{refused:?}").contains("database"), "{refused:?}");
}

#[tokio::test]
async fn an_error_of_a_handler_reaches_the_caller() {
    let server = start().await;
    let refused = server.ask("gone").await.unwrap_err();
    assert_refused(&refused, Code::NotFound, "NOT_FOUND");
    let about = refused.get_details_resource_info().unwrap();
    assert_eq!(about.resource_name, "offices/demo/meetings/gone");
}

#[tokio::test]
async fn bodies_that_do_not_decode_are_invalid_arguments() {
    let server = start().await;
    let mut channel = server.channel();
    let mut flagged = framed("m1");
    flagged[0] = 1;
    let mut odd = framed("m1");
    odd[0] = 7;
    let mut short = framed("m1");
    short.truncate(9);
    let bodies = [
        ("no message", vec![]),
        ("half a prefix", vec![0, 0]),
        ("a wrong tag", vec![0, 0, 0, 0, 3, 255, 255, 255]),
        ("text that is not UTF-8", vec![0, 0, 0, 0, 3, 10, 1, 200]),
        ("not compressed as flagged", flagged),
        ("an unknown flag", odd),
        ("cut short", short),
        ("JSON", b"{\"name\":\"offices/demo\"}".to_vec()),
        ("a huge length", vec![0, 255, 255, 255, 255, 1]),
    ];
    for (what, body) in bodies {
        let headers = send(&mut channel, PATH, bearer(&server.token()), body)
            .await
            .expect(what);
        let status = status(&headers);
        assert_eq!(status.code(), Code::InvalidArgument, "{what}: {status:?}");
        assert_refused(&status, Code::InvalidArgument, "INVALID_FIELDS");
        let text = status.message();
        assert!(
            !text.contains("Protobuf") && !text.contains("protocol"),
            "{what}: {text}"
        );
    }
    server.ask("m1").await.unwrap();
}

#[tokio::test]
async fn unknown_compression_is_unimplemented() {
    let server = start().await;
    let mut sent = bearer(&server.token());
    sent.insert("grpc-encoding", "brotli".parse().unwrap());
    let headers = send(&mut server.channel(), PATH, sent, framed("m1"))
        .await
        .unwrap();
    assert_refused(&status(&headers), Code::Unimplemented, "INVALID_FIELDS");
}

#[tokio::test]
async fn errors_have_texts_in_the_callers_language() {
    let server = start().await;
    for token in ["bad".to_owned(), server.token()] {
        let mut request = asking("gone", &token);
        request
            .metadata_mut()
            .insert("accept-language", "en-GB,en".parse().unwrap());
        let refused = server.history().list_history(request).await.unwrap_err();
        let text = refused.get_details_localized_message().unwrap();
        assert_eq!(text.locale, "en");
        assert!(text.message.is_ascii(), "{text:?}");
    }
}
