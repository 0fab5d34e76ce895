//! Tests of a served service over the wire.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub
)]

mod callers;
mod encryption;
mod errors;
mod harness;
mod identity;
mod limits;
mod logs;
mod operations;
mod stopping;
