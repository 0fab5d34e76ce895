//! Migrations that all services share: the history table and the common part of record tables.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

/// Creates the history table. The first migration of every service.
pub struct History;

impl MigrationName for History {
    fn name(&self) -> &'static str {
        "m0001_history"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for History {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let text = |name: &str| {
            ColumnDef::new(Alias::new(name))
                .text()
                .not_null()
                .to_owned()
        };
        manager
            .create_table(
                Table::create()
                    .table("history")
                    .col(text("office"))
                    .col(ColumnDef::new("seq").big_integer().not_null())
                    .col(ColumnDef::new("time").timestamp_with_time_zone().not_null())
                    .col(text("caller"))
                    .col(text("method"))
                    .col(text("collection"))
                    .col(text("id"))
                    .col(ColumnDef::new("version").big_integer().not_null())
                    .col(ColumnDef::new("body").blob().not_null())
                    .col(ColumnDef::new("request_id").text())
                    .col(ColumnDef::new("request_digest").blob())
                    .col(ColumnDef::new("mac").blob().not_null())
                    .primary_key(Index::create().col("office").col("seq"))
                    .to_owned(),
            )
            .await?;
        for (name, columns) in [
            (
                "history_record",
                ["office", "collection", "id", "version"].as_slice(),
            ),
            (
                "history_request",
                ["office", "caller", "request_id"].as_slice(),
            ),
        ] {
            let mut index = Index::create()
                .name(name)
                .table("history")
                .unique()
                .to_owned();
            for column in columns {
                index.col(Alias::new(*column));
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

/// The type of a declared column in a migration.
#[derive(Debug, Clone, Copy)]
pub enum ColumnType {
    /// A string, not null.
    Text,
    /// An integer or enum, not null.
    Number,
    /// A boolean, not null.
    Bool,
    /// A local day, nullable.
    Day,
    /// An instant, nullable.
    Instant,
}

/// Creates a record table with the common and the declared columns.
///
/// # Errors
/// If the database refuses.
pub async fn create_record_table(
    manager: &SchemaManager<'_>,
    table: &'static str,
    columns: &[(&'static str, ColumnType)],
) -> Result<(), DbErr> {
    let mut create = Table::create()
        .table(table)
        .col(ColumnDef::new("office").text().not_null())
        .col(ColumnDef::new("id").text().not_null())
        .col(ColumnDef::new("version").big_integer().not_null())
        .col(
            ColumnDef::new("create_time")
                .timestamp_with_time_zone()
                .not_null(),
        )
        .col(
            ColumnDef::new("update_time")
                .timestamp_with_time_zone()
                .not_null(),
        )
        .col(ColumnDef::new("delete_time").timestamp_with_time_zone())
        .col(ColumnDef::new("body").blob().not_null())
        .primary_key(Index::create().col("office").col("id"))
        .to_owned();
    for (name, holds) in columns {
        let mut column = ColumnDef::new(*name);
        match holds {
            ColumnType::Text => column.text().not_null(),
            ColumnType::Number => column.big_integer().not_null(),
            ColumnType::Bool => column.boolean().not_null(),
            ColumnType::Day => column.date(),
            ColumnType::Instant => column.timestamp_with_time_zone(),
        };
        create.col(column);
    }
    manager.create_table(create).await
}

/// Adds a column to a record table; existing rows get a default.
///
/// # Errors
/// If the database refuses.
pub async fn add_column(
    manager: &SchemaManager<'_>,
    table: &'static str,
    name: &'static str,
    holds: ColumnType,
) -> Result<(), DbErr> {
    let mut column = ColumnDef::new(name);
    match holds {
        ColumnType::Text => column.text().not_null().default(""),
        ColumnType::Number => column.big_integer().not_null().default(0),
        ColumnType::Bool => column.boolean().not_null().default(false),
        ColumnType::Day => column.date(),
        ColumnType::Instant => column.timestamp_with_time_zone(),
    };
    let alter = Table::alter().table(table).add_column(column).to_owned();
    manager.alter_table(alter).await
}

/// Drops an index of a record table.
///
/// # Errors
/// If the database refuses.
pub async fn drop_index(
    manager: &SchemaManager<'_>,
    table: &'static str,
    name: &'static str,
) -> Result<(), DbErr> {
    let drop = Index::drop().name(name).table(table).to_owned();
    manager.drop_index(drop).await
}

/// Creates an index of a record table over the office and these columns.
///
/// # Errors
/// If the database refuses.
pub async fn create_index(
    manager: &SchemaManager<'_>,
    table: &'static str,
    name: &'static str,
    unique: bool,
    columns: &[&'static str],
) -> Result<(), DbErr> {
    let mut index = Index::create()
        .name(name)
        .table(table)
        .col("office")
        .to_owned();
    for column in columns {
        index.col(*column);
    }
    if unique {
        index.unique();
    }
    manager.create_index(index).await
}

/// Runs statements on one backend only.
///
/// # Errors
/// If the database refuses.
pub async fn execute_on(
    manager: &SchemaManager<'_>,
    backend: DbBackend,
    statements: &[&str],
) -> Result<(), DbErr> {
    if manager.get_database_backend() == backend {
        for statement in statements {
            manager
                .get_connection()
                .execute_unprepared(statement)
                .await?;
        }
    }
    Ok(())
}

/// The names of the migrations applied to a database; empty for a new one.
///
/// # Errors
/// If the database can't be read.
pub async fn applied(database: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    if !SchemaManager::new(database)
        .has_table("seaql_migrations")
        .await?
    {
        return Ok(Vec::new());
    }
    let sql = "SELECT version FROM seaql_migrations ORDER BY version";
    let statement = Statement::from_string(database.get_database_backend(), sql);
    let rows = database.query_all_raw(statement).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}
