//! `taizhang audit`.

use anyhow::{Context, bail};
use clap::Subcommand;
use taizhang_ledger::audit;
use taizhang_runtime::Config;

use super::progress;
use crate::key;
use crate::roles;
use crate::suite::connect;

/// What to audit.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Verifies the history of every office in every service. Reports the first entry that was changed
    /// or removed, and every record that differs from its history.
    Verify {
        /// The services to audit; all of them if none is named.
        services: Vec<String>,
    },
}

pub(crate) async fn run(config: &Config, Audit::Verify { services }: Audit) -> anyhow::Result<()> {
    let key = key::open(&config.data)?
        .with_context(|| format!("there is no ledger.key in {}", config.data.display()))?;
    let mut bad = 0;
    for role in roles::chosen(&services)? {
        let database = connect(config, role).await?;
        let bar = progress::bar()?;
        let mut done = 0;
        let report = audit::verify(&database, &key, role.kinds, |count| {
            done += count;
            progress::show(&bar, role.name, done, 0);
        })
        .await?;
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
