//! Records as spreadsheets: the ledgers that offices keep in .xlsx and .csv, imported and exported.
//!
//! A row is a record: its message, known from its descriptor. `columns` and `cells` turn cells into
//! fields and fields into cells; `steps` are the methods that take a record from state to state;
//! `calls` are the calls that create the record of a row and take it to its state.
//!
//! No kind of record is named here, a few exceptions in `hints` aside: the program hands over its
//! services as a [`Catalogue`].

mod bad_rows;
mod calls;
mod cells;
mod columns;
pub mod export;
mod hints;
pub mod import;
mod list;
mod prepare;
mod read;
mod sheet;
mod steps;
pub mod template;
mod write;

pub use bad_rows::Outcome;
pub use cells::{CellType, OfficeContext};
pub use columns::Column;
pub use read::Format;
pub use sheet::{Catalogue, RecordKind, Service, Sheet};
pub use steps::{StateMachine, Transition};
