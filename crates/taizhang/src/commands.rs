//! What the program can be told to do.

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

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use taizhang_runtime::Config;

use crate::client::Running;
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
    /// Makes a year of records in a fresh folder, counts them, and writes the annual summary. With
    /// `--at`, in the offices `demo` and `neighbour` of a suite that runs, which must not be one in
    /// earnest.
    Try {
        /// The plan of the year; the sample of the project if none is given.
        #[arg(long)]
        plan: Option<PathBuf>,
        /// Where the summary and the figures are written.
        #[arg(long, default_value = "./out")]
        out: PathBuf,
        /// Where the services keep their data; must be fresh. Without it, a temporary folder that
        /// is removed in the end.
        #[arg(long, conflicts_with = "at")]
        data: Option<PathBuf>,
        /// Stays up afterwards and prints calls to paste.
        #[arg(long, conflicts_with = "at")]
        serve: bool,
        #[command(flatten)]
        running: Running,
    },
    /// Runs services; all of them if none is named.
    Serve {
        /// The services to run.
        services: Vec<String>,
    },
    /// Brings databases to the schema of this program; all of them if none is named.
    Migrate {
        /// Turns the tables into so many partitions by office, each table for good. PostgreSQL
        /// only; stop the services first.
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(2..=1024))]
        partitions: Option<u64>,
        /// The services whose databases are meant.
        services: Vec<String>,
    },
    /// Issues, lists and revokes the tokens of callers.
    #[command(subcommand)]
    Token(token::Token),
    /// Asks services whether they serve; fails if one does not.
    Health(health::Health),
    /// Prepares a folder for docker-compose: keys, certificates, passwords, a first token.
    Init(init::Init),
    /// Renews and issues the certificates of such a folder.
    #[command(subcommand)]
    Certificate(certificate::Certificate),
    /// Loads the records of a spreadsheet, .xlsx or .csv; never one of them twice.
    Import(import::Import),
    /// Writes records to a spreadsheet, which can be imported again.
    Export(export::Export),
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
    let config = || {
        let default = PathBuf::from("taizhang.toml");
        let file = arguments
            .config
            .or_else(|| default.exists().then_some(default));
        Config::load(file.as_deref())
    };
    match arguments.command {
        Command::Try {
            plan,
            out,
            data,
            serve,
            running,
        } => {
            let running = running.is_given().then_some(running);
            trial::run(trial::Options {
                plan,
                out,
                data,
                serve,
                running,
            })
            .await
        }
        Command::Serve { services } => serve::run(&config()?, &services).await,
        Command::Migrate {
            partitions,
            services,
        } => migrate::run(&config()?, partitions, &services).await,
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
