//! Taizhang in one process: its services, and what the program does with them.

pub mod authority;
pub mod backup;
pub mod client;
pub mod commands;
pub mod folder;
pub mod key;
pub mod roles;
pub mod sheets;
pub mod suite;
pub mod trial;
