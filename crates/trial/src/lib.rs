//! The trial: makes a year of records from a plan of figures, has them counted, and writes the annual
//! report. It calls the services over gRPC, as any other system does.

mod client;
mod days;
mod figures;
mod job;
mod load;
mod plan;
mod records;
mod summary;

use std::path::Path;

pub use client::Clients;
pub use job::{NEIGHBOUR, OFFICE};
pub use plan::Plan;
pub use summary::{Example, Line, Summary};

/// Makes the records of a plan in the offices [`OFFICE`] and [`NEIGHBOUR`], which must have none, and
/// writes the summary and its figures to the folder `out`. `progress` is told how many records are
/// made, of how many.
///
/// # Errors
/// If a call is refused or a file can't be written.
pub async fn run(
    clients: &Clients,
    plan: &Plan,
    out: &Path,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> anyhow::Result<Summary> {
    let jobs = records::jobs(plan.year, &plan.figures, &plan.previous());
    load::load(clients, &jobs, progress).await?;
    summary::make(clients, plan.year, jobs.len(), out).await
}
