//! `taizhang serve`.

use taizhang_ledger::Clock;
use taizhang_runtime::{Config, telemetry};
use tokio::signal::unix::{SignalKind, signal};

use crate::roles;
use crate::suite::Suite;

pub(super) async fn run(config: &Config, services: &[String]) -> anyhow::Result<()> {
    let roles = roles::chosen(services)?;
    let name = match roles[..] {
        [role] => role.name,
        _ => "taizhang",
    };
    let telemetry = telemetry::init(name, config)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let suite = Suite::start(config, &roles, Clock::system()).await?;
    for (name, address) in suite.addresses() {
        println!("{name} listens on {address}");
    }
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let ended = suite.run_until(stop).await;
    drop(telemetry);
    ended
}
