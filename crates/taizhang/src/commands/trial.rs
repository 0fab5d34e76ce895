//! `taizhang try`.

mod print;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::Args;
use taizhang_client::{AuthorizedChannel, Bearer};
use taizhang_contracts::Office;
use taizhang_ledger::Clock;
use taizhang_runtime::Config;
use taizhang_runtime::client::connect_lazy;
use taizhang_runtime::identity::{Grant, Keyring};
use taizhang_trial::{Clients, NEIGHBOUR, OFFICE, Plan, Summary};

use super::progress;
use crate::roles::{ROLES, Role, scopes};
use crate::running::Running;
use crate::suite::Suite;

/// What to try.
#[derive(Debug, Args)]
pub(super) struct Trial {
    /// The plan of the year; the sample of the project if none is given.
    #[arg(long)]
    plan: Option<PathBuf>,
    /// Where the summary and the figures are written.
    #[arg(long, default_value = "./out")]
    out: PathBuf,
    /// The folder where the services keep their data; it must be empty. Without it, a temporary folder
    /// that is removed in the end.
    #[arg(long, conflicts_with = "at")]
    data: Option<PathBuf>,
    /// Keeps the services running afterwards and prints calls to paste.
    #[arg(long, conflicts_with = "at")]
    serve: bool,
    #[command(flatten)]
    running: Running,
}

pub(super) async fn run(trial: Trial) -> anyhow::Result<()> {
    let plan = match &trial.plan {
        Some(file) => Plan::read(file)?,
        None => Plan::sample()?,
    };
    if trial.running.is_given() {
        let clients = clients(|role| trial.running.channel(role))?;
        return make(&clients, &plan, &trial.out).await.map(drop);
    }
    let data = match &trial.data {
        Some(data) => data.clone(),
        None => std::env::temp_dir().join(format!("taizhang-{}", uuid::Uuid::new_v4())),
    };
    if let Ok(mut entries) = std::fs::read_dir(&data)
        && entries.next().is_some()
    {
        anyhow::bail!("--data：{} 不是空文件夹", data.display());
    }
    let done = in_folder(&trial, &plan, &data).await;
    if trial.data.is_none() {
        std::fs::remove_dir_all(&data).with_context(|| format!("folder {}", data.display()))?;
    }
    done
}

/// Starts a suite with its data in this folder, and makes the records there.
async fn in_folder(trial: &Trial, plan: &Plan, data: &Path) -> anyhow::Result<()> {
    let config = config(data);
    let roles: Vec<_> = ROLES.iter().collect();
    let suite = Suite::start(&config, &roles, clock(plan)).await?;
    println!("服务已启动，数据在 {}", data.display());
    for (name, address) in suite.addresses() {
        println!("  {name:<12} {address}");
    }
    let keyring = Keyring::open_or_create(&config.identity_folder())?;
    let token = keyring.issue(grant()?)?;
    let bearer = Bearer::of(&token)?;
    let clients = clients(|role| {
        let address = suite.addresses().get(role.name).context(role.name)?;
        let channel = connect_lazy(&format!("http://{address}"), &config.tls)?;
        Ok(AuthorizedChannel::new(channel, bearer.clone()))
    })?;
    let summary = make(&clients, plan, &trial.out).await?;

    if trial.serve {
        print::calls(suite.addresses(), &token, &summary.report);
        let stop = async {
            // If signals can't be received, the services run until they are killed.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        suite.run_until(stop).await
    } else {
        suite.stop().await
    }
}

/// Makes the records of a plan and the summary, and prints its figures.
async fn make(clients: &Clients, plan: &Plan, out: &Path) -> anyhow::Result<Summary> {
    let bar = progress::bar()?;
    let summary = taizhang_trial::run(clients, plan, out, &mut |done, total| {
        progress::show(&bar, "录入记录", done, total);
    })
    .await;
    bar.finish_and_clear();
    let summary = summary?;
    print::summary(&summary);
    Ok(summary)
}

/// The clients of a suite, over one channel for each service.
fn clients(
    channel: impl Fn(&Role) -> anyhow::Result<AuthorizedChannel>,
) -> anyhow::Result<Clients> {
    let mut channels = BTreeMap::new();
    for role in ROLES {
        let channel = channel(role)?;
        channels.extend(role.grpc_services.iter().map(|s| (*s, channel.clone())));
    }
    Clients::new(|service| {
        let channel = channels.get(service).cloned();
        channel.with_context(|| format!("no service serves {service}"))
    })
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

/// The system's clock; set forward if the plan's year is not over yet.
fn clock(plan: &Plan) -> Clock {
    let over: Option<DateTime<Utc>> = NaiveDate::from_ymd_opt(plan.year + 1, 2, 1)
        .map(|day| day.and_time(NaiveTime::MIN).and_utc());
    let ahead = over
        .map_or(TimeDelta::zero(), |over| over - Clock::system().now())
        .max(TimeDelta::zero());
    Clock::new(move || Clock::system().now() + ahead)
}

/// Every scope in both offices, for a day.
fn grant() -> anyhow::Result<Grant> {
    let offices = [OFFICE, NEIGHBOUR].map(|id| Office::from_id(id).context("an office's id"));
    Ok(Grant {
        system: "taizhang-try".into(),
        offices: offices.into_iter().collect::<anyhow::Result<_>>()?,
        scopes: scopes().into_iter().collect(),
        valid_for: TimeDelta::days(1),
    })
}
