//! A reception with the data that the rules need in addition.

use chrono::{Datelike, NaiveDate};
use sea_orm::sea_query::Condition;
use taizhang_contracts::common::Period;
use taizhang_contracts::date::{instant, local_day};
use taizhang_contracts::reception::{ItineraryItem, Reception, ReceptionNature, ReceptionSettings};
use taizhang_contracts::{Office, Result};
use taizhang_ledger::days::naive;
use taizhang_ledger::{Ledger, Moment};

use super::{Finding, RULES, Rule, Source, Step};
use crate::entities::live;
use crate::entities::{reception_settings, receptions};
use crate::settings;

/// The most receptions of one budget, or of one letter, that are read.
const MOST: u64 = 10_000;

/// A reception with the data that the rules need in addition.
pub(crate) struct Case<'a> {
    pub(crate) reception: &'a Reception,
    pub(crate) settings: ReceptionSettings,
    /// The time of the call and the office's time zone.
    pub(crate) at: Moment,
    /// Whether another reception has the same letter.
    pub(crate) shares_letter: bool,
    /// The cost of the other receptions of the same budget and year; 0 without a budget.
    pub(crate) spent_fen: i64,
}

impl<'a> Case<'a> {
    /// Reads the additional data.
    ///
    /// # Errors
    /// If the database is unavailable.
    pub(crate) async fn read(
        ledger: &Ledger,
        office: &Office,
        reception: &'a Reception,
    ) -> Result<Self> {
        let settings = ledger
            .singleton::<reception_settings::Entity>(office)
            .await?;
        let mut case = Self {
            reception,
            settings,
            at: ledger.moment(),
            shares_letter: false,
            spent_fen: 0,
        };
        if let Some(condition) = same_letter(reception) {
            let others = ledger
                .select::<receptions::Entity>(office, condition, MOST)
                .await?;
            case.shares_letter = others.iter().any(|other| other.name != reception.name);
        }
        if case.budget().is_some() {
            let condition = same_budget(reception);
            let others = ledger
                .select::<receptions::Entity>(office, condition, MOST)
                .await?;
            let others = others.iter().filter(|other| other.name != reception.name);
            case.spent_fen = others.map(|other| other.total_cost_fen).sum();
        }
        Ok(case)
    }

    /// The day that determines which rules apply.
    pub(crate) fn day(&self) -> NaiveDate {
        naive(self.reception.arrival_day).unwrap_or_default()
    }

    /// The budget of the year.
    pub(crate) fn budget(&self) -> Option<i64> {
        let budgets = self.settings.yearly_budgets.iter();
        let mut own = budgets
            .filter(|b| b.year == self.day().year() && b.business == is_business(self.reception));
        own.next().map(|budget| budget.amount_fen)
    }

    /// The local day on which an activity begins.
    pub(crate) fn begins_on(&self, item: &ItineraryItem) -> Option<NaiveDate> {
        let start = item.start_time.as_ref().and_then(instant)?;
        Some(local_day(start, self.at.zone))
    }

    /// All violations of the rules in force, up to a step.
    pub(crate) fn findings(&self, step: Step) -> Vec<Finding> {
        let day = self.day();
        let asked = RULES
            .iter()
            .filter(|rule| rule.step <= step && rule.is_in_force(day));
        asked
            .flat_map(|rule| {
                let refuses = self.refuses(rule);
                let fields = (rule.check)(self).into_iter();
                fields.map(move |field| Finding {
                    rule,
                    field,
                    refuses,
                })
            })
            .collect()
    }

    fn refuses(&self, rule: &Rule) -> bool {
        rule.stands.source == Source::Verified
            || self.settings.enforced_rules.iter().any(|enforced| {
                enforced.rule_id == rule.id
                    && settings::holds(enforced.valid_from, enforced.valid_until, self.day())
            })
    }
}

pub(super) fn is_business(reception: &Reception) -> bool {
    reception.nature() == ReceptionNature::Business
}

/// The other live receptions on the same letter.
fn same_letter(reception: &Reception) -> Option<Condition> {
    let letter = reception.letter.as_ref()?;
    let is_told = !letter.unit.is_empty() && !letter.number.is_empty();
    is_told.then(|| {
        live()
            .add(receptions::COLUMN.letter_number.eq(letter.number.as_str()))
            .add(receptions::COLUMN.letter_unit.eq(letter.unit.as_str()))
    })
}

/// The other live receptions of the same budget and year.
fn same_budget(reception: &Reception) -> Condition {
    let day = naive(reception.arrival_day).unwrap_or_default();
    let (first, last) = Period::year(day.year()).days().unwrap_or((day, day));
    let nature = receptions::COLUMN.nature;
    live()
        .add(receptions::COLUMN.arrival_day.between(first, last))
        .add(if is_business(reception) {
            nature.eq(ReceptionNature::Business)
        } else {
            nature.ne(ReceptionNature::Business)
        })
}
