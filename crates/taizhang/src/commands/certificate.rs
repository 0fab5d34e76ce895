//! `taizhang certificate`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::folder::Folder;

/// What to do with certificates of the folder that `init` made.
#[derive(Debug, Subcommand)]
pub(super) enum Certificate {
    /// Signs those of all services anew, for the names in `secrets/hosts`. Services that run show
    /// them to whoever connects from then on.
    Renew {
        /// The folder.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
    },
    /// Signs one with which a calling system shows who it is.
    Issue {
        /// The folder.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// The calling system, such as `township-portal`.
        #[arg(long)]
        system: String,
    },
}

pub(super) fn run(certificate: Certificate) -> anyhow::Result<()> {
    match certificate {
        Certificate::Renew { dir } => {
            Folder::at(dir).renew()?;
            println!("the certificates of all services are new");
        }
        Certificate::Issue { dir, system } => {
            let file = Folder::at(dir).caller(&system)?;
            println!("{}, and its key beside it", file.display());
        }
    }
    Ok(())
}
