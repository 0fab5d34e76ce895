//! `taizhang restore`.

use std::path::PathBuf;

use clap::Args;
use taizhang_backup::{ServiceResult, restore};
use taizhang_runtime::Config;

use super::backup::{print, read_key};
use super::progress;
use crate::backup::services;
use crate::key;
use crate::roles::ROLES;

/// What to restore.
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The backup.
    #[arg(long)]
    from: PathBuf,
    /// The file of the key that it is encrypted with.
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// The services to restore; all of the backup if none is named.
    services: Vec<String>,
}

pub(super) async fn run(config: &Config, asked: Restore) -> anyhow::Result<()> {
    let key = read_key(asked.key_file.as_deref())?;
    let bar = progress::bar()?;
    let restored = restore(
        &services(config, ROLES),
        &config.data,
        &asked.from,
        key.as_ref(),
        key::open(&config.data)?,
        &asked.services,
        &mut |step, done, total| progress::show(&bar, step, done, total),
    )
    .await;
    bar.finish_and_clear();
    let restored = restored?;
    print(&restored.backup);
    for file in &restored.keys {
        println!("restored {file}");
    }
    if restored.identity_kept {
        println!("left identity as it is: it has other keys than the backup");
    }
    for (service, result) in &restored.services {
        match result {
            ServiceResult::Restored { entries, records } => {
                println!("{service}: restored {records} records with {entries} entries");
            }
            ServiceResult::Unchanged => println!("{service}: had this history already"),
        }
    }
    println!("the histories verify");
    Ok(())
}
