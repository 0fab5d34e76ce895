//! Encryption on the wire. The certificates of both sides are read again when their files change,
//! so that a renewed one is shown without a restart; connections that are open stay as they are.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::config::{self, ConfigError, Tls};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The most handshakes that one service is in at once.
const HANDSHAKES: usize = 1024;
/// How often the files are looked at, at most.
const LOOK: Duration = Duration::from_secs(1);
/// The protocol that gRPC speaks.
const H2: &[u8] = b"h2";

/// What the files hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pem {
    certificate: Option<String>,
    key: Option<String>,
    client_ca: Option<String>,
    client_optional: bool,
    ca: Option<String>,
}

impl Pem {
    /// Reads all files that are given.
    pub(crate) fn read(tls: &Tls) -> Result<Self, ConfigError> {
        let text = |key, file: &Option<_>| {
            file.as_deref()
                .map(|file: &Path| config::read(key, file))
                .transpose()
        };
        Ok(Self {
            certificate: text("tls.certificate", &tls.certificate)?,
            key: text("tls.key", &tls.key)?,
            client_ca: text("tls.client_ca", &tls.client_ca)?,
            client_optional: tls.client_optional,
            ca: text("tls.ca", &tls.ca)?,
        })
    }

    /// The chain that we show, and its key.
    fn shown(&self) -> Result<Option<Shown>, ConfigError> {
        let (Some(chain), Some(key)) = (&self.certificate, &self.key) else {
            return Ok(None);
        };
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|e| ConfigError::new("tls.key", e))?;
        Ok(Some((certificates("tls.certificate", chain)?, key)))
    }

    /// When the certificate that we show ends, since the epoch. One in which we can't find that is
    /// shown all the same.
    fn end(&self) -> Option<Duration> {
        let (chain, _) = self.shown().ok()??;
        let own = Certificate::from_der(chain.first()?).ok()?;
        Some(own.tbs_certificate.validity.not_after.to_unix_duration())
    }

    fn server(&self) -> Result<Option<ServerConfig>, ConfigError> {
        let Some((chain, key)) = self.shown()? else {
            return Ok(None);
        };
        let unusable = |e| ConfigError::new("tls.certificate", e);
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let roots = Arc::new(roots("tls.client_ca", authority)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
                let verifier = if self.client_optional {
                    verifier.allow_unauthenticated()
                } else {
                    verifier
                };
                let verifier = verifier
                    .build()
                    .map_err(|e| ConfigError::new("tls.client_ca", e))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut server = builder.with_single_cert(chain, key).map_err(unusable)?;
        server.alpn_protocols.push(H2.to_vec());
        Ok(Some(server))
    }

    fn client(&self) -> Result<ClientConfig, ConfigError> {
        let Some(authority) = &self.ca else {
            return Err(ConfigError::new(
                "tls.ca",
                "must be given to call https:// addresses",
            ));
        };
        let unusable = |e| ConfigError::new("tls.certificate", e);
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_root_certificates(roots("tls.ca", authority)?);
        let mut client = match self.shown()? {
            Some((chain, key)) => builder
                .with_client_auth_cert(chain, key)
                .map_err(unusable)?,
            None => builder.with_no_client_auth(),
        };
        client.alpn_protocols.push(H2.to_vec());
        Ok(client)
    }
}

type Shown = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certificates(key: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match read {
        Ok(chain) if chain.is_empty() => Err(ConfigError::new(key, "holds no certificate")),
        Ok(chain) => Ok(chain),
        Err(e) => Err(ConfigError::new(key, e)),
    }
}

fn roots(key: &str, pem: &str) -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(key, pem)? {
        roots
            .add(certificate)
            .map_err(|e| ConfigError::new(key, e))?;
    }
    Ok(roots)
}

/// What is built from the files, as they were at most a second ago.
struct Current<T> {
    tls: Tls,
    build: fn(&Pem) -> Result<T, ConfigError>,
    held: Mutex<Held<T>>,
}

struct Held<T> {
    pem: Pem,
    built: Arc<T>,
    looked: Instant,
}

impl<T> Current<T> {
    fn open(tls: &Tls, build: fn(&Pem) -> Result<T, ConfigError>) -> Result<Self, ConfigError> {
        let pem = Pem::read(tls)?;
        let built = Arc::new(build(&pem)?);
        let held = Held {
            pem,
            built,
            looked: Instant::now(),
        };
        Ok(Self {
            tls: tls.clone(),
            build,
            held: Mutex::new(held),
        })
    }

    fn get(&self) -> Arc<T> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.looked.elapsed() >= LOOK {
            held.looked = Instant::now();
            // A file half written, or a key that does not fit yet, is looked at again.
            if let Err(error) = self.renew(&mut held) {
                tracing::warn!(%error, "certificates can't be used; the last ones stay");
            }
        }
        held.built.clone()
    }

    fn renew(&self, held: &mut Held<T>) -> Result<(), ConfigError> {
        let pem = Pem::read(&self.tls)?;
        if pem != held.pem {
            held.built = Arc::new((self.build)(&pem)?);
            held.pem = pem;
            tracing::info!("certificates were renewed");
        }
        Ok(())
    }
}

/// The server's side.
pub(crate) struct Accepting(Current<ServerConfig>);

impl Accepting {
    /// None where no certificate is given.
    pub(crate) fn open(tls: &Tls) -> Result<Option<Self>, ConfigError> {
        if tls.certificate.is_none() {
            return Ok(None);
        }
        let build = |pem: &Pem| {
            let server = pem.server()?;
            if let Some(end) = pem.end() {
                metrics::gauge!("taizhang_certificate_end_timestamp_seconds")
                    .set(end.as_secs_f64());
            }
            server.ok_or_else(|| ConfigError::new("tls.certificate", "must be given with tls.key"))
        };
        Current::open(tls, build).map(|current| Some(Self(current)))
    }

    /// The connections whose handshake went well. One that is slow holds up no other.
    pub(crate) fn connections(
        self,
        incoming: impl Stream<Item = io::Result<TcpStream>>,
    ) -> impl Stream<Item = io::Result<server::TlsStream<TcpStream>>> {
        incoming
            .map(move |tcp| {
                let acceptor = TlsAcceptor::from(self.0.get());
                async move { within(acceptor.accept(tcp?)).await }
            })
            .buffer_unordered(HANDSHAKES)
    }
}

/// The caller's side.
#[derive(Clone)]
pub(crate) struct Connecting(Arc<Current<ClientConfig>>);

/// A connection that is being made.
type Made = Pin<Box<dyn Future<Output = io::Result<TokioIo<client::TlsStream<TcpStream>>>> + Send>>;

impl Connecting {
    pub(crate) fn open(tls: &Tls) -> Result<Self, ConfigError> {
        let current = Current::open(tls, Pem::client)?;
        Ok(Self(Arc::new(current)))
    }

    /// Connects to the host and port of an address.
    pub(crate) fn connect(&self, address: &Uri) -> Made {
        let connector = TlsConnector::from(self.0.get());
        let host = address.host().unwrap_or_default();
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let port = address.port_u16().unwrap_or(443);
        Box::pin(async move {
            let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
            let tcp = TcpStream::connect((host, port)).await?;
            tcp.set_nodelay(true)?;
            let tls = within(connector.connect(name, tcp)).await?;
            Ok(TokioIo::new(tls))
        })
    }
}

async fn within<T>(handshake: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(HANDSHAKE, handshake).await?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read_from_it() {
        let mut params = rcgen::CertificateParams::new(vec!["meetings".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2051, 6, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let mut pem = Pem {
            certificate: Some(certificate.pem()),
            key: Some(key.serialize_pem()),
            client_ca: None,
            client_optional: false,
            ca: None,
        };
        // 2051-06-01T00:00:00Z
        assert_eq!(pem.end(), Some(Duration::from_secs(2_569_190_400)));
        pem.certificate = None;
        assert_eq!(pem.end(), None);
    }
}
