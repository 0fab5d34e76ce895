//! The benchmark: `cargo bench --profile dist -p taizhang-bench`, with options after `--`.
//!
//! Prints tables and writes them to `target/bench.md`. `docs/benchmarks.md` describes what is measured
//! and how.

mod batches;
mod callers;
mod calls;
mod cpu;
mod echo;
mod load;
mod machine;
mod pgbench;
mod postgres;
mod process;
mod rates;
mod report;
mod small;
mod statements;
mod summary;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::{Parser, ValueEnum};

use callers::Pace;
use postgres::Postgres;
use rates::Plan;

/// Measures Taizhang compared with the limits of this machine.
#[derive(Debug, Parser)]
struct Arguments {
    /// Seconds per rate and round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// The number of rounds; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only these parts.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// The service's connections to PostgreSQL; its default if not given.
    #[arg(long)]
    pool: Option<u32>,
    /// Only the rates on PostgreSQL whose name in the table contains this text.
    #[arg(long, default_value = "")]
    matching: String,
    /// A program to measure instead of the one of this workspace.
    #[arg(long)]
    taizhang: Option<PathBuf>,
    /// Given by `cargo bench`; without it nothing is measured, so that `cargo test --benches` is
    /// quick.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Calls per second on PostgreSQL.
    Rates,
    /// The annual summary over a million records.
    Summary,
    /// Calls per second on SQLite.
    Sqlite,
    /// Creates in batches compared with single creates, on both.
    Batches,
    /// Size, memory and startup time of the program.
    Footprint,
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = if std::env::args().nth(1).as_deref() == Some("echo") {
        echo::serve().await
    } else {
        let arguments = Arguments::parse();
        if !arguments.bench {
            println!("run by `cargo bench --profile dist -p taizhang-bench`");
            return ExitCode::SUCCESS;
        }
        // Child processes are killed when dropped, also on Ctrl-C.
        tokio::select! {
            result = run(&arguments) => result,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.seconds == 0 || arguments.rounds == 0 {
        bail!("--seconds and --rounds are at least 1");
    }
    let file = process::target()?.join("bench.md");
    let program = match &arguments.taizhang {
        Some(program) => program.canonicalize()?,
        None => process::build()?,
    };
    let folder = tempfile::Builder::new()
        .prefix("taizhang-bench-")
        .tempdir()?;
    let folder = folder.path();
    let wanted = |part| arguments.only.is_empty() || arguments.only.contains(&part);
    let pace = Pace {
        warm_up: Duration::from_millis(500),
        measured: Duration::from_secs(arguments.seconds),
    };

    let mut text = vec!["# Benchmark".to_owned()];
    let mut about = machine::machine(folder)?;
    let mut batched = Vec::new();
    if wanted(Part::Rates) || wanted(Part::Summary) || wanted(Part::Batches) {
        eprintln!("starting PostgreSQL");
        let mut postgres = Postgres::start()?;
        let version = postgres.ask("SELECT version()").await?;
        let version = version.split(" on ").next().unwrap_or_default();
        for setting in ["fsync", "synchronous_commit"] {
            let value = postgres.ask(&format!("SHOW {setting}")).await?;
            if value != "on" {
                bail!("PostgreSQL's {setting} is {value}: commits are not durable");
            }
        }
        about.push(format!("{version}, fsync and synchronous_commit on"));
        if wanted(Part::Rates) {
            eprintln!("rates on PostgreSQL");
            let (rounds, pool) = (arguments.rounds, arguments.pool);
            let plan = Plan {
                program: &program,
                folder,
                pool,
                pace,
                rounds,
                matching: &arguments.matching,
            };
            let rates = rates::rates(&mut postgres, &plan).await?;
            let pool = pool.map_or("the default".to_owned(), |pool| pool.to_string());
            about.push(format!(
                "each rate: the median of {rounds} rounds of {} s; connections of the service: {pool}",
                arguments.seconds
            ));
            text.extend([
                report::rates(&rates),
                report::shares(&rates),
                report::work(&rates),
                report::bookings(&rates),
            ]);
        }
        if wanted(Part::Summary) {
            eprintln!("the annual summary over a million records");
            let summary = summary::summary(&mut postgres, &program, folder).await?;
            text.push(report::summary(&summary));
        }
        if wanted(Part::Batches) {
            eprintln!("batches on PostgreSQL");
            let database = postgres.make("batches", "template0").await?;
            let url = [("meetings", postgres.url(&database))];
            let home = folder.join("batches-postgres");
            let measured = batches::batches(&program, &home, &url, pace).await?;
            batched.push(("PostgreSQL", measured));
        }
        postgres.tidy().await?;
    }
    if wanted(Part::Sqlite) {
        eprintln!("rates on SQLite");
        let rates = small::sqlite(&program, folder, pace).await?;
        text.push(report::sqlite(&rates));
    }
    if wanted(Part::Batches) {
        eprintln!("batches on SQLite");
        let home = folder.join("batches-sqlite");
        let measured = batches::batches(&program, &home, &[], pace).await?;
        batched.push(("SQLite", measured));
        text.push(batches::table(&batched));
    }
    if wanted(Part::Footprint) {
        eprintln!("size, memory and start");
        let footprint = small::footprint(&program, folder).await?;
        text.push(report::footprint(&footprint));
    }
    let about: Vec<String> = about.iter().map(|line| format!("- {line}")).collect();
    text.insert(1, about.join("\n") + "\n");
    let text = text.join("\n");
    println!("\n{text}");
    std::fs::write(&file, text)?;
    eprintln!("written to {}", file.display());
    Ok(())
}
