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
            "receptions",
            &[
                ("state", Number),
                ("nature", Number),
                ("reception_class", Number),
                ("guest_origin", Number),
                ("guest_count", Number),
                ("total_cost_fen", Number),
                ("finding_count", Number),
                ("compliant", Bool),
                ("arrival_day", Day),
                ("departure_day", Day),
                ("settled_on", Day),
                ("letter_unit", Text),
                ("letter_number", Text),
                ("title", Text),
                ("applicant", Text),
                ("approver", Text),
            ],
        )
        .await?;
        // Covering indexes for figures, one for each day that places receptions in a period.
        create_index(
            m,
            "receptions",
            "receptions_arrival",
            false,
            &[
                "arrival_day",
                "reception_class",
                "compliant",
                "guest_count",
                "state",
                "delete_time",
            ],
        )
        .await?;
        create_index(
            m,
            "receptions",
            "receptions_settled",
            false,
            &["settled_on", "total_cost_fen", "state", "delete_time"],
        )
        .await?;
        // For the lookup of other receptions on the same letter.
        create_index(
            m,
            "receptions",
            "receptions_letter",
            false,
            &["letter_number", "letter_unit", "delete_time"],
        )
        .await?;

        create_record_table(
            m,
            "support_assignments",
            &[
                ("kind", Number),
                ("state", Number),
                ("days", Number),
                ("first_day", Day),
                ("last_day", Day),
                ("title", Text),
                ("team", Text),
                ("place", Text),
            ],
        )
        .await?;
        create_index(
            m,
            "support_assignments",
            "support_assignments_last_day",
            false,
            &["last_day", "first_day", "kind", "state", "delete_time"],
        )
        .await?;

        create_record_table(m, "reception_settings", &[]).await
    }
}
