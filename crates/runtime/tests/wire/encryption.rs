//! TLS, with and without certificates of the callers.

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

    /// A certificate for a name and its key.
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
async fn calls_are_encrypted_where_a_certificate_is_given() {
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
async fn callers_show_a_certificate_where_an_authority_is_given() {
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
async fn callers_may_show_a_certificate_but_no_bad_one() {
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
    let showing = |(certificate, key)| Tls {
        certificate,
        key,
        ca: files.ca(),
        ..Tls::default()
    };
    assert!(works(&server, channel(&server, &showing((None, None)))).await);
    assert!(works(&server, channel(&server, &showing(files.signed("portal")))).await);
    assert!(!works(&server, channel(&server, &showing(others.signed("portal")))).await);
}

/// Longer than files go without being looked at.
async fn a_look_later() {
    tokio::time::sleep(Duration::from_millis(1_100)).await;
}

#[tokio::test]
async fn both_sides_show_a_renewed_certificate_without_a_restart() {
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
    let showing = Tls {
        certificate,
        key,
        ca: files.ca(),
        ..Tls::default()
    };
    let open = channel(&server, &showing);
    assert!(works(&server, open.clone()).await);

    // Another authority takes over. Until all files are of the new one, the old ones stay in force.
    let renewed = Files::new();
    let put = |name: &str| {
        let text = fs::read(renewed.folder.path().join(name)).unwrap();
        fs::write(files.folder.path().join(name), text).unwrap();
    };
    renewed.signed("localhost");
    renewed.signed("portal");
    put("localhost.pem");
    a_look_later().await;
    assert!(
        works(&server, channel(&server, &showing)).await,
        "half written"
    );
    for name in ["localhost.key", "ca.pem", "portal.pem", "portal.key"] {
        put(name);
    }
    a_look_later().await;
    assert!(works(&server, channel(&server, &showing)).await, "renewed");
    assert!(works(&server, open).await, "a connection that was open");

    // What the former authority signed is let in no more.
    let former = files.signed("former");
    let former = Tls {
        certificate: former.0,
        key: former.1,
        ca: renewed.ca(),
        ..Tls::default()
    };
    assert!(!works(&server, channel(&server, &former)).await);
}

#[tokio::test]
async fn a_slow_handshake_holds_up_no_other() {
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
