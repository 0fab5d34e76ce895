//! Records as spreadsheets: the ledgers that offices keep in .xlsx and .csv, in and out.
//!
//! A row and a record are the same thing here: the record's message, known from its descriptor. The
//! columns say how a cell becomes a field and a field a cell ([`columns`], [`cells`]); the steps say
//! by which calls a record comes into the state that its row tells ([`steps`]).

pub mod cells;
pub mod columns;
pub mod export;
mod hints;
pub mod import;
pub mod prepare;
pub mod read;
pub mod record;
pub mod report;
pub mod steps;
pub mod template;
mod terms;
mod wire;
pub mod write;
