//! Serves a service, and shuts it down gracefully.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use taizhang_contracts::{Stopping, descriptors};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};

use crate::config::{Config, ConfigError};
use crate::identity::Verifier;
use crate::layers;
use crate::service::Service;
use crate::tls::Acceptor;

/// Why a service could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A value of the configuration can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The transport failed.
    #[error("{0}")]
    Transport(#[from] tonic::transport::Error),
    /// The descriptors of the contracts are not fit for reflection.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// How often an idle connection is pinged.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
/// How long the answer to a ping may take before the connection is closed.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Serves until `shutdown` is ready. Then health says NOT_SERVING, every connection gets a GOAWAY,
/// running calls complete, and it returns; at the latest after the longest deadline.
///
/// # Errors
/// If the configuration can't be used or the listener fails.
pub async fn serve(
    service: Service,
    listener: TcpListener,
    config: &Config,
    verifier: Arc<Verifier>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (name, grpc_services) = (service.name, service.services);
    let limits = &config.limits;
    let mut server = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .http2_max_header_list_size(limits.header_bytes)
        // Above `calls`, so that load shedding refuses what is too much, with a reason.
        .max_concurrent_streams(
            u32::try_from(limits.calls)
                .unwrap_or(u32::MAX)
                .saturating_add(64),
        )
        .max_connection_age(Duration::from_secs(limits.connection_age_seconds));
    let tls = Acceptor::open(&config.tls)?;

    // Health and reflection are outside of the layers: they need no token and no permit.
    let (health, health_service) = health_reporter();
    let (end_streams, stopping) = watch::channel(false);
    let layered = layers::wrap(service, limits, verifier, Stopping(stopping));
    let mut routes = Routes::from(layered).add_service(health_service);
    if config.reflection {
        routes = reflection(routes, grpc_services)?;
    }
    set_health(&health, grpc_services, ServingStatus::Serving).await;

    let incoming = TcpIncoming::from(listener)
        .with_nodelay(Some(true))
        .with_keepalive(Some(KEEPALIVE_INTERVAL));
    let (stop, stopped) = oneshot::channel::<()>();
    let router = server.add_routes(routes);
    let stopped = async {
        let _ = stopped.await;
    };
    // Once stopped, sends GOAWAY on every connection, and returns when all are closed.
    let serving = async {
        match tls {
            Some(tls) => {
                let connections = tls.connections(incoming);
                router
                    .serve_with_incoming_shutdown(connections, stopped)
                    .await
            }
            None => router.serve_with_incoming_shutdown(incoming, stopped).await,
        }
    };
    tracing::info!(service = name, "serving");
    let stopping = async {
        shutdown.await;
        tracing::info!(service = name, "stopping");
        set_health(&health, grpc_services, ServingStatus::NotServing).await;
        let _ = stop.send(());
        // Long streams end early, as they would hold their connections open.
        let _ = end_streams.send(true);
        clear_health(health, grpc_services).await;
        tokio::time::sleep(limits.deadline()).await;
    };
    tokio::select! {
        served = serving => served?,
        () = stopping => tracing::warn!(service = name, "stopped with connections still open"),
    }
    tracing::info!(service = name, "stopped");
    Ok(())
}

async fn set_health(health: &HealthReporter, grpc_services: &[&str], status: ServingStatus) {
    for name in grpc_services.iter().chain(&[""]) {
        health.set_service_status(name, status).await;
    }
}

async fn clear_health(mut health: HealthReporter, grpc_services: &[&str]) {
    for name in grpc_services.iter().chain(&[""]) {
        health.clear_service_status(name).await;
    }
}

/// Adds reflection in both versions: `v1`, and `v1alpha` for older tools.
fn reflection(routes: Routes, grpc_services: &[&str]) -> Result<Routes, ServeError> {
    let builder = || {
        let builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(descriptors::ENCODED)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        grpc_services
            .iter()
            .chain(&["grpc.health.v1.Health"])
            .fold(builder, |builder, name| builder.with_service_name(*name))
    };
    Ok(routes
        .add_service(builder().build_v1()?)
        .add_service(builder().build_v1alpha()?))
}
