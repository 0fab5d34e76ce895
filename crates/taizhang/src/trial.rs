//! `taizhang try`: a year of records made and counted, from an empty folder to the summary.

mod client;
mod job;
mod load;
mod matters;
mod meetings;
mod people;
mod plan;
mod reception;
mod research;
mod summary;
mod supervision;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use taizhang_contracts::Office;
use taizhang_contracts::reporting::AnnualReport;
use taizhang_ledger::Clock;
use taizhang_runtime::Config;
use taizhang_runtime::identity::{Grant, Keyring};

use crate::client::Running;
use crate::roles::{ROLES, scopes};
use crate::suite::Suite;
use client::Clients;
use job::Whose;
use plan::Plan;

/// The office whose year it is.
pub const OFFICE: &str = "demo";
/// Another office, whose records must not count.
pub const NEIGHBOUR: &str = "neighbour";

/// What `try` is asked for.
#[derive(Debug)]
pub struct Options {
    /// The plan; the sample if there is none.
    pub plan: Option<PathBuf>,
    /// Where the summary and the figures are written.
    pub out: PathBuf,
    /// Where the services keep their data; a fresh folder in the system's temporary one if none.
    pub data: Option<PathBuf>,
    /// Whether the services stay up.
    pub serve: bool,
    /// A suite that runs already, instead of one of our own.
    pub running: Option<Running>,
}

/// Runs the trial.
///
/// # Errors
/// If the plan is bad, or anything fails on the way.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let plan = match &options.plan {
        Some(file) => Plan::read(file)?,
        None => Plan::sample()?,
    };
    if let Some(running) = &options.running {
        let clients = connect(running)?;
        return made(&clients, &plan, &options.out).await.map(drop);
    }
    let data = match &options.data {
        Some(data) => data.clone(),
        None => std::env::temp_dir().join(format!("taizhang-{}", uuid::Uuid::new_v4())),
    };
    if let Ok(mut entries) = std::fs::read_dir(&data)
        && entries.next().is_some()
    {
        anyhow::bail!("--data：{} 不是空文件夹", data.display());
    }
    let done = in_folder(&options, &plan, &data).await;
    if options.data.is_none() {
        std::fs::remove_dir_all(&data).with_context(|| format!("folder {}", data.display()))?;
    }
    done
}

async fn in_folder(options: &Options, plan: &Plan, data: &Path) -> anyhow::Result<()> {
    let config = config(data);
    let suite = Suite::start(&config, &ROLES.iter().collect::<Vec<_>>(), clock(plan)).await?;
    println!("服务已启动，数据在 {}", data.display());
    for (name, address) in suite.addresses() {
        println!("  {name:<12} {address}");
    }
    let keyring = Keyring::open_or_create(&config.identity_folder())?;
    let token = keyring.issue(grant()?)?;
    let addresses = suite.addresses().iter();
    let addresses = addresses
        .map(|(name, address)| (*name, format!("http://{address}")))
        .collect();
    let clients = Clients::connect(&addresses, &config.tls, &token)?;
    let report = made(&clients, plan, &options.out).await?;

    if options.serve {
        summary::print_calls(suite.addresses(), &token, &report);
        let stop = async {
            // Without signals the services stay up until they are killed.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        suite.run_until(stop).await
    } else {
        suite.stop().await
    }
}

/// The records of a plan, and the report over them.
async fn made(clients: &Clients, plan: &Plan, out: &Path) -> anyhow::Result<AnnualReport> {
    load::load(clients, &job::jobs(plan)).await?;
    summary::make(clients, plan, out).await
}

fn connect(running: &Running) -> anyhow::Result<Clients> {
    let addresses = ROLES
        .iter()
        .map(|role| Ok((role.name, running.address(role)?)));
    let addresses: anyhow::Result<_> = addresses.collect();
    Clients::connect(&addresses?, &running.tls(), &running.token()?)
}

/// Every service on a free port of this machine.
fn config(data: &Path) -> Config {
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut config = Config {
        data: data.to_owned(),
        ..Config::default()
    };
    for role in ROLES {
        config
            .services
            .entry(role.name.to_owned())
            .or_default()
            .listen = Some(free);
    }
    config
}

/// The present; or, if the plan's year is not over, a time when it is.
fn clock(plan: &Plan) -> Clock {
    let over: Option<DateTime<Utc>> = chrono::NaiveDate::from_ymd_opt(plan.year + 1, 2, 1)
        .map(|d| d.and_time(chrono::NaiveTime::MIN).and_utc());
    let ahead = over
        .map_or(TimeDelta::zero(), |over| over - Clock::system().now())
        .max(TimeDelta::zero());
    Clock::new(move || Clock::system().now() + ahead)
}

fn grant() -> anyhow::Result<Grant> {
    let offices = [OFFICE, NEIGHBOUR].map(|id| Office::from_id(id).context("an office's id"));
    Ok(Grant {
        system: "taizhang-try".into(),
        offices: offices.into_iter().collect::<anyhow::Result<_>>()?,
        scopes: scopes().into_iter().collect(),
        valid_for: TimeDelta::days(1),
    })
}

fn office(whose: Whose) -> String {
    let id = match whose {
        Whose::Ours => OFFICE,
        Whose::Another => NEIGHBOUR,
    };
    format!("offices/{id}")
}
