//! The plan of a trial: a year and the figures that its records must add up to.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use serde::Deserialize;

use super::{matters, meetings, reception, research, supervision};

/// The figures of one year, by indicator.
pub(super) type Figures = BTreeMap<String, u32>;

/// A plan file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    /// The year that the summary tells of.
    pub(super) year: i32,
    /// Its figures; one that is not named is zero.
    #[serde(default)]
    pub(super) figures: Figures,
    /// The figures of the year before. Without them they are made up from those of the year.
    pub(super) previous: Option<Figures>,
}

/// A figure that a plan can name, and the one that must not be less, such as its whole.
pub(super) type Planned = (&'static str, Option<&'static str>);

/// The figures that a plan can name.
fn known() -> impl Iterator<Item = &'static Planned> {
    let all = [
        meetings::PLANNED,
        matters::PLANNED,
        supervision::PLANNED,
        reception::PLANNED,
        research::PLANNED,
    ];
    all.into_iter().flatten()
}

/// Sums that a plan may state; they must be right.
const SUMS: &[(&str, &[&str])] = &[matters::SUM, reception::SUM, research::SUM];

fn is_sum(id: &str) -> bool {
    SUMS.iter().any(|(sum, _)| *sum == id)
}

/// The most records of one figure.
const MOST: u32 = 1_000_000;

impl Plan {
    /// Reads a plan file.
    ///
    /// # Errors
    /// If it can't be read, or what it plans can't be; every bad line is named.
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("计划文件 {} 不能读取", file.display()))?;
        Self::parse(&text).with_context(|| format!("计划文件 {} 有误", file.display()))
    }

    /// The sample that comes with the program.
    ///
    /// # Errors
    /// Never, as the tests show.
    pub(super) fn sample() -> anyhow::Result<Self> {
        Self::parse(include_str!("../../../../samples/one-county-year.toml"))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut plan: Self = toml::from_str(text)?;
        let mut bad = Vec::new();
        if !(1950..=9990).contains(&plan.year) {
            bad.push(format!("year = {}：应在1950到9990之间", plan.year));
        }
        check("figures", &plan.figures, &mut bad);
        if let Some(previous) = &plan.previous {
            check("previous", previous, &mut bad);
        }
        if !bad.is_empty() {
            bail!("{}", bad.join("\n"));
        }
        plan.previous.get_or_insert_with(|| made_up(&plan.figures));
        Ok(plan)
    }

    /// The figures of the year before.
    pub(super) fn previous(&self) -> Figures {
        self.previous.clone().unwrap_or_default()
    }
}

/// A planned figure; zero if the plan does not name it.
pub(super) fn planned(figures: &Figures, id: &str) -> u32 {
    figures.get(id).copied().unwrap_or(0)
}

fn check(table: &str, figures: &Figures, bad: &mut Vec<String>) {
    for (id, value) in figures {
        let known = is_sum(id) || known().any(|(planned, _)| planned == id);
        if !known {
            bad.push(format!("{table}.{id}：没有这个指标，或它由其他指标得出"));
        } else if *value > MOST {
            bad.push(format!("{table}.{id} = {value}：不得超过{MOST}"));
        }
    }
    let mut parts: BTreeMap<&str, u32> = BTreeMap::new();
    for (id, whole) in known() {
        if let Some(whole) = whole {
            let sum = parts.entry(whole).or_default();
            *sum = sum.saturating_add(planned(figures, id));
        }
    }
    for (whole, sum) in parts {
        if sum > planned(figures, whole) {
            let value = planned(figures, whole);
            bad.push(format!("{table}.{whole} = {value}：小于其中各项之和{sum}"));
        }
    }
    for (id, parts) in SUMS {
        let sum: u32 = parts.iter().map(|id| planned(figures, id).min(MOST)).sum();
        if let Some(value) = figures.get(*id).filter(|value| **value != sum) {
            bad.push(format!("{table}.{id} = {value}：应为各项之和{sum}"));
        }
    }
}

/// Last year's figures, a little below this year's.
fn made_up(figures: &Figures) -> Figures {
    let mut made: Figures = figures
        .iter()
        .map(|(id, value)| (id.clone(), value - value / 12))
        .collect();
    for whole in known().filter_map(|(_, whole)| *whole) {
        let parts: u32 = known()
            .filter(|(_, of)| *of == Some(whole))
            .map(|(id, _)| planned(&made, id))
            .sum();
        if let Some(value) = made.get_mut(whole) {
            *value = parts.max(*value);
        }
    }
    made.retain(|id, _| !is_sum(id));
    made
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn the_sample_is_a_good_plan() {
        let plan = Plan::sample().unwrap();
        assert_eq!(plan.year, 2022);
        assert_eq!(planned(&plan.figures, "meetings_total"), 475);
    }

    #[test]
    fn every_bad_line_is_named() {
        let error = Plan::parse(
            "year = 1\n[figures]\nnonsense = 1\nmeetings_total = 3\nreform_group_meetings = 4\n\
             derived_supervision_handled_sum = 5\n[previous]\nother = 2\n",
        )
        .expect_err("a bad plan")
        .to_string();
        for part in [
            "year",
            "figures.nonsense",
            "figures.meetings_total",
            "derived",
            "previous.other",
        ] {
            assert!(error.contains(part), "{part} not in {error}");
        }
    }

    #[test]
    fn last_year_made_up_is_a_good_plan_too() {
        for total in 0..40 {
            let text = format!(
                "year = 2023\n[figures]\nmeetings_total = {total}\nreform_group_meetings = {total}\n"
            );
            let plan = Plan::parse(&text).unwrap();
            let mut bad = Vec::new();
            check("previous", &plan.previous(), &mut bad);
            assert!(bad.is_empty(), "{bad:?}");
        }
    }
}
