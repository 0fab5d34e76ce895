//! The program: all services in one process or one of them, and the commands of the administrator.

pub mod backup;
pub mod commands;
pub mod deployment;
pub mod key;
pub mod roles;
pub mod running;
pub mod spreadsheets;
pub mod suite;
