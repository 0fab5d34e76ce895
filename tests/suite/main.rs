//! The whole suite, called over the wire as another system would call it.
//!
//! Every test that touches records runs on SQLite and on PostgreSQL; see [`harness`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub
)]

#[macro_use]
mod harness;

mod authorization;
mod backup;
mod batches;
mod bookings;
mod containers;
mod contracts;
mod crash;
mod disks;
mod docs;
mod figures;
mod history;
mod matters;
mod partitions;
mod python_client;
mod random;
mod random_messages;
mod reading;
mod reception;
mod records;
mod replica;
mod research;
mod rules;
mod schema;
mod served_methods;
mod server;
mod sheets;
mod supervision;
mod traces;
mod trial;
mod wire;
mod writing;
