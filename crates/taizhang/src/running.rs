//! A suite that is running already, as the command line names it.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use taizhang_client::{AuthorizedChannel, Bearer};
use taizhang_runtime::client::connect_lazy;
use taizhang_runtime::config::Tls;

use crate::roles::Role;

/// Where the suite is, and the token to call it with.
#[derive(Debug, Clone, Args)]
pub struct Running {
    /// The machine of a suite that runs already, each service on its usual port; or the address of
    /// one service, such as `http://127.0.0.1:7101`.
    #[arg(long, requires = "token")]
    pub at: Option<String>,
    /// With `--at`: the file of a token.
    #[arg(long, requires = "at")]
    pub token: Option<PathBuf>,
    /// With `--at`: the certificate of the authority that signed the suite's certificates.
    #[arg(long, requires = "at")]
    pub ca: Option<PathBuf>,
}

impl Running {
    /// Whether one is named.
    pub fn is_given(&self) -> bool {
        self.at.is_some()
    }

    /// A channel to one of its services, which sends the token.
    ///
    /// # Errors
    /// If no suite is named, its address is malformed, or a file can't be read.
    pub fn channel(&self, role: &Role) -> anyhow::Result<AuthorizedChannel> {
        let channel = connect_lazy(&self.address(role)?, &self.tls())?;
        let bearer = Bearer::of(&self.token()?)?;
        Ok(AuthorizedChannel::new(channel, bearer))
    }

    fn address(&self, role: &Role) -> anyhow::Result<String> {
        let at = self.at.as_deref().context("缺少 --at")?;
        Ok(match at.split_once("://") {
            None => format!("https://{at}:{}", role.port),
            Some((_, host)) if host.trim_end_matches('/').contains(':') => at.to_owned(),
            Some(_) => format!("{}:{}", at.trim_end_matches('/'), role.port),
        })
    }

    fn tls(&self) -> Tls {
        Tls {
            ca: self.ca.clone(),
            ..Tls::default()
        }
    }

    fn token(&self) -> anyhow::Result<String> {
        let file = self.token.as_deref().context("缺少 --token")?;
        let token = std::fs::read_to_string(file);
        let token = token.with_context(|| format!("file {}", file.display()))?;
        Ok(token.trim().to_owned())
    }
}
