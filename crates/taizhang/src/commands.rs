//! The commands of the program.

mod audit;
mod backup;
mod certificate;
mod export;
mod health;
mod import;
mod init;
mod migrate;
mod progress;
mod restore;
mod serve;
mod token;
mod trial;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use taizhang_runtime::Config;

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
    /// Makes a year of records in an empty folder, counts them, and writes the annual summary. With
    /// `--at`, in the offices `demo` and `neighbour` of a suite that runs, which must not be in
    /// production.
    Try(trial::Trial),
    /// Runs services; all of them if none is named.
    Serve {
        /// The services to run.
        services: Vec<String>,
    },
    /// Migrates databases to the schema of this program; all of them if none is named.
    Migrate {
        /// Also partitions the tables by office, into this many partitions. It can't be undone.
        /// PostgreSQL only; stop the services first.
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(2..=1024))]
        partitions: Option<u64>,
        /// Also creates the views for reporting tools, with Chinese names, in the schema `reading`.
        /// PostgreSQL only.
        #[arg(long)]
        views: bool,
        /// The services whose databases are migrated.
        services: Vec<String>,
    },
    /// Issues, lists and revokes the tokens of callers.
    #[command(subcommand)]
    Token(token::Token),
    /// Asks services whether they serve; fails if one does not.
    Health(health::Health),
    /// Makes the folder of a deployment with docker-compose: keys, certificates, passwords, a token.
    Init(init::Init),
    /// Renews and issues certificates of a deployment.
    #[command(subcommand)]
    Certificate(certificate::Certificate),
    /// Imports the records of a spreadsheet, .xlsx or .csv, each of them once.
    Import(import::Import),
    /// Exports records to a spreadsheet, which can be imported again.
    Export(export::Export),
    /// Verifies the histories.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Backs up services to one verified file, also while they run.
    Backup(backup::Backup),
    /// Verifies a backup and restores it into empty databases.
    Restore(restore::Restore),
}

/// Runs the command of the arguments.
///
/// # Errors
/// With a message for the administrator.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let config = || {
        let default = PathBuf::from("taizhang.toml");
        let file = arguments
            .config
            .or_else(|| default.exists().then_some(default));
        Config::load(file.as_deref())
    };
    match arguments.command {
        Command::Try(trial) => trial::run(trial).await,
        Command::Serve { services } => serve::run(&config()?, &services).await,
        Command::Migrate {
            partitions,
            views,
            services,
        } => migrate::run(&config()?, partitions, views, &services).await,
        Command::Token(token) => token::run(&config()?, token),
        Command::Health(health) => health::run(&config()?, health).await,
        Command::Init(init) => init::run(init),
        Command::Certificate(certificate) => certificate::run(certificate),
        Command::Import(import) => import::run(&config()?, import).await,
        Command::Export(export) => export::run(&config()?, export).await,
        Command::Audit(audit) => audit::run(&config()?, audit).await,
        Command::Backup(backup) => backup::run(&config()?, backup).await,
        Command::Restore(restore) => restore::run(&config()?, restore).await,
    }
}
