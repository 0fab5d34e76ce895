//! The figures that a plan can name.

use std::collections::BTreeMap;

/// The planned figures of one year, by indicator.
pub(crate) type Figures = BTreeMap<String, u32>;

/// A planned figure; zero if the plan does not name it.
pub(crate) fn planned(figures: &Figures, indicator: &str) -> u32 {
    figures.get(indicator).copied().unwrap_or(0)
}

/// An indicator that a plan can name.
#[derive(Debug)]
pub(crate) struct Plannable {
    /// Its id.
    pub(crate) id: &'static str,
    /// The indicator that can't be less, such as the whole that this one is part of.
    pub(crate) whole: Option<&'static str>,
}

/// An indicator of its own.
pub(crate) const fn indicator(id: &'static str) -> Plannable {
    Plannable { id, whole: None }
}

/// An indicator that is part of another.
pub(crate) const fn part(id: &'static str, whole: &'static str) -> Plannable {
    Plannable {
        id,
        whole: Some(whole),
    }
}

/// A sum that a plan may state, to be compared with its parts.
#[derive(Debug)]
pub(crate) struct Sum {
    /// Its name in the plan.
    pub(crate) id: &'static str,
    /// The indicators that it is the sum of.
    pub(crate) parts: &'static [&'static str],
}
