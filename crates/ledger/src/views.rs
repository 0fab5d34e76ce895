//! Views with the office's terms, for reporting tools that read the database by SQL.
//!
//! Each kind of record gets a view over its declared columns. Tables and columns have the Chinese
//! terms of the contracts' comments, enums their values' terms. Deleted records are left out. The
//! views are read-only: PostgreSQL makes a view over a single table updatable, so each has a second
//! one, of one row.

use prost_reflect::{EnumDescriptor, MessageDescriptor};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, TransactionTrait};
use taizhang_contracts::descriptors::pool;
use taizhang_contracts::terms;

use crate::RecordKind;
use crate::column::{Field, Type};
use crate::database::Database;

/// The schema that the views are in.
pub const SCHEMA: &str = "reading";

/// Creates or replaces the views of these kinds of record; returns their names.
///
/// # Errors
/// On SQLite; if the database refuses.
pub async fn create(database: &Database, kinds: &[RecordKind]) -> Result<Vec<String>, DbErr> {
    if database.backend() != DbBackend::Postgres {
        let refusal = "views with Chinese names are made on PostgreSQL only";
        return Err(DbErr::Custom(refusal.into()));
    }
    let transaction = database.writer().begin().await?;
    let schema = format!("CREATE SCHEMA IF NOT EXISTS {SCHEMA}");
    transaction.execute_unprepared(&schema).await?;
    let mut names = Vec::new();
    for kind in kinds {
        transaction.execute_unprepared(&drop_view(kind)).await?;
        transaction.execute_unprepared(&create_view(kind)).await?;
        names.push(name(kind));
    }
    transaction.commit().await?;
    Ok(names)
}

/// Drops the view of a kind of record, if there is one.
pub(crate) fn drop_view(kind: &RecordKind) -> String {
    format!("DROP VIEW IF EXISTS {SCHEMA}.{}", quoted(&name(kind)))
}

fn message(kind: &RecordKind) -> Option<MessageDescriptor> {
    pool().get_message_by_name(kind.message())
}

fn name(kind: &RecordKind) -> String {
    message(kind).map_or_else(|| kind.table().to_owned(), |m| terms::of_message(&m))
}

fn create_view(kind: &RecordKind) -> String {
    let mut columns = vec![
        ("r.office".to_owned(), "单位编号".to_owned()),
        ("r.id".to_owned(), "编号".to_owned()),
    ];
    for field in kind.declared {
        let value = match field.holds {
            Type::Enum(name, _) => in_words(field.column, name, kind),
            _ => format!("r.{}", field.column),
        };
        columns.push((value, term(kind, field)));
    }
    for (column, term) in [("r.create_time", "创建时间"), ("r.update_time", "修改时间")] {
        columns.push((column.to_owned(), term.to_owned()));
    }
    let mut selected: Vec<String> = Vec::new();
    for (i, (value, term)) in columns.iter().enumerate() {
        // Two columns can't have one name.
        let is_taken = columns.iter().take(i).any(|(_, other)| other == term);
        let number = if is_taken {
            (i + 1).to_string()
        } else {
            String::new()
        };
        selected.push(format!("{value} AS {}", quoted(&format!("{term}{number}"))));
    }
    format!(
        "CREATE VIEW {SCHEMA}.{} AS SELECT {} FROM {} r \
         CROSS JOIN (VALUES (1)) AS read_only(one) WHERE r.delete_time IS NULL",
        quoted(&name(kind)),
        selected.join(", "),
        kind.table()
    )
}

/// The office's term for a field, such as `来源·来源类型`.
fn term(kind: &RecordKind, field: &Field) -> String {
    let mut message = message(kind);
    let mut words = Vec::new();
    for part in field.path.split('.') {
        let Some(field) = message.as_ref().and_then(|m| m.get_field_by_name(part)) else {
            // The year of a number is derived from a day and is not a field of the message.
            let is_year = part == "year";
            return if is_year { "年度" } else { field.path }.to_owned();
        };
        words.push(terms::of_field(&field));
        message = field.kind().as_message().cloned();
    }
    words.join("·")
}

/// An enum's column with the terms of its values; null for an unspecified one.
fn in_words(column: &str, name: &str, kind: &RecordKind) -> String {
    let Some(values) = enumeration(name, kind) else {
        return format!("r.{column}");
    };
    let values = values.values().filter(|value| value.number() != 0);
    let arms = values.map(|value| {
        let term = terms::of_value(&value).replace('\'', "''");
        format!(" WHEN {} THEN '{term}'", value.number())
    });
    format!("CASE r.{column}{} END", arms.collect::<String>())
}

/// The enum of this name in the package of the record, or in the common one.
fn enumeration(name: &str, kind: &RecordKind) -> Option<EnumDescriptor> {
    let (package, _) = kind.message().rsplit_once('.')?;
    let of = |package: &str| pool().get_enum_by_name(&format!("{package}.{name}"));
    of(package).or_else(|| of("taizhang.common.v1"))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
