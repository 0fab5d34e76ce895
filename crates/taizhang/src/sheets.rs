//! Records as spreadsheets: the ledgers that offices keep in .xlsx and .csv, in and out.
//!
//! A row and a record are the same thing here: the record's message, known from its descriptor. The
//! columns say how a cell becomes a field and a field a cell ([`columns`], [`cells`]); the steps are the
//! methods that take a record from state to state ([`steps`]), and the plan the calls that make it what
//! its row tells ([`plan`]).

pub mod cells;
pub mod columns;
pub mod export;
mod hints;
pub mod import;
pub mod plan;
pub mod prepare;
pub mod read;
pub mod record;
pub mod report;
pub mod steps;
pub mod template;
mod terms;
mod wire;
pub mod write;
