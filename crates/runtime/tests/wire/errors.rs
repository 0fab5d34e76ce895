//! Every error is one of ours, with all that errors have, and says nothing of our inside.

use tonic::Code;
use tonic_types::StatusExt;

use crate::harness::{PATH, asking, assert_refused, bearer, framed, send, start, status};

#[tokio::test]
async fn a_panic_ends_its_call_only_and_keeps_its_words() {
    let server = start().await;
    let refused = server.ask("panic").await.unwrap_err();
    assert_refused(&refused, Code::Internal, "INTERNAL");
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.metadata["error_id"].len(), 36);
    assert!(!format!("{refused:?}").contains("words"), "{refused:?}");
    server.ask("m1").await.unwrap();
}

#[tokio::test]
async fn a_bare_status_of_a_handler_keeps_its_words() {
    let server = start().await;
    let refused = server.ask("bare").await.unwrap_err();
    assert_refused(&refused, Code::Internal, "INTERNAL");
    assert!(!format!("{refused:?}").contains("database"), "{refused:?}");
}

#[tokio::test]
async fn an_error_of_a_handler_comes_through() {
    let server = start().await;
    let refused = server.ask("gone").await.unwrap_err();
    assert_refused(&refused, Code::NotFound, "NOT_FOUND");
    let about = refused.get_details_resource_info().unwrap();
    assert_eq!(about.resource_name, "offices/demo/meetings/gone");
}

#[tokio::test]
async fn bodies_that_do_not_decode_are_the_callers_fault() {
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
        let told = send(&mut channel, PATH, bearer(&server.token()), body)
            .await
            .expect(what);
        let status = status(&told);
        assert_eq!(status.code(), Code::InvalidArgument, "{what}: {status:?}");
        assert_refused(&status, Code::InvalidArgument, "INVALID_FIELDS");
        let said = status.message();
        assert!(
            !said.contains("Protobuf") && !said.contains("protocol"),
            "{what}: {said}"
        );
    }
    server.ask("m1").await.unwrap();
}

#[tokio::test]
async fn unknown_compression_is_refused_as_the_protocol_says() {
    let server = start().await;
    let mut headers = bearer(&server.token());
    headers.insert("grpc-encoding", "brotli".parse().unwrap());
    let told = send(&mut server.channel(), PATH, headers, framed("m1"))
        .await
        .unwrap();
    assert_refused(&status(&told), Code::Unimplemented, "INVALID_FIELDS");
}

#[tokio::test]
async fn errors_are_told_in_the_callers_language() {
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
