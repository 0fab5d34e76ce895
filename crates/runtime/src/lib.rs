//! One way to run a service.

pub mod config;
pub mod identity;

pub use config::{Config, ConfigError};
