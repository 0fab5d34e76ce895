//! Deadlines, load shedding, and sizes.

use std::time::{Duration, Instant};

use http::{HeaderName, HeaderValue};
use tonic::Code;
use tonic_types::StatusExt;

use crate::harness::{
    PATH, asking, assert_refused, bearer, framed, send, start, start_with, status,
};

#[tokio::test]
async fn the_callers_deadline_ends_the_call_and_drops_its_work() {
    let server = start().await;
    let refused = loop {
        let mut request = asking("wait", &server.token());
        request.set_timeout(Duration::from_millis(100));
        let since = Instant::now();
        let refused = server.history().list_history(request).await.unwrap_err();
        assert!(since.elapsed() < Duration::from_secs(2));
        server.signals.dropped.notified().await;
        // The client has a timeout of its own, which may come first on a busy machine.
        if refused.code() != Code::Cancelled {
            break refused;
        }
    };
    assert_refused(&refused, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn the_configured_deadline_bounds_every_call() {
    let server = start_with(|c| c.limits.deadline_seconds = 1).await;
    let refused = server.ask("wait").await.unwrap_err();
    assert_refused(&refused, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    let mut request = asking("remaining", &server.token());
    request.set_timeout(Duration::from_secs(3_600));
    let left = server
        .history()
        .list_history(request)
        .await
        .unwrap()
        .into_inner();
    let left: u64 = left.next_page_token.parse().unwrap();
    assert!((500..=1_000).contains(&left), "{left}");
}

#[tokio::test]
async fn a_call_without_a_permit_is_refused_at_once() {
    let server = start_with(|c| c.limits.calls = 1).await;
    let (mut client, token) = (server.history(), server.token());
    let waiting = tokio::spawn({
        let (mut client, request) = (server.history(), asking("wait", &token));
        async move { client.list_history(request).await }
    });
    server.signals.entered.notified().await;
    let refused = client.list_history(asking("m1", &token)).await.unwrap_err();
    assert_refused(&refused, Code::ResourceExhausted, "OVERLOADED");
    assert!(
        refused
            .get_details_retry_info()
            .unwrap()
            .retry_delay
            .unwrap()
            > Duration::ZERO
    );
    assert!(
        !refused
            .get_details_quota_failure()
            .unwrap()
            .violations
            .is_empty()
    );

    server.signals.proceed.notify_one();
    assert_eq!(
        waiting.await.unwrap().unwrap().into_inner().next_page_token,
        "waited"
    );
    // The permit is free again once the response is sent.
    client.list_history(asking("m1", &token)).await.unwrap();
}

#[tokio::test]
async fn a_caller_that_goes_away_gives_its_permit_back() {
    let server = start_with(|c| c.limits.calls = 1).await;
    let waiting = tokio::spawn({
        let (mut client, request) = (server.history(), asking("wait", &server.token()));
        async move { client.list_history(request).await }
    });
    server.signals.entered.notified().await;
    waiting.abort();
    server.signals.dropped.notified().await;
    for _ in 0..100 {
        if server.ask("m1").await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the permit was not given back");
}

#[tokio::test]
async fn messages_above_the_limit_are_refused() {
    let server = start_with(|c| c.limits.message_bytes = 2_048).await;
    let mut channel = server.channel();
    let token = server.token();

    // One whose length is in its prefix, and one behind a small message.
    let mut announced = vec![0];
    announced.extend(5_000_u32.to_be_bytes());
    announced.extend([0; 5_000]);
    let mut hidden = framed("m1");
    hidden.extend([0; 5_000]);
    for body in [announced, hidden] {
        let headers = send(&mut channel, PATH, bearer(&token), body)
            .await
            .unwrap();
        assert_refused(&status(&headers), Code::InvalidArgument, "INVALID_FIELDS");
    }
    server.ask("m1").await.unwrap();
}

#[tokio::test]
async fn ten_thousand_headers_fail_their_own_call_only() {
    let server = start().await;
    let mut headers = bearer(&server.token());
    for i in 0..10_000 {
        let name = HeaderName::try_from(format!("x-{i}")).unwrap();
        headers.insert(name, HeaderValue::from_static("value"));
    }
    let result = send(&mut server.channel(), PATH, headers, framed("m1")).await;
    assert!(result.is_err(), "{result:?}");
    server.ask("m1").await.unwrap();
}
