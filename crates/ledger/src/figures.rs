//! Indicators, declared once as data. Figure and evidence come from the same declaration, so they
//! can't disagree.

mod evidence;
mod gather;

use std::marker::PhantomData;

use sea_orm::Value;
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
    placed_by: &'static str,
}

/// How records become a value.
#[derive(Debug, Clone, Copy)]
enum How {
    Count,
    Sum(&'static str),
    Distinct(&'static str),
}

/// Something that the service `S` can count.
#[derive(Debug)]
pub struct Indicator<S> {
    id: &'static str,
    label: &'static str,
    unit: &'static str,
    definition: &'static str,
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
    pub fn placed_by(mut self, day: Column<R>) -> Indicator<S> {
        let case = Case {
            when: self.tests,
            placed_by: day.field.column,
        };
        self.indicator.cases.push(case);
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
        };
        statistics::Indicator {
            id: self.id.into(),
            label: self.label.into(),
            unit: self.unit.into(),
            definition: self.definition.into(),
            collection: self.collection.into(),
            measure: measure.into(),
            part_of: self.part_of.into(),
        }
    }

    /// The condition under which a record is counted, with its values bound from `$2` and `$3`
    /// (the period) and on.
    fn condition(&self, values: &mut Vec<Value>) -> String {
        let mut cases = Vec::new();
        for case in &self.cases {
            let mut all = vec![format!("{} BETWEEN $2 AND $3", case.placed_by)];
            for test in &case.when {
                all.push(test.sql(values));
            }
            cases.push(format!("({})", all.join(" AND ")));
        }
        format!("({})", cases.join(" OR "))
    }

    /// The day that places a counted record.
    fn day(&self, values: &mut Vec<Value>) -> String {
        if let [only] = self.cases.as_slice() {
            return only.placed_by.to_owned();
        }
        let mut arms = String::new();
        for case in &self.cases {
            let tests: Vec<String> = case.when.iter().map(|t| t.sql(values)).collect();
            let tests = if tests.is_empty() {
                "TRUE".to_owned()
            } else {
                tests.join(" AND ")
            };
            arms.push_str(&format!(" WHEN {tests} THEN {}", case.placed_by));
        }
        format!("CASE{arms} END")
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
