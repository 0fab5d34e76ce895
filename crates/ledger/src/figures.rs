//! Indicators, declared as data. The SQL of a figure and of its evidence is derived from the same
//! declaration, so they can't disagree.

mod gather_figures;
mod list_evidence;

use std::marker::PhantomData;

use chrono::NaiveDate;
use sea_orm::sea_query::{Alias, CaseStatement, Condition, Expr, ExprTrait, Func, IntoCondition};
use sea_orm::{DateLikeColumn, DbBackend, IdenStatic, NumericColumn};
use taizhang_contracts::statistics::{self, Measure};

use crate::record::Record;
use crate::record_kind::RecordKind;

pub(crate) use gather_figures::gather_figures;
pub(crate) use list_evidence::list_evidence;

/// The records that meet a condition, with the columns that place them in a period.
#[derive(Debug, Clone)]
struct Case {
    when: Condition,
    placed: Placed,
}

/// The columns that place a record in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Placed {
    /// A day, which must be in the period.
    By(&'static str),
    /// A first and a last day, whose range must overlap the period.
    Over(&'static str, &'static str),
}

/// The period, and today.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Days {
    pub(crate) first: NaiveDate,
    pub(crate) last: NaiveDate,
    pub(crate) today: NaiveDate,
}

/// The measure of an indicator, by columns.
#[derive(Debug, Clone, Copy)]
enum How {
    Count,
    Sum(&'static str),
    Distinct(&'static str),
    Days,
}

/// An indicator of a service.
#[derive(Debug, Clone)]
pub struct Indicator {
    id: &'static str,
    label: &'static str,
    unit: &'static str,
    definition: &'static str,
    decimals: u32,
    part_of: &'static str,
    kind: &'static RecordKind,
    how: How,
    cases: Vec<Case>,
}

/// Counts records: the id, what the report calls it, its unit word, and its definition in Chinese.
pub fn count<E: Record>(
    id: &'static str,
    label: &'static str,
    unit: &'static str,
    definition: &'static str,
) -> Declaration<E> {
    declare(id, label, unit, definition, How::Count)
}

/// Adds up a number of the records.
pub fn sum<E: Record>(
    id: &'static str,
    label: &'static str,
    unit: &'static str,
    definition: &'static str,
    number: NumericColumn<E>,
) -> Declaration<E> {
    declare(id, label, unit, definition, How::Sum(number.0.as_str()))
}

/// Counts the different values of a column.
pub fn distinct<E: Record>(
    id: &'static str,
    label: &'static str,
    unit: &'static str,
    definition: &'static str,
    of: E::Column,
) -> Declaration<E> {
    declare(id, label, unit, definition, How::Distinct(of.as_str()))
}

/// Counts the days from a first to a last one, both included, that are in the period and not in the
/// future: a record that spans two years counts in each with the days in it.
pub fn days<E: Record>(
    id: &'static str,
    label: &'static str,
    unit: &'static str,
    definition: &'static str,
) -> Declaration<E> {
    declare(id, label, unit, definition, How::Days)
}

fn declare<E: Record>(
    id: &'static str,
    label: &'static str,
    unit: &'static str,
    definition: &'static str,
    how: How,
) -> Declaration<E> {
    Declaration {
        indicator: Indicator {
            id,
            label,
            unit,
            definition,
            decimals: 0,
            part_of: "",
            kind: E::KIND,
            how,
            cases: Vec::new(),
        },
        when: Condition::all(),
        record: PhantomData,
    }
}

/// The builder of an [`Indicator`], completed by [`Declaration::placed_by`] or
/// [`Declaration::placed_over`].
#[derive(Debug)]
pub struct Declaration<E> {
    indicator: Indicator,
    when: Condition,
    record: PhantomData<fn() -> E>,
}

impl<E: Record> Declaration<E> {
    /// Counts only records that meet the condition over the columns of their table. Several
    /// conditions are combined by AND.
    #[must_use]
    pub fn when(mut self, condition: impl IntoCondition) -> Self {
        self.when = self.when.add(condition.into_condition());
        self
    }

    /// The day that places a record in a period. A record without one is in none.
    #[must_use]
    pub fn placed_by(self, day: DateLikeColumn<E>) -> Indicator {
        self.placed(Placed::By(day.0.as_str()))
    }

    /// The days that a record lasts; it is in every period that has some of them.
    #[must_use]
    pub fn placed_over(self, first: DateLikeColumn<E>, last: DateLikeColumn<E>) -> Indicator {
        self.placed(Placed::Over(first.0.as_str(), last.0.as_str()))
    }

    fn placed(mut self, placed: Placed) -> Indicator {
        let when = self.when;
        self.indicator.cases.push(Case { when, placed });
        self.indicator
    }
}

impl Indicator {
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

    /// The sum of other indicators. They must be over the same kind of record, and no record may be
    /// counted by two of them.
    pub fn total(
        id: &'static str,
        label: &'static str,
        unit: &'static str,
        definition: &'static str,
        parts: &[&Self],
    ) -> Option<Self> {
        let first = *parts.first()?;
        Some(Self {
            id,
            label,
            unit,
            definition,
            part_of: "",
            cases: parts.iter().flat_map(|part| part.cases.clone()).collect(),
            ..first.clone()
        })
    }

    /// Its id.
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// Its message in the contract.
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
            collection: self.kind.collection.into(),
            measure: measure.into(),
            part_of: self.part_of.into(),
            decimals: i32::try_from(self.decimals).unwrap_or(0),
        }
    }

    /// The condition under which a record is counted.
    fn condition(&self, days: Days) -> Condition {
        let cases = self.cases.iter();
        cases.fold(Condition::any(), |any, case| {
            let placed = case.placed.within(days);
            any.add(Condition::all().add(placed).add(case.when.clone()))
        })
    }

    /// The days that a counted record adds.
    fn lasting(&self, backend: DbBackend, days: Days) -> Expr {
        // Days are only counted of records of one case.
        let Some(Placed::Over(first, last)) = self.cases.first().map(|case| case.placed) else {
            return Expr::cust("CAST(1 AS BIGINT)");
        };
        let until = least(backend, column(last), days.until());
        let from = greatest(backend, column(first), Expr::val(days.first));
        let days = match backend {
            DbBackend::Postgres => until.sub(from),
            _ => julian_day(until).sub(julian_day(from)),
        };
        days.add(Expr::cust("1")).cast_as(Alias::new("BIGINT"))
    }

    /// The day that places a counted record.
    fn day(&self, backend: DbBackend, days: Days) -> Expr {
        if let [only] = self.cases.as_slice() {
            return only.placed.day(backend, days);
        }
        let arms = self.cases.iter().fold(CaseStatement::new(), |arms, case| {
            let when = Condition::all()
                .add(Expr::cust("TRUE"))
                .add(case.when.clone());
            arms.case(when, case.placed.day(backend, days))
        });
        arms.into()
    }
}

fn column(name: &'static str) -> Expr {
    Expr::col(Alias::new(name))
}

fn least(backend: DbBackend, a: Expr, b: Expr) -> Expr {
    let name = match backend {
        DbBackend::Postgres => "LEAST",
        _ => "MIN",
    };
    Func::cust(Alias::new(name)).args([a, b]).into()
}

fn greatest(backend: DbBackend, a: Expr, b: Expr) -> Expr {
    let name = match backend {
        DbBackend::Postgres => "GREATEST",
        _ => "MAX",
    };
    Func::cust(Alias::new(name)).args([a, b]).into()
}

fn julian_day(day: Expr) -> Expr {
    Func::cust(Alias::new("julianday")).arg(day).into()
}

impl Days {
    /// The last day that is counted: the end of the period or today, whichever is earlier.
    fn until(self) -> Expr {
        Expr::val(std::cmp::min(self.last, self.today))
    }
}

impl Placed {
    /// Whether a record is in the period.
    fn within(self, days: Days) -> Expr {
        match self {
            Self::By(day) => column(day).between(days.first, days.last),
            Self::Over(first, last) => column(first)
                .lte(days.until())
                .and(column(last).gte(days.first))
                .and(Expr::val(days.first).lte(days.until()))
                .and(column(first).lte(column(last))),
        }
    }

    /// The day of a counted record that places it.
    fn day(self, backend: DbBackend, days: Days) -> Expr {
        match self {
            Self::By(day) => column(day),
            Self::Over(first, _) => greatest(backend, column(first), Expr::val(days.first)),
        }
    }

    /// The indexed column.
    fn column(self) -> &'static str {
        match self {
            Self::By(day) | Self::Over(day, _) => day,
        }
    }

    /// A necessary condition that the index can answer.
    fn indexed(self, days: Days) -> Expr {
        match self {
            Self::By(day) => column(day).between(days.first, days.last),
            Self::Over(first, last) => column(first)
                .lte(days.last)
                .and(column(last).gte(days.first)),
        }
    }
}
