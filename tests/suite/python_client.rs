//! A client in Python: grpcio, with stubs generated from `proto/`.

use std::path::Path;
use std::process::Command;

use taizhang::roles::ROLES;

use crate::harness::{Store, Suite, run_on};

/// The Python environment that `./test` creates.
fn python() -> String {
    std::env::var("TAIZHANG_TEST_PYTHON")
        .expect("TAIZHANG_TEST_PYTHON names no Python with grpcio: run the tests by ./test")
}

#[test]
fn a_python_client_writes_records_and_creates_the_summary() {
    let python = python();
    run_on(Store::Sqlite, async |databases| {
        let suite = Suite::start(databases).await;
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut client = Command::new(python);
        client.arg(root.join("tests/outside/client.py"));
        client.arg("--proto").arg(root.join("proto"));
        for role in ROLES {
            client.arg(format!("--{}", role.name));
            client.arg(suite.addresses[role.name].to_string());
        }
        client.arg("--token").arg(suite.every_scope());
        let output = tokio::task::spawn_blocking(move || client.output().unwrap());
        let output = output.await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let failed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}\n{failed}");
        assert!(said.contains("all is well"), "{said}\n{failed}");
        suite.stop().await;
    });
}
