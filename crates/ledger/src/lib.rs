//! Keeping records: the standard methods, paging, idempotency, history and figures, once for
//! every kind of record.
//!
//! A service declares its records ([`Record`]), their transitions ([`transition`]) and its
//! indicators ([`figures`]); the [`Ledger`] does the rest.

pub mod audit;
pub mod batch;
mod clock;
pub mod column;
pub mod copy;
mod database;
pub mod days;
pub mod figures;
mod filter;
mod kind;
mod ledger;
mod listing;
pub mod lists;
mod macros;
mod methods;
mod order;
mod page;
pub mod partitions;
mod record;
pub mod schema;
mod secret;
pub mod shared;
mod sql;
pub mod transition;
mod watch;
mod write;

pub use clock::Clock;
pub use column::Column;
pub use database::{Database, Standing};
pub use kind::Kind;
pub use ledger::Ledger;
pub use listing::fields;
pub use record::{Moment, Record};
pub use secret::Key;
pub use watch::Messages;
pub use write::Tx;
