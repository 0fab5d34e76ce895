//! TLS of servers and clients. Certificates are reloaded when their files change, so that a renewed
//! one is used for new connections without a restart.

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

/// The longest that a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The most concurrent handshakes of one service.
const MOST_HANDSHAKES: usize = 1024;
/// The shortest time between two checks of the files.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The ALPN protocol of gRPC.
const H2: &[u8] = b"h2";

/// The content of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pem {
    certificate: Option<String>,
    key: Option<String>,
    client_ca: Option<String>,
    client_optional: bool,
    ca: Option<String>,
}

impl Pem {
    /// Reads all files that are set.
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

    /// The certificate chain that this process presents, and its key.
    fn identity(&self) -> Result<Option<Identity>, ConfigError> {
        let (Some(chain), Some(key)) = (&self.certificate, &self.key) else {
            return Ok(None);
        };
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|e| ConfigError::new("tls.key", e))?;
        Ok(Some((certificates("tls.certificate", chain)?, key)))
    }

    /// When the certificate expires, since the Unix epoch; `None` if that can't be read from it.
    fn expiry(&self) -> Option<Duration> {
        let (chain, _) = self.identity().ok()??;
        let own = Certificate::from_der(chain.first()?).ok()?;
        Some(own.tbs_certificate.validity.not_after.to_unix_duration())
    }

    fn server(&self) -> Result<Option<ServerConfig>, ConfigError> {
        let Some((chain, key)) = self.identity()? else {
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
                "must be set to call https:// addresses",
            ));
        };
        let unusable = |e| ConfigError::new("tls.certificate", e);
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_root_certificates(roots("tls.ca", authority)?);
        let mut client = match self.identity()? {
            Some((chain, key)) => builder
                .with_client_auth_cert(chain, key)
                .map_err(unusable)?,
            None => builder.with_no_client_auth(),
        };
        client.alpn_protocols.push(H2.to_vec());
        Ok(client)
    }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certificates(key: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match read {
        Ok(chain) if chain.is_empty() => Err(ConfigError::new(key, "has no certificate")),
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

/// A value built from the files, rebuilt when they change.
struct Reloaded<T> {
    tls: Tls,
    build: fn(&Pem) -> Result<T, ConfigError>,
    last: Mutex<Last<T>>,
}

struct Last<T> {
    pem: Pem,
    built: Arc<T>,
    checked: Instant,
}

impl<T> Reloaded<T> {
    fn open(tls: &Tls, build: fn(&Pem) -> Result<T, ConfigError>) -> Result<Self, ConfigError> {
        let pem = Pem::read(tls)?;
        let built = Arc::new(build(&pem)?);
        let last = Last {
            pem,
            built,
            checked: Instant::now(),
        };
        Ok(Self {
            tls: tls.clone(),
            build,
            last: Mutex::new(last),
        })
    }

    fn get(&self) -> Arc<T> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.checked.elapsed() >= CHECK_INTERVAL {
            last.checked = Instant::now();
            // Fails while the files are being replaced: half written, or not all of them yet.
            if let Err(error) = self.reload(&mut last) {
                tracing::warn!(%error, "certificates can't be used; the last ones stay in force");
            }
        }
        last.built.clone()
    }

    fn reload(&self, last: &mut Last<T>) -> Result<(), ConfigError> {
        let pem = Pem::read(&self.tls)?;
        if pem != last.pem {
            last.built = Arc::new((self.build)(&pem)?);
            last.pem = pem;
            tracing::info!("certificates were reloaded");
        }
        Ok(())
    }
}

/// Accepts TLS connections.
pub(crate) struct Acceptor(Reloaded<ServerConfig>);

impl Acceptor {
    /// `None` if no certificate is set.
    pub(crate) fn open(tls: &Tls) -> Result<Option<Self>, ConfigError> {
        if tls.certificate.is_none() {
            return Ok(None);
        }
        let build = |pem: &Pem| {
            let server = pem.server()?;
            if let Some(expiry) = pem.expiry() {
                metrics::gauge!("taizhang_certificate_end_timestamp_seconds")
                    .set(expiry.as_secs_f64());
            }
            server.ok_or_else(|| ConfigError::new("tls.certificate", "must be set with tls.key"))
        };
        Reloaded::open(tls, build).map(|config| Some(Self(config)))
    }

    /// The connections whose handshake succeeded. Handshakes run concurrently.
    pub(crate) fn connections(
        self,
        incoming: impl Stream<Item = io::Result<TcpStream>>,
    ) -> impl Stream<Item = io::Result<server::TlsStream<TcpStream>>> {
        incoming
            .map(move |tcp| {
                let acceptor = TlsAcceptor::from(self.0.get());
                async move { with_timeout(acceptor.accept(tcp?)).await }
            })
            .buffer_unordered(MOST_HANDSHAKES)
    }
}

/// Makes TLS connections.
#[derive(Clone)]
pub(crate) struct Connector(Arc<Reloaded<ClientConfig>>);

type ConnectFuture =
    Pin<Box<dyn Future<Output = io::Result<TokioIo<client::TlsStream<TcpStream>>>> + Send>>;

impl Connector {
    pub(crate) fn open(tls: &Tls) -> Result<Self, ConfigError> {
        let config = Reloaded::open(tls, Pem::client)?;
        Ok(Self(Arc::new(config)))
    }

    /// Connects to the host and the port of an address; by default port 443.
    pub(crate) fn connect(&self, address: &Uri) -> ConnectFuture {
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
            let tls = with_timeout(connector.connect(name, tcp)).await?;
            Ok(TokioIo::new(tls))
        })
    }
}

async fn with_timeout<T>(handshake: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(HANDSHAKE_TIMEOUT, handshake).await?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_expiry_of_a_certificate_is_read_from_it() {
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
        assert_eq!(pem.expiry(), Some(Duration::from_secs(2_569_190_400)));
        pem.certificate = None;
        assert_eq!(pem.expiry(), None);
    }
}
