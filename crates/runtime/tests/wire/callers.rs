//! Request ids, traces, calls on behalf of a caller, and metrics.

use std::time::Duration;

use crate::harness::{PATH, asking, bearer, framed, send, start, start_as, status};

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn the_request_id_comes_back_on_success_and_on_error() {
    let server = start().await;
    let mut channel = server.channel();
    for name in ["m1", "gone", "panic"] {
        let mut sent = bearer(&server.token());
        sent.insert("x-request-id", "portal-2022.1".parse().unwrap());
        let headers = send(&mut channel, PATH, sent, framed(name)).await.unwrap();
        assert_eq!(headers["x-request-id"], "portal-2022.1", "{name}");

        let headers = send(&mut channel, PATH, bearer(&server.token()), framed(name))
            .await
            .unwrap();
        assert_eq!(headers["x-request-id"].len(), 36, "{name}: {headers:?}");
        assert_eq!(headers.get_all("x-request-id").iter().count(), 1);
    }
    let headers = send(&mut channel, PATH, Default::default(), framed("m1"))
        .await
        .unwrap();
    assert!(headers.contains_key("x-request-id"));
}

#[tokio::test]
async fn a_call_on_behalf_has_the_token_the_request_id_the_trace_and_the_deadline() {
    let (first, second) = (start().await, start().await);
    // The second server refuses the token, as it has a keyring of its own.
    let mut request = asking("forward", &first.token());
    request.get_mut().page_token = second.url();
    let refused = first.history().list_history(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);

    let mut request = asking("forward", &first.token());
    request.get_mut().page_token = first.url();
    request
        .metadata_mut()
        .insert("x-request-id", "portal-7".parse().unwrap());
    request
        .metadata_mut()
        .insert("traceparent", TRACEPARENT.parse().unwrap());
    request.set_timeout(Duration::from_millis(900));
    let answer = first
        .history()
        .list_history(request)
        .await
        .unwrap()
        .into_inner()
        .next_page_token;
    let headers: Vec<_> = answer.split('|').collect();
    assert_eq!(headers[0], "portal-7");
    assert_eq!(&headers[1][..35], &TRACEPARENT[..35]);
    let micros: u64 = headers[2].trim_end_matches('u').parse().unwrap();
    assert!(micros <= 900_000, "{headers:?}");
}

#[tokio::test]
async fn calls_are_counted_by_code_at_the_metrics_endpoint() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut config = taizhang_runtime::Config::default();
    config.telemetry.metrics = Some(address);
    config.telemetry.log = "off".into();
    let _guard = taizhang_runtime::telemetry::init("test", &config).unwrap();
    config.telemetry.metrics = None;
    let _again = taizhang_runtime::telemetry::init("test", &config).unwrap();

    let server = start_as("measured", |_| {}).await;
    let token = server.token_for(&["measured.read"], chrono::TimeDelta::hours(1));
    let mut channel = server.channel();
    for (name, code) in [("m1", 0), ("m1", 0), ("gone", 5)] {
        let headers = send(&mut channel, PATH, bearer(&token), framed(name))
            .await
            .unwrap();
        assert_eq!(status(&headers).code() as i32, code);
    }
    send(&mut channel, "/secret/path", bearer(&token), framed("m1"))
        .await
        .unwrap();
    // A call is counted just after its response is sent.
    let mut text = String::new();
    for _ in 0..100 {
        text = read(address).await;
        if text.contains("code=\"UNIMPLEMENTED\"") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let method = "taizhang.history.v1.HistoryService/ListHistory";
    for line in [
        format!("taizhang_calls_total{{service=\"measured\",method=\"{method}\",code=\"OK\"}} 2"),
        format!(
            "taizhang_calls_total{{service=\"measured\",method=\"{method}\",code=\"NOT_FOUND\"}} 1"
        ),
        "taizhang_calls_total{service=\"measured\",method=\"unknown\",code=\"UNIMPLEMENTED\"} 1"
            .into(),
        format!("taizhang_calls_in_flight{{service=\"measured\",method=\"{method}\"}} 0"),
        format!("taizhang_call_seconds_count{{service=\"measured\",method=\"{method}\"}} 3"),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
    assert!(text.contains("taizhang_call_seconds_bucket") && !text.contains("secret"));
}

async fn read(address: std::net::SocketAddr) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}
