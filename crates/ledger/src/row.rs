//! The rows that writes insert and update.

use std::sync::Arc;

use sea_orm::sea_query::{Alias, Expr, ExprTrait, InsertStatement, Query, UpdateStatement};
use sea_orm::{DbErr, Value};

use crate::history;
use crate::record_kind::RecordKind;

/// A record's row after a change; version 1 is inserted, a later one updated.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) kind: &'static RecordKind,
    pub(crate) office: String,
    pub(crate) id: String,
    pub(crate) is_new: bool,
    /// The values of the kind's columns, in their order.
    pub(crate) values: Vec<Value>,
}

impl Row {
    pub(crate) fn new(
        kind: &'static RecordKind,
        office: &str,
        id: &str,
        version: i64,
        rest: Vec<Value>,
    ) -> Self {
        let mut values: Vec<Value> = Vec::with_capacity(rest.len() + 3);
        values.extend([office.into(), id.into(), version.into()]);
        values.extend(rest);
        Self {
            kind,
            office: office.to_owned(),
            id: id.to_owned(),
            is_new: version == 1,
            values,
        }
    }

    /// The UPDATE of an existing row.
    pub(crate) fn update(&self) -> UpdateStatement {
        let columns = self.kind.columns.iter().zip(&self.values).skip(KEY);
        Query::update()
            .table(Alias::new(self.kind.table()))
            .values(columns.map(|(column, value)| (Alias::new(*column), value.clone().into())))
            .and_where(Expr::col(Alias::new("office")).eq(self.office.as_str()))
            .and_where(Expr::col(Alias::new("id")).eq(self.id.as_str()))
            .to_owned()
    }
}

/// How many columns the primary key has; they come first.
pub(crate) const KEY: usize = 2;

/// Inserts new rows of one kind.
///
/// # Errors
/// If a row has another number of values than its kind has columns.
pub(crate) fn insert(rows: &[&Row]) -> Result<InsertStatement, DbErr> {
    let mut insert = Query::insert();
    if let Some(first) = rows.first() {
        insert
            .into_table(Alias::new(first.kind.table()))
            .columns(first.kind.columns.iter().map(|column| Alias::new(*column)));
    }
    for row in rows {
        insert
            .values(row.values.iter().cloned().map(Expr::val))
            .map_err(|error| DbErr::Custom(error.to_string()))?;
    }
    Ok(insert)
}

/// A record's row and the history entry of its change.
#[derive(Debug)]
pub(crate) struct RowChange {
    pub(crate) row: Arc<Row>,
    pub(crate) entry: history::Model,
}
