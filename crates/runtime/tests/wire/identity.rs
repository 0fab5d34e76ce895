//! Tokens and scopes.

use chrono::TimeDelta;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use crate::harness::{asking, assert_refused, bearer, framed, message, send, start, status};

#[tokio::test]
async fn a_valid_token_identifies_the_caller() {
    let server = start().await;
    let answer = server.ask("m1").await.unwrap().into_inner();
    assert_eq!(answer.next_page_token, "township-portal");
}

#[tokio::test]
async fn a_call_without_a_bearer_token_is_unauthenticated() {
    let server = start().await;
    let refused = server
        .history()
        .list_history(Request::new(message("m1")))
        .await;
    assert_refused(
        &refused.unwrap_err(),
        Code::Unauthenticated,
        "TOKEN_MISSING",
    );
    for header in ["Basic dTpw", "Bearer", &server.token()] {
        let mut request = Request::new(message("m1"));
        request
            .metadata_mut()
            .insert("authorization", header.parse().unwrap());
        let refused = server.history().list_history(request).await;
        assert_refused(
            &refused.unwrap_err(),
            Code::Unauthenticated,
            "TOKEN_MISSING",
        );
    }
}

#[tokio::test]
async fn invalid_expired_and_revoked_tokens_have_reasons_of_their_own() {
    let server = start().await;
    let mut client = server.history();
    let refused = client
        .list_history(asking("m1", "v4.public.nonsense"))
        .await;
    assert_refused(
        &refused.unwrap_err(),
        Code::Unauthenticated,
        "TOKEN_INVALID",
    );

    let brief = server.token_for(&["meetings.read"], TimeDelta::milliseconds(1));
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let refused = client.list_history(asking("m1", &brief)).await;
    assert_refused(
        &refused.unwrap_err(),
        Code::Unauthenticated,
        "TOKEN_EXPIRED",
    );

    let token = server.token();
    client.list_history(asking("m1", &token)).await.unwrap();
    let issued = server.keyring.list().unwrap();
    server.keyring.revoke(&issued.last().unwrap().id).unwrap();
    let refused = client.list_history(asking("m1", &token)).await;
    assert_refused(
        &refused.unwrap_err(),
        Code::Unauthenticated,
        "TOKEN_REVOKED",
    );
    server.ask("m1").await.unwrap();
}

#[tokio::test]
async fn the_scope_must_be_held_exactly() {
    let server = start().await;
    let token = server.token_for(&["meetings.write", "supervision.read"], TimeDelta::hours(1));
    let refused = server
        .history()
        .list_history(asking("m1", &token))
        .await
        .unwrap_err();
    assert_refused(&refused, Code::PermissionDenied, "SCOPE_MISSING");
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.metadata["scope"], "meetings.read");
}

#[tokio::test]
async fn a_caller_without_a_token_does_not_learn_which_methods_exist() {
    let server = start().await;
    let mut channel = server.channel();
    let unknown = [
        "/taizhang.history.v1.HistoryService/DropHistory",
        "/taizhang.meetings.v1.MeetingService/GetMeeting",
        "/nothing",
        "/",
    ];
    for path in unknown {
        let headers = send(&mut channel, path, Default::default(), framed("m1"))
            .await
            .unwrap();
        assert_refused(&status(&headers), Code::Unauthenticated, "TOKEN_MISSING");
        let headers = send(&mut channel, path, bearer(&server.token()), framed("m1"))
            .await
            .unwrap();
        assert_refused(&status(&headers), Code::Unimplemented, "METHOD_UNKNOWN");
    }
}
