//! What the program can be told to do.

mod audit;
mod backup;
mod certificate;
mod health;
mod init;
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
        /// The machine of a suite that runs already, to make the records there: of the offices
        /// `demo` and `neighbour`. Not for a ledger that is in earnest.
        #[arg(long, requires_all = ["token", "ca"], conflicts_with_all = ["data", "serve"])]
        at: Option<String>,
        /// With `--at`: the file of a token.
        #[arg(long, requires = "at")]
        token: Option<PathBuf>,
        /// With `--at`: the authority that signed its certificates.
        #[arg(long, requires = "at")]
        ca: Option<PathBuf>,
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
            at,
            token,
            ca,
        } => {
            let running = match (at, token, ca) {
                (Some(host), Some(token), Some(ca)) => Some(trial::Running { host, token, ca }),
                _ => None,
            };
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
        Command::Audit(audit) => audit::run(&config()?, audit).await,
        Command::Backup(backup) => backup::run(&config()?, backup).await,
        Command::Restore(restore) => restore::run(&config()?, restore).await,
    }
}
