//! The service's tables.

mod beside_matters;

use sea_orm_migration::prelude::*;
use taizhang_ledger::schema::ColumnType::{Bool, Day, Number, Text};
use taizhang_ledger::schema::{History, add_column, create_index, create_record_table, drop_index};

/// The service's migrations, in order. A migration that was released never changes.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(History),
            Box::new(Records),
            Box::new(beside_matters::BesideMatters),
            Box::new(Matters),
        ]
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
            "matters",
            &[
                ("number", Number),
                ("year", Number),
                ("state", Number),
                ("source_kind", Number),
                ("source_level", Number),
                ("by_secretary", Bool),
                ("registered_on", Day),
                ("reported_on", Day),
                ("closed_on", Day),
                ("due_date", Day),
                ("lead_unit", Text),
                ("title", Text),
            ],
        )
        .await?;
        // Numbers are unique by year; the greatest is read from the end of the index.
        create_index(m, "matters", "matters_number", true, &["year", "number"]).await?;
        // Covering indexes for figures, one for each day that places matters in a period.
        for (name, day) in [
            ("matters_registered", "registered_on"),
            ("matters_reported", "reported_on"),
            ("matters_closed", "closed_on"),
        ] {
            create_index(
                m,
                "matters",
                name,
                false,
                &[
                    day,
                    "source_kind",
                    "source_level",
                    "by_secretary",
                    "state",
                    "delete_time",
                ],
            )
            .await?;
        }

        create_record_table(m, "supervision_settings", &[]).await
    }
}

/// Merged and split matters, and daily reminders.
struct Matters;

impl MigrationName for Matters {
    fn name(&self) -> &'static str {
        "m0004_matters"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Matters {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        add_column(m, "matters", "split_from", Text).await?;
        add_column(m, "matters", "superseded", Bool).await?;
        // The indexes for figures get the new columns too.
        for (name, day) in [
            ("matters_registered", "registered_on"),
            ("matters_reported", "reported_on"),
            ("matters_closed", "closed_on"),
        ] {
            drop_index(m, "matters", name).await?;
            create_index(
                m,
                "matters",
                name,
                false,
                &[
                    day,
                    "source_kind",
                    "source_level",
                    "by_secretary",
                    "state",
                    "split_from",
                    "superseded",
                    "delete_time",
                ],
            )
            .await?;
        }

        create_record_table(m, "daily_reminders", &[("date", Day)]).await
    }
}
