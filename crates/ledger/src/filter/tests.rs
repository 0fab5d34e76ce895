#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::{self, Write as _};
use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use proptest::collection::vec;
use proptest::prelude::*;
use sea_orm::sea_query::{Alias, ColumnDef, Query, Table};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, StatementBuilder,
};
use taizhang_contracts::Reason;

use super::{Comparison, Expr, MAX_COMPARISONS, MAX_DEPTH, MAX_LENGTH, Op, Pattern, Positioned};
use super::{compile, parse::parse};
use crate::column::{Field, Type};

const FIELDS: [Field; 6] = {
    const fn field(path: &'static str, column: &'static str, holds: Type) -> Field {
        Field {
            path,
            column,
            holds,
        }
    }
    [
        field("title", "title", Type::Text),
        field("seats", "seats", Type::Number),
        field("open", "open", Type::Bool),
        field("source.kind", "source_kind", Type::Enum("SourceKind", kind)),
        field("day", "day", Type::Day),
        field("time", "time", Type::Instant),
    ]
};

const KINDS: [&str; 3] = ["UNSPECIFIED", "ON_SITE", "VIDEO"];

fn kind(name: &str) -> Option<i32> {
    let short = name.strip_prefix("SOURCE_KIND_")?;
    KINDS
        .iter()
        .position(|k| *k == short)
        .and_then(|i| i32::try_from(i).ok())
}

// Printing expressions.

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |f: &mut fmt::Formatter<'_>, parts: &[Self], word: &str| {
            for (i, part) in parts.iter().enumerate() {
                if i > 0 {
                    f.write_str(word)?;
                }
                // OR binds tighter than AND, so under AND it needs no parentheses.
                match (self, part) {
                    (_, Self::And(_)) | (Self::Or(_), Self::Or(_)) => write!(f, "({part})")?,
                    _ => write!(f, "{part}")?,
                }
            }
            Ok(())
        };
        match self {
            Self::And(parts) => join(f, parts, " AND "),
            Self::Or(parts) => join(f, parts, " OR "),
            Self::Not(inner) if matches!(**inner, Self::Compare(_)) => write!(f, "NOT {inner}"),
            Self::Not(inner) => write!(f, "NOT ({inner})"),
            Self::Compare(Comparison { field, op, value }) => {
                write!(f, "{} {} {}", field.node, op.node.symbol(), value.node)
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for (i, piece) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_char('*')?;
            }
            for c in piece.chars() {
                if matches!(c, '"' | '\\' | '*') {
                    f.write_char('\\')?;
                }
                f.write_char(c)?;
            }
        }
        f.write_char('"')
    }
}

// Parsing.

/// A filter, parsed and printed with all parentheses and operators.
fn read(text: &str) -> String {
    parse(text).unwrap().unwrap().to_string()
}

/// The English error text for an invalid filter.
fn refusal(text: &str) -> String {
    let error = compile(text, &FIELDS, DbBackend::Sqlite).unwrap_err();
    assert_eq!(error.reason(), Reason::InvalidFields);
    let [violation] = error.violations() else {
        unreachable!("one violation")
    };
    assert_eq!(violation.field, "filter");
    // Both languages give the same position.
    let at = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).take(4).collect() };
    assert_eq!(at(&violation.zh), at(&violation.en), "{violation:?}");
    violation.en.clone()
}

fn accepted(text: &str) -> bool {
    compile(text, &FIELDS, DbBackend::Sqlite).is_ok()
}

#[test]
fn a_blank_filter_is_none() {
    for text in ["", "  \t\n", "\u{3000}"] {
        assert_eq!(parse(text).unwrap(), None);
        assert!(
            compile(text, &FIELDS, DbBackend::Postgres)
                .unwrap()
                .is_empty()
        );
    }
}

#[test]
fn or_binds_tighter_than_and() {
    let Some(Expr::And(parts)) = parse("a=1 AND b=2 OR c=3 AND d=4").unwrap() else {
        unreachable!("an AND")
    };
    assert_eq!(parts.len(), 3);
    assert_eq!(parts[1], parse("b=2 OR c=3").unwrap().unwrap());
    assert_eq!(
        read("a=1 b=2 OR c=3 d=4"),
        read("a=1 AND (b=2 OR c=3) AND d=4")
    );
}

#[test]
fn the_grammar_is_that_of_aip_160() {
    for (text, read_as) in [
        ("a=1", r#"a = "1""#),
        ("a\n= 1\t b!=2", r#"a = "1" AND b != "2""#),
        (
            "a<=1 a<2 a>=3 a>4",
            r#"a <= "1" AND a < "2" AND a >= "3" AND a > "4""#,
        ),
        ("NOT a=1 OR -b:2", r#"NOT a = "1" OR NOT b : "2""#),
        ("NOT(a=1)AND(b=2)", r#"NOT a = "1" AND b = "2""#),
        ("-(a=1 b=2)", r#"NOT (a = "1" AND b = "2")"#),
        ("((a=-1))", r#"a = "-1""#),
        ("a:*", r#"a : "*""#),
        ("a = '*.foo'", r#"a = "*.foo""#),
        (r#"a = 'it\'s "\*\\"'"#, r#"a = "it's \"\*\\\"""#),
        (
            "a.b.c>2022-01-31T09:00:00+08:00 d=1",
            r#"a.b.c > "2022-01-31T09:00:00+08:00" AND d = "1""#,
        ),
        (
            "title:水库\u{3000}标题='（一）'",
            r#"title : "水库" AND 标题 = "（一）""#,
        ),
        ("ANDY=NOTE ORDER=ORB", r#"ANDY = "NOTE" AND ORDER = "ORB""#),
    ] {
        assert_eq!(read(text), read_as, "{text}");
    }
}

#[test]
fn errors_give_position_and_expectation() {
    for (text, told) in [
        (
            "title",
            "at character 6: expected an operator: = != <= < >= > :, found the end",
        ),
        ("  title 1", "at character 9: expected an operator"),
        ("title=", "at character 7: expected a value, found the end"),
        (
            "title = AND open=true",
            "at character 9: expected a value, found A",
        ),
        ("title == a", "at character 8: expected a value, found ="),
        (
            "title = (a OR b)",
            "at character 9: expected a value, found (",
        ),
        (
            "title:a:b",
            "at character 8: expected a field, NOT, - or (, found :",
        ),
        (
            "标题 = 水库",
            "at character 1: no field 标题; expected one of title, seats, open, source.kind, day, time",
        ),
        (
            "title=a AND",
            "at character 12: expected a field, NOT, - or (, found the end",
        ),
        ("AND title=a", "at character 1: expected a field"),
        ("title=a OR OR title=b", "at character 12: expected a field"),
        ("NOT NOT title=a", "at character 5: expected a field"),
        ("--title=a", "at character 2: expected a field"),
        ("()", "at character 2: expected a field"),
        (
            "title=a)",
            "at character 8: expected AND, OR or the end, found )",
        ),
        (
            "(title=a",
            "at character 9: expected AND, OR or ), found the end",
        ),
        (
            "title=\"a",
            "at character 7: the quotation mark \" is not closed",
        ),
        (
            r"title='a\n'",
            r#"at character 10: expected one of " ' \ * after \, found n"#,
        ),
        (
            "title=a\0",
            "at character 8: control characters are not allowed",
        ),
        ("seats=ten", "at character 7: seats takes a whole number"),
        ("seats=1.5", "at character 7: seats takes a whole number"),
        ("seats=1*", "at character 7: seats takes a whole number"),
        ("seats=9223372036854775808", "seats takes a whole number"),
        ("open=yes", "at character 6: open takes true or false"),
        (
            "open:true",
            "at character 5: the operators of open are = !=",
        ),
        (
            "source.kind<VIDEO",
            "at character 12: the operators of source.kind are = != :",
        ),
        (
            "source.kind=AUDIO",
            "at character 13: source.kind takes a value of SourceKind",
        ),
        ("day=2022-02-29", "day takes a day such as 2022-01-31"),
        ("day=2022-1-3", "day takes a day"),
        ("day=+2022-1-31", "day takes a day"),
        ("day=0000-01-01", "day takes a day"),
        ("time>2022-01-31", "time takes an RFC 3339 instant"),
        ("time>2022-01-31T09:00:00", "time takes an RFC 3339 instant"),
        (
            "time>9999-12-31T23:59:59-01:00",
            "time takes an RFC 3339 instant",
        ),
        (
            "time=2016-12-31T23:59:60Z",
            "time takes an RFC 3339 instant",
        ),
        (
            "title < 'a*'",
            r#"at character 9: * is allowed with = != and : only; write "\*" for a literal asterisk"#,
        ),
    ] {
        assert!(refusal(text).contains(told), "{text}: {}", refusal(text));
    }
}

#[test]
fn values_of_every_type() {
    for text in [
        "seats = -9223372036854775808",
        "seats:3",
        "open = true open != 'false'",
        "source.kind = ON_SITE source.kind != SOURCE_KIND_VIDEO source.kind:*",
        "day >= 2022-01-31 day < '2024-02-29' day:*",
        "time < 2022-01-31T09:00:00.5+08:00 time > \"0001-01-01T00:00:00Z\"",
        "title <= '中' title = ''",
    ] {
        assert!(accepted(text), "{text}");
    }
}

#[test]
fn length_depth_and_comparisons_are_limited() {
    let nested = |depth| format!("{}seats=1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(accepted(&nested(MAX_DEPTH)));
    assert!(refusal(&nested(MAX_DEPTH + 1)).contains("at most 20 parentheses"));
    // Depth counts open parentheses only.
    assert!(accepted(&vec![nested(1); MAX_DEPTH + 1].join(" ")));

    let many = |count| vec!["-seats=1"; count].join(" ");
    assert!(accepted(&many(MAX_COMPARISONS)));
    assert!(refusal(&many(MAX_COMPARISONS + 1)).contains("at most 100 comparisons"));

    let long = |length: usize| format!("title={}", "水".repeat(length - "title=".len()));
    assert!(accepted(&long(MAX_LENGTH)));
    assert!(refusal(&long(MAX_LENGTH + 1)).contains("at most 2000 characters"));
    assert!(parse(&"(".repeat(MAX_LENGTH)).is_err());
    assert!(parse(&"-".repeat(MAX_LENGTH)).is_err());
}

#[test]
fn values_are_bound_parameters() {
    let evil = "'); DROP TABLE records; --";
    for backend in [DbBackend::Sqlite, DbBackend::Postgres] {
        for op in ["=", "!=", ":", "<"] {
            let filter = format!("title {op} \"{evil}\"");
            let statement = select(&filter, backend);
            assert!(!statement.sql.contains("DROP"), "{}", statement.sql);
            assert_eq!(statement.values.unwrap().0.len(), 1);
        }
    }
}

// Evaluation: the compiled SQL against an evaluator in Rust.

#[derive(Debug, Clone, Default)]
struct Row {
    title: Option<String>,
    seats: Option<i64>,
    open: Option<bool>,
    kind: Option<i32>,
    day: Option<NaiveDate>,
    time: Option<DateTime<Utc>>,
}

impl Row {
    fn meets(&self, expr: &Expr) -> bool {
        match expr {
            Expr::And(parts) => parts.iter().all(|part| self.meets(part)),
            Expr::Or(parts) => parts.iter().any(|part| self.meets(part)),
            Expr::Not(inner) => !self.meets(inner),
            Expr::Compare(comparison) => self.compares(comparison),
        }
    }

    fn compares(&self, comparison: &Comparison) -> bool {
        let (op, value) = (comparison.op.node, &comparison.value.node);
        let text = value.plain().unwrap_or_default();
        match comparison.field.node.as_str() {
            "title" => self
                .title
                .as_ref()
                .map_or(op == Op::NotEqual, |title| match op {
                    Op::Equal => like(title, value),
                    Op::NotEqual => !like(title, value),
                    Op::Has if value.is_any() => !title.is_empty(),
                    Op::Has => {
                        let around = [vec![String::new()], value.0.clone(), vec![String::new()]];
                        like(title, &Pattern(around.concat()))
                    }
                    op => ordered(op, Some(title.as_str()), text),
                }),
            "source.kind" if value.is_any() => self.kind.is_some_and(|kind| kind != 0),
            "source.kind" => {
                let full = format!("SOURCE_KIND_{}", text.trim_start_matches("SOURCE_KIND_"));
                ordered(op, self.kind, kind(&full).unwrap())
            }
            "open" => ordered(op, self.open, text == "true"),
            "seats" if value.is_any() => self.seats.is_some(),
            "seats" => ordered(op, self.seats, text.parse().unwrap()),
            "day" if value.is_any() => self.day.is_some(),
            "day" => ordered(op, self.day, text.parse().unwrap()),
            "time" if value.is_any() => self.time.is_some(),
            "time" => ordered(op, self.time, text.parse().unwrap()),
            field => unreachable!("{field}"),
        }
    }
}

fn ordered<T: PartialOrd>(op: Op, have: Option<T>, value: T) -> bool {
    have.map_or(op == Op::NotEqual, |have| match op {
        Op::Equal | Op::Has => have == value,
        Op::NotEqual => have != value,
        Op::Less => have < value,
        Op::AtMost => have <= value,
        Op::Greater => have > value,
        Op::AtLeast => have >= value,
    })
}

/// Whether a text matches a pattern.
fn like(text: &str, Pattern(pieces): &Pattern) -> bool {
    let (first, rest) = pieces.split_first().unwrap();
    let Some(text) = text.strip_prefix(first.as_str()) else {
        return false;
    };
    if rest.is_empty() {
        return text.is_empty();
    }
    let rest = Pattern(rest.to_vec());
    text.char_indices()
        .map(|(i, _)| i)
        .chain([text.len()])
        .any(|i| like(&text[i..], &rest))
}

fn select(filter: &str, backend: DbBackend) -> sea_orm::Statement {
    let select = Query::select()
        .column(Alias::new("n"))
        .from(Alias::new("records"))
        .cond_where(compile(filter, &FIELDS, backend).unwrap())
        .to_owned();
    StatementBuilder::build(&select, &backend)
}

async fn connect(url: &str) -> DatabaseConnection {
    // One connection, so that an in-memory database or a temporary table persists.
    let options = ConnectOptions::new(url)
        .max_connections(1)
        .min_connections(1)
        .idle_timeout(Duration::from_secs(3600))
        .sqlx_logging(false)
        .to_owned();
    let db = Database::connect(options).await.unwrap();
    let create = Table::create()
        .table(Alias::new("records"))
        .temporary()
        .col(ColumnDef::new(Alias::new("n")).integer())
        .col(ColumnDef::new(Alias::new("title")).text())
        .col(ColumnDef::new(Alias::new("seats")).big_integer())
        .col(ColumnDef::new(Alias::new("open")).boolean())
        .col(ColumnDef::new(Alias::new("source_kind")).big_integer())
        .col(ColumnDef::new(Alias::new("day")).date())
        .col(ColumnDef::new(Alias::new("time")).timestamp_with_time_zone())
        .to_owned();
    db.execute(&create).await.unwrap();
    db
}

/// The numbers of the rows that a filter matches.
async fn found(db: &DatabaseConnection, rows: &[Row], filter: &str) -> Vec<i32> {
    let delete = Query::delete().from_table(Alias::new("records")).to_owned();
    db.execute(&delete).await.unwrap();
    let columns = ["n", "title", "seats", "open", "source_kind", "day", "time"].map(Alias::new);
    let mut insert = Query::insert()
        .into_table(Alias::new("records"))
        .columns(columns)
        .to_owned();
    for (n, row) in (0i32..).zip(rows) {
        insert.values_panic([
            n.into(),
            row.title.clone().into(),
            row.seats.into(),
            row.open.into(),
            row.kind.into(),
            row.day.into(),
            row.time.into(),
        ]);
    }
    db.execute(&insert).await.unwrap();
    let statement = select(filter, db.get_database_backend());
    let rows = db.query_all_raw(statement).await.unwrap();
    let mut found: Vec<i32> = rows
        .iter()
        .map(|row| row.try_get("", "n").unwrap())
        .collect();
    found.sort_unstable();
    found
}

/// Compares the results of filters on a database with the evaluator: first every special character
/// at every position of a pattern, then random rows and filters.
fn agrees_with_the_evaluator(url: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let db = runtime.block_on(connect(url));
    let check = |rows: &[Row], expr: &Expr| {
        let meant: Vec<i32> = (0..)
            .zip(rows)
            .filter(|(_, row)| row.meets(expr))
            .map(|(n, _)| n)
            .collect();
        let found = runtime.block_on(found(&db, rows, &expr.to_string()));
        assert_eq!(found, meant, "{expr}");
    };

    let texts = [
        "x", "X", "%", "_", "\\", "*", "?", "[", "]", "^", "!", "'", "\"", "水", "[x]", "\\%",
    ];
    let rows = texts.map(|text| Row {
        title: Some(format!("<{text}>")),
        ..Row::default()
    });
    for text in texts {
        let [start, end] = [format!("<{text}"), format!("{text}>")];
        let [text, none] = [text, ""].map(str::to_owned);
        for (op, pieces) in [
            (Op::Has, vec![text.clone()]),
            (Op::Equal, vec![start, none.clone()]),
            (Op::Equal, vec![none, end]),
            (Op::Equal, vec!["<".into(), text, ">".into()]),
        ] {
            check(&rows, &comparison("title", op, pieces));
        }
    }

    proptest!(|(rows in vec(row(), 1..12), expr in expr())| check(&rows, &expr));
}

#[test]
fn sqlite_agrees_with_the_evaluator() {
    agrees_with_the_evaluator("sqlite::memory:");
}

#[test]
fn postgres_agrees_with_the_evaluator() {
    let server = std::env::var("TAIZHANG_TEST_POSTGRES")
        .expect("TAIZHANG_TEST_POSTGRES names no PostgreSQL server: run the tests by ./test");
    agrees_with_the_evaluator(&format!("{server}/postgres"));
}

// Generators.

/// Texts of few characters, so that they often match: those with a meaning in SQL or filters.
fn text() -> impl Strategy<Value = String> + Clone {
    "[aA水库*%_?\\[\\]\\\\'\" ]{0,3}"
}

fn a_day() -> impl Strategy<Value = NaiveDate> + Clone {
    let first = NaiveDate::from_ymd_opt(2021, 12, 30).unwrap();
    (0..4u64).prop_map(move |days| first + Days::new(days))
}

fn an_instant() -> impl Strategy<Value = DateTime<Utc>> + Clone {
    let first = DateTime::from_timestamp(1_640_995_199, 0).unwrap();
    let millis = prop::sample::select(vec![0, 1, 500, 501, 1000, 1500]);
    millis.prop_map(move |millis| first + TimeDelta::milliseconds(millis))
}

fn row() -> impl Strategy<Value = Row> {
    (
        prop::option::of(text()),
        prop::option::of(-1..3i64),
        prop::option::of(any::<bool>()),
        prop::option::of(0..3i32),
        prop::option::of(a_day()),
        prop::option::of(an_instant()),
    )
        .prop_map(|(title, seats, open, kind, day, time)| Row {
            title,
            seats,
            open,
            kind,
            day,
            time,
        })
}

fn comparison(field: &str, op: Op, pieces: Vec<String>) -> Expr {
    Expr::Compare(Comparison {
        field: positioned(field.into()),
        op: positioned(op),
        value: positioned(Pattern(pieces)),
    })
}

/// A node at position 0; equality ignores the position.
fn positioned<T>(node: T) -> Positioned<T> {
    Positioned { at: 0, node }
}

fn compared(
    field: &'static str,
    ops: &'static [Op],
    value: impl Strategy<Value = Vec<String>> + 'static,
) -> BoxedStrategy<Expr> {
    (prop::sample::select(ops), value)
        .prop_map(move |(op, pieces)| comparison(field, op, pieces))
        .boxed()
}

/// Any expression over [`FIELDS`].
fn expr() -> impl Strategy<Value = Expr> {
    fn plain<T: ToString + fmt::Debug>(
        value: impl Strategy<Value = T> + 'static,
    ) -> BoxedStrategy<Vec<String>> {
        value.prop_map(|value| vec![value.to_string()]).boxed()
    }
    let kinds = prop::sample::select(&KINDS[..]);
    let kinds = (kinds, any::<bool>()).prop_map(|(short, full)| {
        let prefix = if full { "SOURCE_KIND_" } else { "" };
        format!("{prefix}{short}")
    });
    // Written in UTC+8, stored in UTC.
    let instants = an_instant().prop_map(|time| {
        let zone = chrono::FixedOffset::east_opt(8 * 3600).unwrap();
        time.with_timezone(&zone).to_rfc3339()
    });
    let any_value = vec![String::new(); 2];
    let leaf = prop_oneof![
        4 => compared("title", &[Op::Equal, Op::NotEqual, Op::Has], vec(text(), 1..4)),
        2 => compared("title", &Op::ALL, plain(text())),
        2 => compared("seats", &Op::ALL, plain(-1..3i64)),
        1 => compared("open", &[Op::Equal, Op::NotEqual], plain(any::<bool>())),
        2 => compared("source.kind", &[Op::Equal, Op::NotEqual, Op::Has], plain(kinds)),
        2 => compared("day", &Op::ALL, plain(a_day())),
        2 => compared("time", &Op::ALL, plain(instants)),
        1 => prop::sample::select(vec!["title", "seats", "source.kind", "day", "time"])
            .prop_flat_map(move |field| compared(field, &[Op::Has], Just(any_value.clone()))),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(Expr::And),
            vec(inner.clone(), 2..4).prop_map(Expr::Or),
            inner.prop_map(|inner| Expr::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_parses_to_itself(expr in expr()) {
        prop_assert_eq!(parse(&expr.to_string()).unwrap(), Some(expr));
    }

    #[test]
    fn no_text_panics(
        text in "\\PC{0,200}|(?s:.{0,200})",
        words in vec(
            prop::sample::select(vec![
                "title", "seats", "source.kind", "day", "=", "!=", "<", ">=", ":", "*", "AND", "OR", "NOT",
                "-", "(", ")", "\"", "'", "\\", "\"a b\"", "1", "VIDEO", "2022-01-31", "水库", "。", "😀",
            ]),
            0..30,
        ),
        space in "|\u{20}",
    ) {
        for text in [text, words.join(&space)] {
            for backend in [DbBackend::Sqlite, DbBackend::Postgres] {
                if let Err(error) = compile(&text, &FIELDS, backend) {
                    prop_assert_eq!(error.reason(), Reason::InvalidFields);
                }
            }
            if let Ok(Some(expr)) = parse(&text) {
                prop_assert_eq!(parse(&expr.to_string()).unwrap(), Some(expr));
            }
        }
    }
}
