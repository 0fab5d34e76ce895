//! `taizhang init`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use taizhang_contracts::Office;

use crate::deployment::Deployment;

/// What to make.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The folder of the deployment: where docker-compose.yml is.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// A name or IP address at which callers reach this machine; may be given more than once.
    #[arg(long = "host")]
    hosts: Vec<String>,
    /// The id of an office whose records are kept; may be given more than once.
    #[arg(long = "office", required_unless_present = "add")]
    offices: Vec<String>,
    /// Adds the services of a newer program that the deployment does not have yet.
    #[arg(long, conflicts_with_all = ["hosts", "offices"])]
    add: bool,
}

pub(crate) fn run(init: Init) -> anyhow::Result<()> {
    if init.add {
        return add(init.dir);
    }
    let offices = init
        .offices
        .iter()
        .map(|id| Office::from_id(id).with_context(|| format!("{id} is not a valid office id")))
        .collect::<anyhow::Result<_>>()?;
    Deployment::create(init.dir.clone(), &init.hosts, offices)?;
    let dir = init.dir.display();
    println!(
        "{dir} is ready. Next:\n\
         1. docker-compose up -d (or docker compose up -d), where docker-compose.yml is.\n\
         2. Call it with the token in {dir}/administrator.token, and trust {dir}/secrets/ca.pem.\n\
         3. Keep a copy of {dir}/secrets elsewhere: without ledger.key no history can be verified.\n\
         Certificates are valid for 13 months; renew them by taizhang certificate renew. See\n\
         docs/administration.md."
    );
    Ok(())
}

fn add(dir: PathBuf) -> anyhow::Result<()> {
    let added = Deployment::at(dir).add()?;
    for (service, file) in &added {
        println!(
            "added {service}. Run this on the running database:\n\
             docker-compose exec -T postgres psql -v ON_ERROR_STOP=1 -U postgres < {}",
            file.display()
        );
    }
    if added.is_empty() {
        println!("no service is missing; nothing was changed");
    } else {
        println!("Existing tokens have no scopes of it; issue new ones by taizhang token issue.");
    }
    Ok(())
}
