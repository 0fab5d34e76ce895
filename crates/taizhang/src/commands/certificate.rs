//! `taizhang certificate`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::deployment::Deployment;

/// What to do with the certificates of a deployment.
#[derive(Debug, Subcommand)]
pub(crate) enum Certificate {
    /// Renews the certificates of all services, for the names in `secrets/hosts`. Running services use
    /// them for new connections.
    Renew {
        /// The folder of the deployment.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
    },
    /// Issues a client certificate to a calling system.
    Issue {
        /// The folder of the deployment.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// The calling system, such as `township-portal`.
        #[arg(long)]
        system: String,
    },
}

pub(crate) fn run(certificate: Certificate) -> anyhow::Result<()> {
    match certificate {
        Certificate::Renew { dir } => {
            Deployment::at(dir).renew()?;
            println!("the certificates of all services were renewed");
        }
        Certificate::Issue { dir, system } => {
            let file = Deployment::at(dir).issue_to_caller(&system)?;
            println!("{}, and its key beside it", file.display());
        }
    }
    Ok(())
}
