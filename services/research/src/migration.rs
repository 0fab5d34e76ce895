//! The service's tables.

use sea_orm_migration::prelude::*;
use taizhang_ledger::schema::ColumnType::{Bool, Day, Number, Text};
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
            "topics",
            &[
                ("level", Number),
                ("state", Number),
                ("approved_on", Day),
                ("concluded_on", Day),
                ("planned_start", Day),
                ("planned_end", Day),
                ("title", Text),
                ("leader", Text),
                ("lead_unit", Text),
            ],
        )
        .await?;
        create_record_table(
            m,
            "field_surveys",
            &[
                ("state", Number),
                ("first_day", Day),
                ("last_day", Day),
                ("title", Text),
                ("topic", Text),
                ("leader", Text),
            ],
        )
        .await?;
        create_record_table(
            m,
            "research_reports",
            &[
                ("state", Number),
                ("finished_on", Day),
                ("submitted_to_city", Bool),
                ("adopted_on", Day),
                ("instructed_on", Day),
                ("title", Text),
                ("topic", Text),
            ],
        )
        .await?;
        create_record_table(
            m,
            "information_items",
            &[
                ("unit_kind", Number),
                ("received_on", Day),
                ("province_adopted_on", Day),
                ("awarded_on", Day),
                ("adopted_on", Day),
                ("kind", Number),
                ("title", Text),
                ("unit", Text),
            ],
        )
        .await?;
        create_record_table(
            m,
            "bulletins",
            &[
                ("kind", Number),
                ("state", Number),
                ("issued_on", Day),
                ("number", Number),
                ("year", Number),
                ("dated_on", Day),
                ("title", Text),
            ],
        )
        .await?;
        // Numbers are unique by kind and year; the greatest is read from the end of the index.
        let number = &["kind", "year", "number"];
        create_index(m, "bulletins", "bulletins_number", true, number).await?;
        for (table, index, columns) in FIGURES {
            create_index(m, table, index, false, columns).await?;
        }
        Ok(())
    }
}

/// An index for each day that places records in a period: its table, its name and its columns.
const FIGURES: &[(&str, &str, &[&str])] = &[
    (
        "topics",
        "topics_approved",
        &["approved_on", "level", "state", "delete_time"],
    ),
    (
        "topics",
        "topics_concluded",
        &["concluded_on", "state", "delete_time"],
    ),
    (
        "field_surveys",
        "field_surveys_made",
        &["first_day", "state", "delete_time"],
    ),
    (
        "research_reports",
        "research_reports_finished",
        &["finished_on", "state", "submitted_to_city", "delete_time"],
    ),
    (
        "research_reports",
        "research_reports_adopted",
        &["adopted_on", "delete_time"],
    ),
    (
        "research_reports",
        "research_reports_instructed",
        &["instructed_on", "delete_time"],
    ),
    (
        "information_items",
        "information_items_received",
        &["received_on", "unit_kind", "delete_time"],
    ),
    (
        "information_items",
        "information_items_adopted",
        &["province_adopted_on", "delete_time"],
    ),
    (
        "information_items",
        "information_items_awarded",
        &["awarded_on", "delete_time"],
    ),
    (
        "bulletins",
        "bulletins_issued",
        &["issued_on", "kind", "state", "delete_time"],
    ),
];
