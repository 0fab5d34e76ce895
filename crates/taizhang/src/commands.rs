//! What the program can be told to do.

mod audit;
mod backup;
mod migrate;
mod progress;
mod restore;
mod serve;
mod token;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use taizhang_runtime::Config;

use crate::trial;

/// Taizhang (台账): the work ledger of a county Party-committee office.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Arguments {
    /// The configuration file; `taizhang.toml` if it is there.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a year of records in a fresh folder, counts them, and writes the annual summary.
    Try {
        /// The plan of the year; the sample of the project if none is given.
        #[arg(long)]
        plan: Option<PathBuf>,
        /// Where the summary and the figures are written.
        #[arg(long, default_value = "./out")]
        out: PathBuf,
        /// Where the services keep their data; must be fresh. Without it, a temporary folder that
        /// is removed in the end.
        #[arg(long)]
        data: Option<PathBuf>,
        /// Stays up afterwards and prints calls to paste.
        #[arg(long)]
        serve: bool,
    },
    /// Runs services; all of them if none is named.
    Serve {
        /// The services to run.
        services: Vec<String>,
    },
    /// Brings databases to the schema of this program; all of them if none is named.
    Migrate {
        /// The services whose databases are meant.
        services: Vec<String>,
    },
    /// Issues, lists and revokes the tokens of callers.
    #[command(subcommand)]
    Token(token::Token),
    /// Checks the histories.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Writes what services keep into one verified file, also while they run.
    Backup(backup::Backup),
    /// Verifies a backup and fills empty databases from it.
    Restore(restore::Restore),
}

/// Does what the arguments say.
///
/// # Errors
/// Whatever goes wrong, told for the administrator.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    if let Command::Try {
        plan,
        out,
        data,
        serve,
    } = arguments.command
    {
        return trial::run(trial::Options {
            plan,
            out,
            data,
            serve,
        })
        .await;
    }
    let default = PathBuf::from("taizhang.toml");
    let file = arguments
        .config
        .or_else(|| default.exists().then_some(default));
    let config = Config::load(file.as_deref())?;
    match arguments.command {
        Command::Serve { services } => serve::run(&config, &services).await,
        Command::Migrate { services } => migrate::run(&config, &services).await,
        Command::Token(token) => token::run(&config, token),
        Command::Audit(audit) => audit::run(&config, audit).await,
        Command::Backup(backup) => backup::run(&config, backup).await,
        Command::Restore(restore) => restore::run(&config, restore).await,
        Command::Try { .. } => Ok(()),
    }
}
