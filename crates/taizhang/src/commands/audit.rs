//! `taizhang audit`.

use anyhow::{Context, bail};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use taizhang_ledger::audit;
use taizhang_runtime::Config;

use crate::key;
use crate::roles;
use crate::suite::connect;

/// What to audit.
#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Follows every office's history in every service, and names the first entry that was changed
    /// or removed, and every record that is not what its history says.
    Verify {
        /// The services to look at; all of them if none is named.
        services: Vec<String>,
    },
}

pub(super) async fn run(config: &Config, Audit::Verify { services }: Audit) -> anyhow::Result<()> {
    let key = key::open(&config.data)?
        .with_context(|| format!("there is no ledger.key in {}", config.data.display()))?;
    let mut bad = 0;
    for role in roles::chosen(&services)? {
        let database = connect(config, role).await?;
        let bar = ProgressBar::new_spinner();
        bar.set_style(ProgressStyle::with_template(
            "{spinner} {msg} {pos} ({per_sec})",
        )?);
        bar.set_message(role.name);
        let report = audit::verify(&database, &key, role.kinds, |n| bar.inc(n)).await?;
        bar.finish_and_clear();
        for (office, entries, digest) in &report.offices {
            println!(
                "{}: offices/{office}: {entries} entries verified, digest {digest}",
                role.name
            );
        }
        for finding in &report.findings {
            let entry = finding
                .entry
                .map(|n| format!(" entry {n}"))
                .unwrap_or_default();
            let (zh, en) = finding.what;
            eprintln!(
                "{}: offices/{}:{entry} {}: {zh} ({en})",
                role.name, finding.office, finding.record
            );
        }
        bad += report.findings.len();
    }
    if bad > 0 {
        bail!("{bad} findings: the histories do not verify");
    }
    println!("the histories verify");
    Ok(())
}
