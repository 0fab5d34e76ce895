//! Runs a service: configuration, the layers of every call, identity, telemetry, calls to other
//! services, and graceful shutdown.
//!
//! ```no_run
//! # async fn run(service: taizhang_runtime::Service) -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use taizhang_runtime::{Config, identity::Verifier, serve, telemetry};
//!
//! let config = Config::load(None)?;
//! let _telemetry = telemetry::init(service.name, &config)?;
//! let verifier = Arc::new(Verifier::of(&config)?);
//! let address = config.listen(service.name, ([127, 0, 0, 1], 7001).into());
//! let listener = tokio::net::TcpListener::bind(address).await?;
//! let stop = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
//! serve(service, listener, &config, verifier, stop).await?;
//! # Ok(())
//! # }
//! ```

mod call_metrics;
mod call_scope;
pub mod client;
pub mod config;
mod headers;
pub mod identity;
mod layers;
mod method;
pub mod server;
mod service;
pub mod telemetry;
mod tls;
mod trace_context;

pub use config::{Config, ConfigError};
pub use server::{ServeError, serve};
pub use service::Service;
