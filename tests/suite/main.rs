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
mod bookings;
mod containers;
mod contracts;
mod crash;
mod docs;
mod figures;
mod history;
mod outside;
mod reading;
mod records;
mod schema;
mod trial;
mod walk;
mod wire;
mod writing;
