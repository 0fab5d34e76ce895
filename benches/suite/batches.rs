//! Creates of meetings in batches, compared with single creates: one caller, durable commits.

use std::path::Path;

use crate::callers::{Measured, Pace, measure};
use crate::calls::{Meetings, office};
use crate::cpu::Processes;
use crate::process::Home;
use crate::table::Table;

/// The number of creates in a batch.
const BATCH: usize = 500;

/// The rates of single creates and of creates in batches.
pub(crate) struct Batches {
    one_by_one: Measured,
    batches: Measured,
}

/// Measures both on PostgreSQL if a URL is given, else on SQLite.
pub(crate) async fn batches(
    program: &Path,
    folder: &Path,
    databases: &[(&str, String)],
    pace: Pace,
) -> anyhow::Result<Batches> {
    let home = Home::make(folder.to_owned(), databases, None)?;
    if !databases.is_empty() {
        home.migrate(program, "meetings")?;
    }
    let server = home.serve(program, &["meetings"])?;
    let meetings = Meetings::open(server.address("meetings")?, &home.token()?).await?;
    let processes = Processes {
        service: Some(server.id()),
        database: None,
    };
    let single = meetings.clone();
    let one_by_one = measure(1, pace, processes, move |caller, _| {
        let meetings = single.clone();
        async move { meetings.create(caller, office(0)).await.map(drop) }
    })
    .await?;
    let batches = measure(1, pace, processes, move |caller, _| {
        let meetings = meetings.clone();
        async move { meetings.create_many(caller, office(0), BATCH).await }
    })
    .await?;
    Ok(Batches {
        one_by_one,
        batches,
    })
}

/// The rates and their ratio.
pub(crate) fn table(rows: &[(&str, Batches)]) -> String {
    let mut table = Table::new(&[
        "meetings created by one caller",
        "one by one per second",
        "in batches of 500 per second",
        "ratio",
    ]);
    for (database, measured) in rows {
        let (single, many) = (
            measured.one_by_one.rate,
            measured.batches.rate * BATCH as f64,
        );
        table.row(vec![
            (*database).to_owned(),
            format!("{single:.0}"),
            format!("{many:.0}"),
            format!("{:.1}", many / single),
        ]);
    }
    table.text()
}
