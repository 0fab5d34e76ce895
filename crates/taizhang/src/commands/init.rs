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
    #[arg(long = "office", required_unless_present = "add")]
    offices: Vec<String>,
    /// Adds the services that a folder does not know yet, which a newer program brought.
    #[arg(long, conflicts_with_all = ["hosts", "offices"])]
    add: bool,
}

pub(super) fn run(init: Init) -> anyhow::Result<()> {
    if init.add {
        return add(init.dir);
    }
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

fn add(dir: PathBuf) -> anyhow::Result<()> {
    let added = Folder::at(dir).add()?;
    for (service, file) in &added {
        println!(
            "{service} is new. On the database that runs already:\n\
             docker-compose exec -T postgres psql -v ON_ERROR_STOP=1 -U postgres < {}",
            file.display()
        );
    }
    if added.is_empty() {
        println!("every service is there already; nothing was changed");
    } else {
        println!("Tokens issued before can't call it: taizhang token issue.");
    }
    Ok(())
}
