//! `taizhang backup`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use taizhang_runtime::Config;

use super::progress;
use crate::backup::{Checked, Options, check, make};
use crate::key;
use crate::roles;

/// What to back up, or what to do with backups.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Backup {
    #[command(subcommand)]
    other: Option<Other>,
    /// The file to write; it must not be there.
    #[arg(long, required = true)]
    to: Option<PathBuf>,
    /// A file with the key to encrypt with, as `backup new-key` makes it.
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// Keeps the ledger's key, the signing key and the register of tokens in it too.
    #[arg(long, requires = "key_file")]
    with_keys: bool,
    /// The services to back up; all of them if none is named.
    services: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Other {
    /// Verifies a backup from end to end, without a database.
    Verify {
        /// The backup.
        file: PathBuf,
        /// The file with the key that it is encrypted with.
        #[arg(long)]
        key_file: Option<PathBuf>,
    },
    /// Makes a key to encrypt backups with. Whoever loses it loses the backups.
    NewKey {
        /// The file to write; it must not be there.
        file: PathBuf,
    },
}

pub(super) async fn run(config: &Config, backup: Backup) -> anyhow::Result<()> {
    match (backup.other, backup.to) {
        (Some(Other::NewKey { file }), _) => {
            anyhow::ensure!(!file.exists(), "{} is there already", file.display());
            key::create(&file)?;
            println!("made {}; keep it apart from the backups", file.display());
        }
        (Some(Other::Verify { file, key_file }), _) => {
            let key = read(key_file.as_deref())?;
            let ledger = key::open(&config.data)?;
            let bar = progress::bar()?;
            let checked = check(&file, key.as_ref(), ledger, &mut |step, done, total| {
                progress::show(&bar, step, done, total);
            });
            bar.finish_and_clear();
            tell(&checked?);
        }
        (None, Some(to)) => {
            let key = read(backup.key_file.as_deref())?;
            let options = Options {
                to: &to,
                key: key.as_ref(),
                with_keys: backup.with_keys,
                roles: &roles::chosen(&backup.services)?,
            };
            let bar = progress::bar()?;
            let made = make(config, &options, &mut |step, done, total| {
                progress::show(&bar, step, done, total);
            })
            .await;
            bar.finish_and_clear();
            tell(&made?);
            println!("written to {}", to.display());
        }
        (None, None) => {}
    }
    Ok(())
}

/// Reads a key for backups, if its file is given.
pub(super) fn read(file: Option<&Path>) -> anyhow::Result<Option<[u8; 32]>> {
    file.map(key::read).transpose()
}

/// Tells what a backup holds.
pub(super) fn tell(backup: &Checked) {
    for (service, offices, entries) in &backup.services {
        println!("{service}: {offices} offices, {entries} entries");
    }
    println!(
        "taken {} within {:.1} ms, by taizhang {}",
        backup.time.to_rfc3339(),
        backup.spread as f64 / 1000.0,
        backup.program
    );
    if backup.keys {
        println!("with the keys");
    }
    if backup.chains {
        println!("verified, every chain too; digest {}", backup.digest);
    } else {
        println!(
            "whole; the chains were not followed, for there is no ledger.key; digest {}",
            backup.digest
        );
    }
}
