//! Indicators, declared once as data. Figure and evidence come from the same declaration, so they
//! can't disagree.

mod evidence;
mod gather;

use std::marker::PhantomData;

use chrono::NaiveDate;
use sea_orm::{DbBackend, Value};
use taizhang_contracts::Resource;
use taizhang_contracts::statistics::{self, Measure};

use crate::column::Column;
use crate::record::Record;

pub(crate) use evidence::evidence;
pub(crate) use gather::gather;

/// A test on one column of the record `R`.
#[derive(Debug)]
pub struct Test<R>(Holds, PhantomData<fn() -> R>);

/// The column holds this value.
pub fn is<R>(column: Column<R>, value: impl Into<Value>) -> Test<R> {
    one_of(column, [value])
}

/// The column holds one of these values.
pub fn one_of<R, V: Into<Value>>(
    column: Column<R>,
    values: impl IntoIterator<Item = V>,
) -> Test<R> {
    let any_of = values.into_iter().map(Into::into).collect();
    Test(
        Holds {
            column: column.field.column,
            any_of,
        },
        PhantomData,
    )
}

/// A column holds one of some values.
#[derive(Debug, Clone)]
struct Holds {
    column: &'static str,
    any_of: Vec<Value>,
}

/// Records that fulfil all tests, placed in a period by a day of theirs.
#[derive(Debug, Clone)]
struct Case {
    when: Vec<Holds>,
    placed: Placed,
}

/// What places a record in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Placed {
    /// A day in it.
    By(&'static str),
    /// Days from the first to the last, some of which are in it.
    Over(&'static str, &'static str),
}

/// The days that are counted, and the present one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Days {
    pub(crate) first: NaiveDate,
    pub(crate) last: NaiveDate,
    pub(crate) today: NaiveDate,
}

/// How records become a value.
#[derive(Debug, Clone, Copy)]
enum How {
    Count,
    Sum(&'static str),
    Distinct(&'static str),
    Days,
}

/// Something that the service `S` can count.
#[derive(Debug)]
pub struct Indicator<S> {
    id: &'static str,
    label: &'static str,
    unit: &'static str,
    definition: &'static str,
    decimals: u32,
    part_of: &'static str,
    table: &'static str,
    collection: &'static str,
    title: fn(&[u8]) -> Option<String>,
    how: How,
    cases: Vec<Case>,
    service: PhantomData<fn() -> S>,
}

/// Counts records: the id, what the report calls it, its unit word, and its definition in Chinese.
pub fn count<S: 'static, R: Record<S>>(
    id: &'static str,
    label: &'static str,
    unit: &'static str,
    definition: &'static str,
) -> Declaration<S, R> {
    declare(id, label, unit, definition, How::Count)
}

/// Adds up a number of the records.
pub fn sum<S: 'static, R: Record<S>>(
    id: &'static str,
    label: &'static str,
    unit: &'static str,
    definition: &'static str,
    number: Column<R>,
) -> Declaration<S, R> {
    declare(id, label, unit, definition, How::Sum(number.field.column))
}

/// Counts the different values of a column.
pub fn distinct<S: 'static, R: Record<S>>(
    id: &'static str,
    label: &'static str,
    unit: &'static str,
    definition: &'static str,
    of: Column<R>,
) -> Declaration<S, R> {
    declare(id, label, unit, definition, How::Distinct(of.field.column))
}

/// Counts the days from a first to a last one, both included, that lie in the period and have come:
/// what spans two years counts in each with its own days.
pub fn days<S: 'static, R: Record<S>>(
    id: &'static str,
    label: &'static str,
    unit: &'static str,
    definition: &'static str,
) -> Declaration<S, R> {
    declare(id, label, unit, definition, How::Days)
}

fn declare<S: 'static, R: Record<S>>(
    id: &'static str,
    label: &'static str,
    unit: &'static str,
    definition: &'static str,
    how: How,
) -> Declaration<S, R> {
    let indicator = Indicator {
        id,
        label,
        unit,
        definition,
        decimals: 0,
        part_of: "",
        table: R::TABLE,
        collection: <R as Resource>::COLLECTION,
        title: |body| R::decode(body).ok().map(|r| r.title().to_owned()),
        how,
        cases: Vec::new(),
        service: PhantomData,
    };
    Declaration {
        indicator,
        tests: Vec::new(),
        record: PhantomData,
    }
}

/// An indicator being declared; it is one once it is [placed](Declaration::placed_by).
#[derive(Debug)]
pub struct Declaration<S, R> {
    indicator: Indicator<S>,
    tests: Vec<Holds>,
    record: PhantomData<fn() -> R>,
}

impl<S, R> Declaration<S, R> {
    /// Only records that fulfil the test; several tests must all be fulfilled.
    #[must_use]
    pub fn when(mut self, test: Test<R>) -> Self {
        self.tests.push(test.0);
        self
    }

    /// The day that places a record in a period. A record without one is in none.
    #[must_use]
    pub fn placed_by(self, day: Column<R>) -> Indicator<S> {
        self.placed(Placed::By(day.field.column))
    }

    /// The days that a record lasts; it is in every period that has some of them.
    #[must_use]
    pub fn placed_over(self, first: Column<R>, last: Column<R>) -> Indicator<S> {
        self.placed(Placed::Over(first.field.column, last.field.column))
    }

    fn placed(mut self, placed: Placed) -> Indicator<S> {
        let when = self.tests;
        self.indicator.cases.push(Case { when, placed });
        self.indicator
    }
}

impl<S> Indicator<S> {
    /// The indicator that this one is a part of (其中).
    #[must_use]
    pub fn part_of(mut self, whole: &'static str) -> Self {
        self.part_of = whole;
        self
    }

    /// How many of the value's last digits are decimals: with 2, 123456 is 1234.56.
    #[must_use]
    pub fn decimals(mut self, decimals: u32) -> Self {
        self.decimals = decimals;
        self
    }

    /// Counts what any of the others counts. They must be of the same records, and no record may
    /// be in two of them.
    pub fn total(
        id: &'static str,
        label: &'static str,
        unit: &'static str,
        definition: &'static str,
        parts: &[&Self],
    ) -> Option<Self> {
        let first = parts.first()?;
        Some(Self {
            id,
            label,
            unit,
            definition,
            decimals: first.decimals,
            part_of: "",
            cases: parts.iter().flat_map(|part| part.cases.clone()).collect(),
            table: first.table,
            collection: first.collection,
            title: first.title,
            how: first.how,
            service: PhantomData,
        })
    }

    /// Its id.
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// As the contract tells it.
    pub fn message(&self) -> statistics::Indicator {
        let measure = match self.how {
            How::Count => Measure::Count,
            How::Sum(_) => Measure::Sum,
            How::Distinct(_) => Measure::Distinct,
            How::Days => Measure::Days,
        };
        statistics::Indicator {
            id: self.id.into(),
            label: self.label.into(),
            unit: self.unit.into(),
            definition: self.definition.into(),
            collection: self.collection.into(),
            measure: measure.into(),
            part_of: self.part_of.into(),
            decimals: i32::try_from(self.decimals).unwrap_or(0),
        }
    }

    /// The condition under which a record is counted, with its values bound from `$2` and `$3`
    /// (the period) and on.
    fn condition(&self, days: Days, values: &mut Vec<Value>) -> String {
        let mut cases = Vec::new();
        for case in &self.cases {
            let mut all = vec![case.placed.within(days, values)];
            for test in &case.when {
                all.push(test.sql(values));
            }
            cases.push(format!("({})", all.join(" AND ")));
        }
        format!("({})", cases.join(" OR "))
    }

    /// The days that a counted record adds.
    fn lasting(&self, backend: DbBackend, days: Days, values: &mut Vec<Value>) -> String {
        // Days are only counted of records of one case.
        match self.cases.first().map(|case| case.placed) {
            Some(Placed::Over(first, last)) => {
                let until = days.until(values);
                match backend {
                    DbBackend::Postgres => format!(
                        "CAST(LEAST({last}, {until}) - GREATEST({first}, $2) + 1 AS BIGINT)"
                    ),
                    _ => format!(
                        "CAST(julianday(MIN({last}, {until})) - julianday(MAX({first}, $2)) + 1 AS BIGINT)"
                    ),
                }
            }
            _ => "CAST(1 AS BIGINT)".to_owned(),
        }
    }

    /// The day that places a counted record.
    fn day(&self, backend: DbBackend, values: &mut Vec<Value>) -> String {
        if let [only] = self.cases.as_slice() {
            return only.placed.day(backend);
        }
        let mut arms = String::new();
        for case in &self.cases {
            let tests: Vec<String> = case.when.iter().map(|t| t.sql(values)).collect();
            let tests = if tests.is_empty() {
                "TRUE".to_owned()
            } else {
                tests.join(" AND ")
            };
            let day = case.placed.day(backend);
            arms.push_str(&format!(" WHEN {tests} THEN {day}"));
        }
        format!("CASE{arms} END")
    }
}

impl Days {
    /// The last day that is counted, bound: of what still lasts, no day to come.
    fn until(&self, values: &mut Vec<Value>) -> String {
        values.push(self.last.min(self.today).into());
        format!("${}", values.len())
    }
}

impl Placed {
    /// Whether a record is in the period.
    fn within(self, days: Days, values: &mut Vec<Value>) -> String {
        match self {
            Self::By(day) => format!("{day} BETWEEN $2 AND $3"),
            Self::Over(first, last) => {
                let until = days.until(values);
                format!(
                    "({first} <= {until} AND {last} >= $2 AND $2 <= {until} AND {first} <= {last})"
                )
            }
        }
    }

    /// The day of a counted record that places it.
    fn day(self, backend: DbBackend) -> String {
        match self {
            Self::By(day) => day.to_owned(),
            Self::Over(first, _) if backend == DbBackend::Postgres => {
                format!("GREATEST({first}, $2)")
            }
            Self::Over(first, _) => format!("MAX({first}, $2)"),
        }
    }

    /// The column that has an index of its own.
    fn column(self) -> &'static str {
        match self {
            Self::By(day) | Self::Over(day, _) => day,
        }
    }

    /// A condition that the index answers, and that holds for all records that are counted.
    fn indexed(self) -> String {
        match self {
            Self::By(day) => format!("{day} BETWEEN $2 AND $3"),
            Self::Over(first, last) => format!("({first} <= $3 AND {last} >= $2)"),
        }
    }
}

impl Holds {
    fn sql(&self, values: &mut Vec<Value>) -> String {
        let mut bound = Vec::new();
        for value in &self.any_of {
            values.push(value.clone());
            bound.push(format!("${}", values.len()));
        }
        match bound.as_slice() {
            [one] => format!("{} = {one}", self.column),
            many => format!("{} IN ({})", self.column, many.join(", ")),
        }
    }
}
