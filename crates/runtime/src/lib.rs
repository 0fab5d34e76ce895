//! One way to run a service: its configuration, who may call it, the way of every call, what is
//! logged and measured, how it calls others, and how it stops.
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

pub mod client;
pub mod config;
mod current;
pub mod deadline;
pub mod identity;
pub mod server;
mod stack;
pub mod telemetry;
mod tls;

pub use config::{Config, ConfigError};
pub use server::{ServeError, Service, serve};
