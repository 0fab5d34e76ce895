//! TLS, with and without client certificates.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use taizhang_contracts::history::history_service_client::HistoryServiceClient;
use taizhang_runtime::client::connect_lazy;
use taizhang_runtime::config::Tls;
use tokio::net::TcpStream;
use tonic::transport::Channel;

use crate::harness::{Server, asking, start_with};

struct Files {
    folder: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Files {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(params, key).unwrap();
        let files = Self {
            folder: tempfile::tempdir().unwrap(),
            authority,
        };
        files.write("ca.pem", &files.authority.pem());
        files
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn ca(&self) -> Option<PathBuf> {
        Some(self.folder.path().join("ca.pem"))
    }

    /// Writes a certificate for a name, and its key.
    fn signed(&self, name: &str) -> (Option<PathBuf>, Option<PathBuf>) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        let certificate = self.write(&format!("{name}.pem"), &certificate.pem());
        let key = self.write(&format!("{name}.key"), &key.serialize_pem());
        (Some(certificate), Some(key))
    }
}

fn channel(server: &Server, tls: &Tls) -> Channel {
    connect_lazy(&format!("https://localhost:{}", server.address.port()), tls).unwrap()
}

async fn works(server: &Server, channel: Channel) -> bool {
    let request = asking("m1", &server.token());
    HistoryServiceClient::new(channel)
        .list_history(request)
        .await
        .is_ok()
}

#[tokio::test]
async fn a_server_with_a_certificate_serves_tls_only() {
    let files = Files::new();
    let (certificate, key) = files.signed("localhost");
    let server = start_with(|c| {
        c.tls = Tls {
            certificate,
            key,
            ..Tls::default()
        };
    })
    .await;
    let trusting = Tls {
        ca: files.ca(),
        ..Tls::default()
    };
    assert!(works(&server, channel(&server, &trusting)).await);
    assert!(!works(&server, server.channel()).await, "in the clear");
    let others = Files::new();
    let distrusting = Tls {
        ca: others.ca(),
        ..Tls::default()
    };
    assert!(!works(&server, channel(&server, &distrusting)).await);
    assert_eq!(
        connect_lazy("https://localhost:1", &Tls::default())
            .unwrap_err()
            .key,
        "tls.ca"
    );
}

#[tokio::test]
async fn a_client_certificate_is_required_with_a_client_ca() {
    let files = Files::new();
    let (certificate, key) = files.signed("localhost");
    let server = start_with(|c| {
        c.tls = Tls {
            certificate,
            key,
            client_ca: files.ca(),
            ..Tls::default()
        };
    })
    .await;
    let (certificate, key) = files.signed("portal");
    let ca = files.ca();
    let nameless = Tls {
        ca: ca.clone(),
        ..Tls::default()
    };
    assert!(!works(&server, channel(&server, &nameless)).await);
    let named = Tls {
        certificate,
        key,
        ca,
        ..Tls::default()
    };
    assert!(works(&server, channel(&server, &named)).await);
}

#[tokio::test]
async fn an_optional_client_certificate_must_be_valid() {
    let (files, others) = (Files::new(), Files::new());
    let (certificate, key) = files.signed("localhost");
    let server = start_with(|c| {
        c.tls = Tls {
            certificate,
            key,
            client_ca: files.ca(),
            client_optional: true,
            ..Tls::default()
        };
    })
    .await;
    let presenting = |(certificate, key)| Tls {
        certificate,
        key,
        ca: files.ca(),
        ..Tls::default()
    };
    assert!(works(&server, channel(&server, &presenting((None, None)))).await);
    assert!(
        works(
            &server,
            channel(&server, &presenting(files.signed("portal")))
        )
        .await
    );
    assert!(
        !works(
            &server,
            channel(&server, &presenting(others.signed("portal")))
        )
        .await
    );
}

/// Waits for longer than the interval between two checks of the files.
async fn next_check() {
    tokio::time::sleep(Duration::from_millis(1_100)).await;
}

#[tokio::test]
async fn both_sides_reload_renewed_certificates() {
    let files = Files::new();
    let (certificate, key) = files.signed("localhost");
    let server = start_with(|c| {
        c.tls = Tls {
            certificate,
            key,
            client_ca: files.ca(),
            ..Tls::default()
        };
    })
    .await;
    let (certificate, key) = files.signed("portal");
    let client = Tls {
        certificate,
        key,
        ca: files.ca(),
        ..Tls::default()
    };
    let open = channel(&server, &client);
    assert!(works(&server, open.clone()).await);

    // Another authority takes over. The old files stay in force until all are replaced.
    let renewed = Files::new();
    let put = |name: &str| {
        let text = fs::read(renewed.folder.path().join(name)).unwrap();
        fs::write(files.folder.path().join(name), text).unwrap();
    };
    renewed.signed("localhost");
    renewed.signed("portal");
    put("localhost.pem");
    next_check().await;
    assert!(
        works(&server, channel(&server, &client)).await,
        "half written"
    );
    for name in ["localhost.key", "ca.pem", "portal.pem", "portal.key"] {
        put(name);
    }
    next_check().await;
    assert!(works(&server, channel(&server, &client)).await, "renewed");
    assert!(works(&server, open).await, "a connection that was open");

    // A certificate of the old authority is refused.
    let old = files.signed("old");
    let old = Tls {
        certificate: old.0,
        key: old.1,
        ca: renewed.ca(),
        ..Tls::default()
    };
    assert!(!works(&server, channel(&server, &old)).await);
}

#[tokio::test]
async fn slow_handshakes_do_not_delay_others() {
    let files = Files::new();
    let (certificate, key) = files.signed("localhost");
    let server = start_with(|c| {
        c.tls = Tls {
            certificate,
            key,
            ..Tls::default()
        };
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    let trusting = Tls {
        ca: files.ca(),
        ..Tls::default()
    };
    assert!(works(&server, channel(&server, &trusting)).await);
}
