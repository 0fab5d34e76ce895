//! The log lines of calls.

use std::process::Command;

use crate::harness::{PATH, bearer, framed, send, start};

const CHILD: &str = "TAIZHANG_TEST_LOGS";

#[test]
fn log_lines_have_the_request_id_and_no_token() {
    if std::env::var_os(CHILD).is_some() {
        return call();
    }
    // Logging is set up once per process, so the calls are made in a child process.
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "logs::log_lines_have_the_request_id_and_no_token",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let log = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let line = |message: &str| {
        let found = lines.iter().find(|l| l["message"] == message);
        found.unwrap_or_else(|| panic!("no {message:?} in {log}"))
    };
    for message in ["panic", "internal error", "failed"] {
        let span = &line(message)["span"];
        assert_eq!(span["request_id"], "portal-7", "{message}");
        assert_eq!(span["caller"], "township-portal");
        assert_eq!(span["method"], PATH.trim_start_matches('/'));
    }
    assert_eq!(line("failed")["span"]["code"], "INTERNAL");
    assert_eq!(line("refused")["span"]["code"], "UNAUTHENTICATED");
    assert!(!log.contains("v4.public"), "the log has a token");
}

fn call() {
    let mut config = taizhang_runtime::Config::default();
    config.telemetry.json = true;
    config.telemetry.log = "trace".into();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let _guard = taizhang_runtime::telemetry::init("test", &config).unwrap();
        let mut server = start().await;
        let mut channel = server.channel();
        for token in [server.token(), "v4.public.bad".into()] {
            let mut headers = bearer(&token);
            headers.insert("x-request-id", "portal-7".parse().unwrap());
            send(&mut channel, PATH, headers, framed("panic"))
                .await
                .unwrap();
        }
        drop(channel);
        server.stop();
        server.stopped().await;
    });
}
