//! The annual summary of an office with a million records, compared with plain SQL counts.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, QueryResult, Statement};
use taizhang_contracts::Office;
use taizhang_contracts::reporting::annual_report_service_client::AnnualReportServiceClient;
use taizhang_contracts::reporting::{AnnualReport, CreateAnnualReportRequest};
use taizhang_meetings::entities::{facilities, lectures, meetings as meeting_rows};
use taizhang_supervision::entities::matters;

use crate::calls::{Bearing, connect_with, office};
use crate::load::{self, FACILITIES, LAST_YEAR, LECTURES, MATTERS, MEETINGS};
use crate::postgres::Postgres;
use crate::process::{Home, SERVICES};
use crate::statements;

/// The number of runs of each of the two.
const RUNS: usize = 40;

/// The services with indicators.
const SOURCES: &[&str] = &["meetings", "supervision"];

/// The durations of the summary and of the plain counts, in milliseconds, in order.
pub(crate) struct Summary {
    pub(crate) report: Vec<f64>,
    pub(crate) bare: Vec<f64>,
    pub(crate) figures: usize,
}

/// Loads the records and measures the two alternately.
pub(crate) async fn summary(
    postgres: &mut Postgres,
    program: &Path,
    folder: &Path,
) -> anyhow::Result<Summary> {
    let mut databases = Vec::new();
    for service in SERVICES {
        let name = postgres
            .make(&format!("million_{service}"), "template0")
            .await?;
        databases.push((*service, name));
    }
    let urls: Vec<_> = databases
        .iter()
        .map(|(service, name)| (*service, postgres.url(name)))
        .collect();
    let home = Home::make(folder.join("summary"), &urls, None)?;
    for service in SERVICES {
        home.migrate(program, service)?;
    }
    let name_of = |service: &str| {
        let found = databases.iter().find(|(name, _)| *name == service);
        found
            .map(|(_, database)| database.as_str())
            .context("a database")
    };
    let meetings = postgres.connect(name_of("meetings")?).await?;
    let supervision = postgres.connect(name_of("supervision")?).await?;
    let since = Instant::now();
    fill(&meetings, &supervision).await?;
    postgres.checkpoint().await?;
    eprintln!("  loaded a million records in {:.0?}", since.elapsed());

    let server = home.serve(program, SERVICES)?;
    let channels = connect_with(server.address("reporting")?, &home.token()?).await?;
    let channel = channels.first().context("a connection")?;
    let mut bare = Vec::new();
    for source in SOURCES {
        let database = name_of(source)?;
        let asked = async { create(channel).await.map(drop) };
        let counts: Vec<String> = statements::of(postgres, database, asked)
            .await?
            .iter()
            .filter(|statement| statement.sql.contains(" FILTER (WHERE "))
            .enumerate()
            .map(|(i, statement)| format!("({}) AS t{i}", statement.with_its_values()))
            .collect();
        ensure!(!counts.is_empty(), "{source} counted nothing");
        eprintln!("  {source} counts by {} statements", counts.len());
        let connection = postgres.connect(database).await?;
        bare.push((connection, format!("SELECT * FROM {}", counts.join(", "))));
    }

    let mut summary = Summary {
        report: Vec::new(),
        bare: Vec::new(),
        figures: 0,
    };
    for run in 0..RUNS + 5 {
        let since = Instant::now();
        let report = create(channel).await?;
        let report_took = since.elapsed();
        let since = Instant::now();
        let rows = try_join_all(bare.iter().map(|(at, sql)| count(at, sql))).await?;
        let bare_took = since.elapsed();
        agree(&report, &rows)?;
        // The first ones warm up.
        if run >= 5 {
            summary.report.push(report_took.as_secs_f64() * 1e3);
            summary.bare.push(bare_took.as_secs_f64() * 1e3);
            summary.figures = report.figures.len();
        }
    }
    summary.report.sort_by(f64::total_cmp);
    summary.bare.sort_by(f64::total_cmp);
    Ok(summary)
}

async fn fill(
    meetings: &DatabaseConnection,
    supervision: &DatabaseConnection,
) -> anyhow::Result<()> {
    let office = Office::of(&office(0)).context("an office")?;
    let of_meetings = async {
        load::load::<meeting_rows::Entity>(meetings, &office, (0..MEETINGS).map(load::meeting))
            .await?;
        load::load::<lectures::Entity>(meetings, &office, (0..LECTURES).map(load::lecture)).await?;
        load::load::<facilities::Entity>(meetings, &office, (0..FACILITIES).map(load::facility))
            .await?;
        anyhow::Ok(meetings.execute_unprepared("VACUUM ANALYZE").await?)
    };
    let of_supervision = async {
        load::load::<matters::Entity>(supervision, &office, (0..MATTERS).map(load::matter)).await?;
        anyhow::Ok(supervision.execute_unprepared("VACUUM ANALYZE").await?)
    };
    futures::try_join!(of_meetings, of_supervision)?;
    Ok(())
}

/// `CreateAnnualReport` of the last year, which includes the figures of the year before.
async fn create(channel: &Bearing) -> anyhow::Result<AnnualReport> {
    let request = CreateAnnualReportRequest {
        parent: office(0),
        annual_report: Some(AnnualReport {
            year: LAST_YEAR,
            ..Default::default()
        }),
        request_id: uuid::Uuid::new_v4().to_string(),
        ..Default::default()
    };
    let mut client = AnnualReportServiceClient::new(channel.clone());
    Ok(client.create_annual_report(request).await?.into_inner())
}

/// The same counts by one statement.
async fn count(database: &DatabaseConnection, sql: &str) -> anyhow::Result<QueryResult> {
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    database
        .query_one_raw(statement)
        .await?
        .context("counts are one row")
}

/// Checks that the report's figures equal the counts.
fn agree(report: &AnnualReport, rows: &[QueryResult]) -> anyhow::Result<()> {
    let mut counted = Vec::new();
    for row in rows {
        for i in 0..row.column_names().len() {
            counted.extend(row.try_get_by_index::<i64>(i).ok());
        }
    }
    for figure in &report.figures {
        for value in [&figure.current, &figure.previous] {
            let value = value.as_ref().and_then(|v| v.value);
            // Figures of a kind without records are missing.
            let value = value.unwrap_or(0);
            let id = &figure.indicator;
            ensure!(
                counted.contains(&value),
                "{id} is {value} in the report only"
            );
        }
    }
    ensure!(!report.figures.is_empty(), "a report without figures");
    Ok(())
}
