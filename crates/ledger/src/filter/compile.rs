//! Compiles an [`Expr`] to SQL with the same meaning on SQLite and PostgreSQL.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use sea_orm::sea_query::extension::sqlite::SqliteExpr;
use sea_orm::sea_query::{self as sql, Alias, ExprTrait, LikeExpr};
use sea_orm::{Condition, DbBackend, Value};
use taizhang_contracts::Result;

use super::parse::{parse, wrong};
use super::{Comparison, Expr, Op, Pattern, Positioned};
use crate::column::{Field, Type, micros};

/// Compiles a filter to a condition; a blank filter matches all records. Every value is a bound
/// parameter.
///
/// # Errors
/// INVALID_FIELDS, with the position of the error and what was expected.
pub(crate) fn compile(text: &str, fields: &[Field], backend: DbBackend) -> Result<Condition> {
    parse(text)?.map_or_else(
        || Ok(Condition::all()),
        |expr| condition(&expr, true, fields, backend),
    )
}

/// The condition that an expression is true, or, if not `holds`, that it is false.
///
/// Negation is pushed down to the comparisons (De Morgan): there NULL is handled explicitly. With
/// only AND and OR above them, NULL has the effect of false.
fn condition(expr: &Expr, holds: bool, fields: &[Field], backend: DbBackend) -> Result<Condition> {
    let (parts, all) = match expr {
        Expr::Compare(comparison) => return compare(comparison, holds, fields, backend),
        Expr::Not(inner) => return condition(inner, !holds, fields, backend),
        Expr::And(parts) => (parts, holds),
        Expr::Or(parts) => (parts, !holds),
    };
    let joined = if all {
        Condition::all()
    } else {
        Condition::any()
    };
    parts.iter().try_fold(joined, |joined, part| {
        Ok(joined.add(condition(part, holds, fields, backend)?))
    })
}

fn compare(
    comparison: &Comparison,
    holds: bool,
    fields: &[Field],
    backend: DbBackend,
) -> Result<Condition> {
    let Positioned { at, node: path } = &comparison.field;
    let Some(field) = fields.iter().find(|field| field.path == path) else {
        let known: Vec<_> = fields.iter().map(|field| field.path).collect();
        let (zh, en) = (known.join("、"), known.join(", "));
        let zh = format!("没有字段 {path}，应为：{zh}");
        return Err(wrong(
            *at,
            zh,
            format!("no field {path}; expected one of {en}"),
        ));
    };
    takes(field, &comparison.op)?;
    let column = sql::Expr::col(Alias::new(field.column));
    let test = match field.holds {
        Type::Text => test_text(column.clone(), comparison, backend)?,
        Type::Enum(..) if asks_presence(comparison) => column.clone().ne(0),
        _ if asks_presence(comparison) => column.clone().is_not_null(),
        _ => test(
            column.clone(),
            comparison.op.node,
            value(field, &comparison.value)?,
        ),
    };
    Ok(if holds == (comparison.op.node != Op::NotEqual) {
        Condition::all().add(test)
    } else {
        Condition::any().add(test.not()).add(column.is_null())
    })
}

fn asks_presence(comparison: &Comparison) -> bool {
    comparison.op.node == Op::Has && comparison.value.node.is_any()
}

/// # Errors
/// INVALID_FIELDS if the field doesn't take the operator.
fn takes(field: &Field, op: &Positioned<Op>) -> Result<()> {
    let taken: &[Op] = match field.holds {
        Type::Enum(..) => &[Op::Equal, Op::NotEqual, Op::Has],
        Type::Bool => &[Op::Equal, Op::NotEqual],
        _ => &Op::ALL,
    };
    if taken.contains(&op.node) {
        return Ok(());
    }
    let taken: Vec<_> = taken.iter().map(|op| op.symbol()).collect();
    let (path, taken) = (field.path, taken.join(" "));
    let zh = format!("字段 {path} 的运算符应为：{taken}");
    let en = format!("the operators of {path} are {taken}");
    Err(wrong(op.at, zh, en))
}

/// The SQL comparison; `!=` gives that of `=`, which the caller negates.
fn test(column: sql::Expr, op: Op, value: Value) -> sql::Expr {
    match op {
        Op::Equal | Op::NotEqual | Op::Has => column.eq(value),
        Op::Less => column.lt(value),
        Op::AtMost => column.lte(value),
        Op::Greater => column.gt(value),
        Op::AtLeast => column.gte(value),
    }
}

fn test_text(column: sql::Expr, comparison: &Comparison, backend: DbBackend) -> Result<sql::Expr> {
    let Comparison { op, value, .. } = comparison;
    Ok(match (op.node, value.node.plain()) {
        (Op::Has, _) if value.node.is_any() => column.ne(""),
        (Op::Has, _) => matches(column, &value.node.anywhere(), backend),
        (Op::Equal | Op::NotEqual, None) => matches(column, &value.node, backend),
        (op @ (Op::Equal | Op::NotEqual), Some(text)) => test(column, op, text.into()),
        (op, Some(text)) => test(in_code_order(column, backend), op, text.into()),
        (_, None) => {
            let zh = r#"* 只能与 = != : 同用，本字请写作 "\*""#;
            let en = r#"* is allowed with = != and : only; write "\*" for a literal asterisk"#;
            return Err(wrong(value.at, zh, en));
        }
    })
}

/// Texts are ordered by code point: SQLite's default, on PostgreSQL the collation `C`.
fn in_code_order(column: sql::Expr, backend: DbBackend) -> sql::Expr {
    match backend {
        DbBackend::Postgres => sql::Expr::cust_with_expr(r#"$1 COLLATE "C""#, column),
        _ => column,
    }
}

/// Matches a pattern with wildcards. SQLite's LIKE ignores case, so there GLOB is used.
fn matches(column: sql::Expr, Pattern(pieces): &Pattern, backend: DbBackend) -> sql::Expr {
    let literal = |special: &[char], escape: fn(char) -> String| -> Vec<String> {
        let literal = |c| {
            if special.contains(&c) {
                escape(c)
            } else {
                c.into()
            }
        };
        pieces
            .iter()
            .map(|piece| piece.chars().map(literal).collect())
            .collect()
    };
    match backend {
        DbBackend::Sqlite => column.glob(literal(&['*', '?', '['], |c| format!("[{c}]")).join("*")),
        _ => {
            let pattern = literal(&['%', '_', '\\'], |c| format!("\\{c}")).join("%");
            column.like(LikeExpr::new(pattern).escape('\\'))
        }
    }
}

/// The value to bind for a field.
fn value(field: &Field, value: &Positioned<Pattern>) -> Result<Value> {
    value
        .node
        .plain()
        .and_then(|text| bound(field.holds, text))
        .ok_or_else(|| {
            let (zh, en) = match field.holds {
                Type::Text => ("文本".into(), "a text".into()),
                Type::Number => ("整数".into(), "a whole number".into()),
                Type::Bool => ("true 或 false".into(), "true or false".into()),
                Type::Enum(name, _) => (format!("枚举 {name} 的值"), format!("a value of {name}")),
                Type::Day => (
                    "日期，如 2022-01-31".into(),
                    "a day such as 2022-01-31".into(),
                ),
                Type::Instant => (
                    "RFC 3339 时刻，如 2022-01-31T09:00:00+08:00".into(),
                    "an RFC 3339 instant such as 2022-01-31T09:00:00+08:00".into(),
                ),
            };
            let path = field.path;
            wrong(
                value.at,
                format!("{path} 应为{zh}"),
                format!("{path} takes {en}"),
            )
        })
}

fn bound(holds: Type, text: &str) -> Option<Value> {
    Some(match holds {
        Type::Text => text.into(),
        Type::Number => text.parse::<i64>().ok()?.into(),
        Type::Bool => text.parse::<bool>().ok()?.into(),
        Type::Enum(name, number) => number(text)
            .or_else(|| number(&full_name(name, text)))?
            .into(),
        Type::Day => day(text)?.into(),
        Type::Instant => instant(text)?.into(),
    })
}

/// The full name of an enum's value: `MeetingKind` and `ON_SITE` make `MEETING_KIND_ON_SITE`.
fn full_name(enumeration: &str, value: &str) -> String {
    let mut full = String::new();
    for c in enumeration.chars() {
        if c.is_ascii_uppercase() && !full.is_empty() {
            full.push('_');
        }
        full.push(c.to_ascii_uppercase());
    }
    full + "_" + value
}

fn day(text: &str) -> Option<NaiveDate> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    // chrono also reads 2022-1-3 and +2022-01-03.
    (in_range(day) && day.to_string() == text).then_some(day)
}

fn instant(text: &str) -> Option<DateTime<Utc>> {
    let instant = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    // chrono represents a leap second by 10^9 nanoseconds or more; PostgreSQL has none.
    (in_range(instant.date_naive()) && instant.timestamp_subsec_nanos() < 1_000_000_000)
        .then(|| micros(instant))
}

/// The years that the contracts allow.
fn in_range(day: NaiveDate) -> bool {
    (1..=9999).contains(&day.year())
}
