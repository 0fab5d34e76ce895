//! The service's tables.

use sea_orm_migration::prelude::*;
use taizhang_ledger::schema::ColumnType::{Instant, Number, Text};
use taizhang_ledger::schema::{History, create_index, create_record_table};

/// The service's migrations, in order. A migration that was released never changes.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(History), Box::new(Records)]
    }
}

struct Records;

impl MigrationName for Records {
    fn name(&self) -> &'static str {
        "m0002_records"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Records {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        create_record_table(
            m,
            "annual_reports",
            &[
                ("year", Number),
                ("state", Number),
                ("gather_time", Instant),
                ("finalize_time", Instant),
            ],
        )
        .await?;
        create_index(m, "annual_reports", "annual_reports_year", false, &["year"]).await?;

        create_record_table(
            m,
            "opening_figures",
            &[
                ("indicator", Text),
                ("year", Number),
                ("value", Number),
                ("entered_by", Text),
            ],
        )
        .await?;
        create_index(
            m,
            "opening_figures",
            "opening_figures_year",
            false,
            &["year", "indicator"],
        )
        .await?;

        create_record_table(m, "templates", &[]).await
    }
}
