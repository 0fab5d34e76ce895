//! Serves a service until it is told to stop, and then without failing a call that runs.

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
use crate::stack;
use crate::tls::Accepting;

/// A service that can be served.
#[derive(Debug)]
pub struct Service {
    /// Its name, such as `meetings`; it stands for `{service}` in scopes.
    pub name: &'static str,
    /// Its gRPC services.
    pub routes: Routes,
    /// Their full names, such as `taizhang.meetings.v1.MeetingService`.
    pub services: &'static [&'static str],
}

/// Why a service could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A value of the configuration can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The transport failed.
    #[error("{0}")]
    Transport(#[from] tonic::transport::Error),
    /// The descriptors of the contracts can't be served.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// How often an idle connection is asked whether it is still there, and how long it may take.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(20));

/// Serves until `shutdown` is ready, then tells callers to go elsewhere, lets what runs come to its
/// end, and returns.
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
        .http2_keepalive_interval(Some(KEEPALIVE.0))
        .http2_keepalive_timeout(Some(KEEPALIVE.1))
        .http2_max_header_list_size(limits.header_bytes)
        // Beyond the limit, so that one connection's overload is refused with a reason.
        .max_concurrent_streams(
            u32::try_from(limits.calls)
                .unwrap_or(u32::MAX)
                .saturating_add(64),
        )
        .max_connection_age(Duration::from_secs(limits.connection_age_seconds));
    let tls = Accepting::open(&config.tls)?;

    // Health and reflection stand beside the stack: they need no identity and have no limits.
    let (health, health_service) = health_reporter();
    let (ending, ended) = watch::channel(false);
    let stacked = stack::around(service, limits, verifier, Stopping(ended));
    let mut routes = Routes::from(stacked).add_service(health_service);
    if config.reflection {
        routes = reflection(routes, grpc_services)?;
    }
    set_health(&health, grpc_services, ServingStatus::Serving).await;

    let incoming = TcpIncoming::from(listener)
        .with_nodelay(Some(true))
        .with_keepalive(Some(KEEPALIVE.0));
    let (stop, stopped) = oneshot::channel::<()>();
    let router = server.add_routes(routes);
    let stopped = async {
        let _ = stopped.await;
    };
    // Sends GOAWAY on every connection and returns when all are closed.
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
        // Ends the streams of those who watch, which would hold their connections open.
        let _ = ending.send(true);
        clear_health(health, grpc_services).await;
        tokio::time::sleep(limits.deadline()).await;
    };
    tokio::select! {
        served = serving => served?,
        () = stopping => tracing::warn!(service = name, "connections were still open at the end"),
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

/// Adds reflection, in the version of today and in the one that older tools ask for.
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
