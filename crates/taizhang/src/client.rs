//! How the program calls a suite that runs already.

mod dynamic;

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use taizhang_runtime::client::connect_lazy;
use taizhang_runtime::config::Tls;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::roles::Role;
pub use dynamic::Dynamic;

/// A suite that runs already, as the command line names it.
#[derive(Debug, Clone, Args)]
pub struct Running {
    /// The machine of a suite that runs already, each service on its usual port; or the address of
    /// one service, such as `http://127.0.0.1:7101`.
    #[arg(long, requires = "token")]
    pub at: Option<String>,
    /// With `--at`: the file of a token.
    #[arg(long, requires = "at")]
    pub token: Option<PathBuf>,
    /// With `--at`: the authority that signed its certificates.
    #[arg(long, requires = "at")]
    pub ca: Option<PathBuf>,
}

impl Running {
    /// Whether one is named.
    pub fn is_given(&self) -> bool {
        self.at.is_some()
    }

    /// Where a service of it listens.
    ///
    /// # Errors
    /// If none is named.
    pub fn address(&self, role: &Role) -> anyhow::Result<String> {
        let at = self.at.as_deref().context("缺少 --at")?;
        Ok(match at.split_once("://") {
            None => format!("https://{at}:{}", role.port),
            Some((_, host)) if host.trim_end_matches('/').contains(':') => at.to_owned(),
            Some(_) => format!("{}:{}", at.trim_end_matches('/'), role.port),
        })
    }

    /// Whose certificates are trusted.
    pub fn tls(&self) -> Tls {
        Tls {
            ca: self.ca.clone(),
            ..Tls::default()
        }
    }

    /// The token.
    ///
    /// # Errors
    /// If there is none, or its file can't be read.
    pub fn token(&self) -> anyhow::Result<String> {
        let file = self.token.as_deref().context("缺少 --token")?;
        let token = std::fs::read_to_string(file);
        let token = token.with_context(|| format!("file {}", file.display()))?;
        Ok(token.trim().to_owned())
    }

    /// A channel to one of its services.
    ///
    /// # Errors
    /// If something about it can't be used.
    pub fn channel(&self, role: &Role) -> anyhow::Result<Bearing> {
        let channel = connect_lazy(&self.address(role)?, &self.tls())?;
        Ok(InterceptedService::new(
            channel,
            Bearer::of(&self.token()?)?,
        ))
    }
}

/// Sends a token with every call.
#[derive(Debug, Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl Bearer {
    /// Sends this token.
    ///
    /// # Errors
    /// If it does not fit into a header.
    pub fn of(token: &str) -> anyhow::Result<Self> {
        let mut bearer: MetadataValue<Ascii> = format!("Bearer {token}").parse()?;
        bearer.set_sensitive(true);
        Ok(Self(bearer))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// A channel that bears a token.
pub type Bearing = InterceptedService<Channel, Bearer>;
