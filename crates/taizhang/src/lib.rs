//! Taizhang in one process: its services, and what the program does with them.

pub mod authority;
pub mod backup;
pub mod commands;
pub mod folder;
pub mod key;
pub mod roles;
pub mod suite;
pub mod trial;
