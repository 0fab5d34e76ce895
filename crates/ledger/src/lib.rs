//! Storage of records: the standard methods, paging, idempotency, history and figures, one
//! implementation for every kind of record.
//!
//! A service declares the tables of its records ([`entity!`]), what they are ([`Record`]) and do
//! ([`Behavior`]), their transitions ([`transition`]) and its indicators ([`figures`]); the
//! [`Ledger`] does the rest. It works on encoded records ([`RecordKind`]), so that it is compiled
//! once and not for each of them.

pub mod audit;
pub mod batch_service;
mod behavior;
mod clock;
pub mod column;
mod database;
pub mod days;
mod entity;
pub mod figures;
mod filter;
pub mod history;
pub mod history_copy;
pub mod history_service;
mod ledger;
mod listing;
pub mod lists;
mod macros;
mod methods;
mod office_lock;
mod order;
mod page;
pub mod partitions;
mod record;
mod record_kind;
mod routes;
mod row;
pub mod schema;
mod secret;
pub mod statistics_service;
pub mod transition;
pub mod views;
mod watch;
mod write;

#[doc(hidden)]
pub use pastey;

pub use behavior::Behavior;
pub use clock::Clock;
pub use database::{Database, Standing};
pub use ledger::Ledger;
pub use record::{Moment, Record, Table};
pub use record_kind::RecordKind;
pub use routes::routes;
pub use secret::Key;
pub use watch::Messages;
pub use write::Tx;
