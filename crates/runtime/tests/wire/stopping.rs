//! Graceful shutdown, and renewed connections.

use std::sync::Arc;
use std::time::{Duration, Instant};

use taizhang_contracts::caller::{Caller, Secret};
use taizhang_contracts::history::history_service_client::HistoryServiceClient;
use taizhang_contracts::{Context, Office};
use taizhang_runtime::client::on_behalf;
use tokio::net::TcpStream;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::harness::{asking, message, start, start_with};

#[tokio::test]
async fn a_running_call_completes_after_the_shutdown_began() {
    let mut server = start().await;
    let waiting = tokio::spawn({
        let (mut client, request) = (server.history(), asking("wait", &server.token()));
        async move { client.list_history(request).await }
    });
    server.signals.entered.notified().await;
    // A watcher of health sees NOT_SERVING, and does not delay the shutdown.
    let mut health = HealthClient::new(server.channel());
    let watched = health.watch(HealthCheckRequest::default()).await.unwrap();
    let mut watched = watched.into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status, 1);

    server.stop();
    assert_eq!(watched.message().await.unwrap().unwrap().status, 2);
    assert!(watched.message().await.unwrap().is_none());
    for attempt in 0.. {
        match TcpStream::connect(server.address).await {
            Err(_) => break,
            Ok(_) => assert!(attempt < 100, "still listening"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!waiting.is_finished());
    server.signals.proceed.notify_one();
    let answer = waiting.await.unwrap().unwrap().into_inner();
    assert_eq!(answer.next_page_token, "waited");
    let since = Instant::now();
    server.stopped().await;
    assert!(since.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_open_connection_delays_the_shutdown_at_most_by_the_longest_deadline() {
    let mut server = start_with(|c| c.limits.deadline_seconds = 1).await;
    // Connected, but never speaks.
    let _silent = TcpStream::connect(server.address).await.unwrap();
    server.ask("m1").await.unwrap();
    server.stop();
    let since = Instant::now();
    server.stopped().await;
    assert!(since.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn no_read_fails_when_connections_are_renewed() {
    let server = start_with(|c| c.limits.connection_age_seconds = 1).await;
    let caller = Caller {
        system: "reporting".into(),
        offices: Vec::new(),
        scopes: Vec::new(),
        token_id: String::new(),
        token: Secret(server.token()),
    };
    let context = Context {
        caller: Arc::new(caller),
        office: Office::from_id("demo").unwrap(),
        until: None,
    };
    let channel = server.channel();
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(2_500) {
        let on_behalf = on_behalf(&context, channel.clone(), Duration::from_secs(5));
        let mut client = HistoryServiceClient::new(on_behalf);
        client.list_history(message("m1")).await.unwrap();
    }
}
