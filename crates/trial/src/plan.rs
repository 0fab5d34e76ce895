//! The plan of a trial: a year, and the figures that its records must add up to.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::figures::{Figures, planned};
use crate::records::{SUMS, plannable};

/// A plan file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The year of the report.
    pub year: i32,
    /// Its figures; those that are not named are zero.
    #[serde(default)]
    pub(crate) figures: Figures,
    /// The figures of the year before; if they are not given, they are derived from those of the year.
    pub(crate) previous: Option<Figures>,
}

/// The most that a figure may be.
const MAX: u32 = 1_000_000;

impl Plan {
    /// Reads a plan file.
    ///
    /// # Errors
    /// If it can't be read, or is not consistent; names every bad line.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("计划文件 {} 不能读取", file.display()))?;
        Self::parse(&text).with_context(|| format!("计划文件 {} 有误", file.display()))
    }

    /// The sample of the project, `samples/one-county-year.toml`.
    ///
    /// # Errors
    /// None, as the tests show.
    pub fn sample() -> anyhow::Result<Self> {
        Self::parse(include_str!("../../../samples/one-county-year.toml"))
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
        plan.previous
            .get_or_insert_with(|| derive_previous(&plan.figures));
        Ok(plan)
    }

    /// The figures of the year before.
    pub(crate) fn previous(&self) -> Figures {
        self.previous.clone().unwrap_or_default()
    }
}

fn is_sum(id: &str) -> bool {
    SUMS.iter().any(|sum| sum.id == id)
}

/// Adds the errors of a table to `bad`.
fn check(table: &str, figures: &Figures, bad: &mut Vec<String>) {
    for (id, value) in figures {
        let known = is_sum(id) || plannable().any(|figure| figure.id == id);
        if !known {
            bad.push(format!("{table}.{id}：没有这个指标，或它由其他指标得出"));
        } else if *value > MAX {
            bad.push(format!("{table}.{id} = {value}：不得超过{MAX}"));
        }
    }
    let mut parts: BTreeMap<&str, u32> = BTreeMap::new();
    for figure in plannable() {
        if let Some(whole) = figure.whole {
            let sum = parts.entry(whole).or_default();
            *sum = sum.saturating_add(planned(figures, figure.id));
        }
    }
    for (whole, sum) in parts {
        if sum > planned(figures, whole) {
            let value = planned(figures, whole);
            bad.push(format!("{table}.{whole} = {value}：小于其中各项之和{sum}"));
        }
    }
    for sum in SUMS {
        let parts = sum.parts.iter().map(|id| planned(figures, id).min(MAX));
        let total: u32 = parts.sum();
        if let Some(value) = figures.get(sum.id).filter(|value| **value != total) {
            bad.push(format!("{table}.{} = {value}：应为各项之和{total}", sum.id));
        }
    }
}

/// Figures of the year before: a little below those of the year, and consistent too.
fn derive_previous(figures: &Figures) -> Figures {
    let mut previous: Figures = figures
        .iter()
        .map(|(id, value)| (id.clone(), value - value / 12))
        .collect();
    for whole in plannable().filter_map(|figure| figure.whole) {
        let parts: u32 = plannable()
            .filter(|figure| figure.whole == Some(whole))
            .map(|figure| planned(&previous, figure.id))
            .sum();
        if let Some(value) = previous.get_mut(whole) {
            *value = parts.max(*value);
        }
    }
    previous.retain(|id, _| !is_sum(id));
    previous
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn the_sample_is_valid() {
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
    fn derived_figures_of_the_year_before_are_valid() {
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
