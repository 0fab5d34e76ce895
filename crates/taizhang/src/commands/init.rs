//! `taizhang init`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use taizhang_contracts::Office;

use crate::folder::Folder;

/// What to prepare.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// The folder; the one where docker-compose.yml is.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// A name or IP address at which callers reach this machine; may be given more than once.
    #[arg(long = "host")]
    hosts: Vec<String>,
    /// An office whose ledger is kept; may be given more than once.
    #[arg(long = "office", required = true)]
    offices: Vec<String>,
}

pub(super) fn run(init: Init) -> anyhow::Result<()> {
    let offices = init
        .offices
        .iter()
        .map(|id| Office::from_id(id).with_context(|| format!("{id} is no office's id")))
        .collect::<anyhow::Result<_>>()?;
    Folder::create(init.dir.clone(), &init.hosts, offices)?;
    let dir = init.dir.display();
    println!(
        "{dir} is ready. Next:\n\
         1. docker-compose up -d (or docker compose up -d), where docker-compose.yml is.\n\
         2. Calls bear the token in {dir}/administrator.token and trust {dir}/secrets/ca.pem.\n\
         3. Keep a copy of {dir}/secrets elsewhere: without ledger.key no history verifies.\n\
         Certificates last 13 months: taizhang certificate renew. See docs/administration.md."
    );
    Ok(())
}
