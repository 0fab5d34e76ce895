//! `taizhang health`.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use taizhang_runtime::Config;
use taizhang_runtime::client::connect_lazy;
use tonic::Request;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::roles;

/// How long a response may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Whom to ask.
#[derive(Debug, Args)]
pub(crate) struct Health {
    /// The services of this machine; all of them if none is named.
    services: Vec<String>,
    /// Instead, an address, such as `https://ledger.example:7101`.
    #[arg(long, conflicts_with = "services")]
    address: Option<String>,
}

pub(crate) async fn run(config: &Config, health: Health) -> anyhow::Result<()> {
    if let Some(address) = &health.address {
        return ask(config, address).await;
    }
    let scheme = config.tls.scheme();
    for role in roles::chosen(&health.services)? {
        let address = config.listen(role.name, (Ipv4Addr::LOCALHOST, role.port).into());
        // The certificate must be valid for this name.
        let host = if address.ip().is_unspecified() || address.ip().is_loopback() {
            "localhost".to_owned()
        } else {
            address.ip().to_string()
        };
        ask(config, &format!("{scheme}://{host}:{}", address.port())).await?;
    }
    Ok(())
}

/// Asks one service whether it serves (`grpc.health.v1`).
async fn ask(config: &Config, address: &str) -> anyhow::Result<()> {
    let mut client = HealthClient::new(connect_lazy(address, &config.tls)?);
    let mut request = Request::new(HealthCheckRequest::default());
    request.set_timeout(TIMEOUT);
    let answer = tokio::time::timeout(TIMEOUT, client.check(request)).await;
    let status = answer
        .with_context(|| format!("{address} did not answer"))?
        .with_context(|| address.to_owned())?
        .into_inner()
        .status();
    if status != ServingStatus::Serving {
        bail!("{address} does not serve: {}", status.as_str_name());
    }
    println!("{address} serves");
    Ok(())
}
