//! TLS, with and without certificates of the callers.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use taizhang_contracts::history::history_service_client::HistoryServiceClient;
use taizhang_runtime::client::connect_lazy;
use taizhang_runtime::config::Tls;
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
            ca: None,
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
        client_ca: None,
    };
    assert!(works(&server, channel(&server, &named)).await);
}
