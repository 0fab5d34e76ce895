//! The service's tables.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;
use taizhang_ledger::schema::ColumnType::{Bool, Day, Instant, Number, Text};
use taizhang_ledger::schema::{History, create_index, create_record_table, execute_on};

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
            "meetings",
            &[
                ("kind", Number),
                ("state", Number),
                ("organised_by_office", Bool),
                ("host_level", Number),
                ("outside_county", Bool),
                ("held_on", Day),
                ("start_time", Instant),
                ("end_time", Instant),
                ("title", Text),
                ("organiser", Text),
                ("chair", Text),
                ("video", Bool),
                ("series", Text),
            ],
        )
        .await?;
        // A covering index: every figure over meetings is an index-only scan.
        create_index(
            m,
            "meetings",
            "meetings_figures",
            false,
            &[
                "held_on",
                "kind",
                "state",
                "organised_by_office",
                "host_level",
                "outside_county",
                "delete_time",
            ],
        )
        .await?;
        create_index(m, "meetings", "meetings_start", false, &["start_time"]).await?;

        create_record_table(
            m,
            "decisions",
            &[
                ("meeting", Text),
                ("responsible_unit", Text),
                ("due_date", Day),
                ("decided_on", Day),
            ],
        )
        .await?;
        create_index(m, "decisions", "decisions_meeting", false, &["meeting"]).await?;

        create_record_table(
            m,
            "facilities",
            &[
                ("kind", Number),
                ("installed_on", Day),
                ("renovated_on", Day),
                ("title", Text),
                ("seats", Number),
            ],
        )
        .await?;
        create_index(
            m,
            "facilities",
            "facilities_installed",
            false,
            &["installed_on", "kind", "delete_time"],
        )
        .await?;
        create_index(
            m,
            "facilities",
            "facilities_renovated",
            false,
            &["renovated_on", "kind", "delete_time"],
        )
        .await?;

        create_record_table(
            m,
            "bookings",
            &[
                ("facility", Text),
                ("meeting", Text),
                ("start_time", Instant),
                ("end_time", Instant),
                ("state", Number),
            ],
        )
        .await?;
        create_index(
            m,
            "bookings",
            "bookings_slot",
            false,
            &["facility", "start_time"],
        )
        .await?;
        create_index(m, "bookings", "bookings_meeting", false, &["meeting"]).await?;
        execute_on(m, DbBackend::Postgres, NO_OVERLAP_ON_POSTGRES).await?;
        execute_on(m, DbBackend::Sqlite, NO_OVERLAP_ON_SQLITE).await?;

        create_record_table(m, "meeting_series", &[("title", Text), ("kind", Number)]).await?;

        create_record_table(
            m,
            "lectures",
            &[
                ("kind", Number),
                ("state", Number),
                ("speaker_rank", Number),
                ("date", Day),
                ("audience_count", Number),
                ("title", Text),
                ("speaker", Text),
                ("place", Text),
            ],
        )
        .await?;
        create_index(
            m,
            "lectures",
            "lectures_figures",
            false,
            &[
                "date",
                "kind",
                "state",
                "speaker_rank",
                "audience_count",
                "delete_time",
            ],
        )
        .await
    }
}

/// State 1 is LIVE.
const NO_OVERLAP_ON_POSTGRES: &[&str] = &[
    "CREATE EXTENSION IF NOT EXISTS btree_gist",
    "ALTER TABLE bookings ADD CONSTRAINT bookings_no_overlap EXCLUDE USING gist \
     (office WITH =, facility WITH =, tstzrange(start_time, end_time) WITH &&) \
     WHERE (state = 1 AND delete_time IS NULL)",
];

/// SQLite has one writer at a time, so a trigger sees all bookings.
const NO_OVERLAP_ON_SQLITE: &[&str] = &[
    "CREATE TRIGGER bookings_no_overlap_insert BEFORE INSERT ON bookings \
     WHEN NEW.state = 1 AND NEW.delete_time IS NULL AND EXISTS (SELECT 1 FROM bookings \
     WHERE office = NEW.office AND facility = NEW.facility AND state = 1 AND delete_time IS NULL \
     AND id <> NEW.id AND start_time < NEW.end_time AND end_time > NEW.start_time) \
     BEGIN SELECT RAISE(ABORT, 'bookings overlap'); END",
    "CREATE TRIGGER bookings_no_overlap_update BEFORE UPDATE ON bookings \
     WHEN NEW.state = 1 AND NEW.delete_time IS NULL AND EXISTS (SELECT 1 FROM bookings \
     WHERE office = NEW.office AND facility = NEW.facility AND state = 1 AND delete_time IS NULL \
     AND id <> NEW.id AND start_time < NEW.end_time AND end_time > NEW.start_time) \
     BEGIN SELECT RAISE(ABORT, 'bookings overlap'); END",
];
