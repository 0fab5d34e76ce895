//! `taizhang backup`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use taizhang_backup::{Checked, Options, check, make};
use taizhang_files::{Mode, secret};
use taizhang_runtime::Config;

use super::progress;
use crate::backup::services;
use crate::key;
use crate::roles;

/// What to back up; or a subcommand.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Backup {
    #[command(subcommand)]
    other: Option<Other>,
    /// The file to write; it must not exist yet.
    #[arg(long, required = true)]
    to: Option<PathBuf>,
    /// The file of the key to encrypt with, made by `backup new-key`.
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// Also includes the ledger's key, the signing key and the register of tokens.
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
        /// The file of the key that it is encrypted with.
        #[arg(long)]
        key_file: Option<PathBuf>,
    },
    /// Makes a key to encrypt backups with. Without it they can't be read: keep it safe.
    NewKey {
        /// The file to write; it must not exist yet.
        file: PathBuf,
    },
}

pub(super) async fn run(config: &Config, backup: Backup) -> anyhow::Result<()> {
    match (backup.other, backup.to) {
        (Some(Other::NewKey { file }), _) => {
            anyhow::ensure!(!file.exists(), "{} exists already", file.display());
            secret::create(&file, Mode::Private)
                .with_context(|| format!("file {}", file.display()))?;
            println!(
                "made {}; keep it in another place than the backups",
                file.display()
            );
        }
        (Some(Other::Verify { file, key_file }), _) => {
            let key = read_key(key_file.as_deref())?;
            let ledger = key::open(&config.data)?;
            let bar = progress::bar()?;
            let checked = check(&file, key.as_ref(), ledger, &mut |step, done, total| {
                progress::show(&bar, step, done, total);
            });
            bar.finish_and_clear();
            print(&checked?);
        }
        (None, Some(to)) => {
            let key = read_key(backup.key_file.as_deref())?;
            let ledger = key::open(&config.data)?
                .with_context(|| format!("there is no ledger.key in {}", config.data.display()))?;
            let roles = roles::chosen(&backup.services)?;
            let options = Options {
                to: &to,
                key: key.as_ref(),
                with_keys: backup.with_keys,
                services: &services(config, roles),
                data: &config.data,
                ledger: &ledger,
                program: env!("CARGO_PKG_VERSION"),
            };
            let bar = progress::bar()?;
            let made = make(&options, &mut |step, done, total| {
                progress::show(&bar, step, done, total);
            })
            .await;
            bar.finish_and_clear();
            print(&made?);
            println!("written to {}", to.display());
        }
        (None, None) => {}
    }
    Ok(())
}

/// Reads a key of backups, if its file is given.
pub(super) fn read_key(file: Option<&Path>) -> anyhow::Result<Option<[u8; 32]>> {
    let read = |file: &Path| secret::read(file).with_context(|| format!("file {}", file.display()));
    file.map(read).transpose()
}

/// Prints what a backup holds.
pub(super) fn print(backup: &Checked) {
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
            "complete, but the chains were not checked: there is no ledger.key; digest {}",
            backup.digest
        );
    }
}
