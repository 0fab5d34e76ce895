//! `taizhang restore`.

use std::path::PathBuf;

use clap::Args;
use taizhang_runtime::Config;

use super::{backup, progress};
use crate::backup::{Filled, restore};

/// What to restore.
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The backup.
    #[arg(long)]
    from: PathBuf,
    /// The file with the key that it is encrypted with.
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// The services to restore; all that are in the backup if none is named.
    services: Vec<String>,
}

pub(super) async fn run(config: &Config, asked: Restore) -> anyhow::Result<()> {
    let key = backup::read(asked.key_file.as_deref())?;
    let bar = progress::bar()?;
    let restored = restore(
        config,
        &asked.from,
        key.as_ref(),
        &asked.services,
        &mut |step, done, total| progress::show(&bar, step, done, total),
    )
    .await;
    bar.finish_and_clear();
    let restored = restored?;
    backup::tell(&restored.backup);
    for file in &restored.keys {
        println!("restored {file}");
    }
    if restored.identity_kept {
        println!("kept identity as it is: it has other keys than the backup");
    }
    for (service, filled) in &restored.services {
        match filled {
            Filled::Now { entries, records } => {
                println!("{service}: restored {records} records with {entries} entries");
            }
            Filled::Before => println!("{service}: was there already"),
        }
    }
    println!("the histories verify");
    Ok(())
}
