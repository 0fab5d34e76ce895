//! Finds inspections of the same unit on the same day (重复督查).

use taizhang_contracts::supervision::{Inspection, InspectionState};

use crate::naive;

/// The most names in a warning.
const MOST: usize = 50;

/// The names of those among `others` that inspect one of the same units on one of the same days.
pub(super) fn overlapping(inspection: &Inspection, others: &[Inspection]) -> Vec<String> {
    others
        .iter()
        .filter(|other| other.name != inspection.name && overlap(inspection, other))
        .take(MOST)
        .map(|other| other.name.clone())
        .collect()
}

fn overlap(a: &Inspection, b: &Inspection) -> bool {
    let on = |i: &Inspection| i.state() != InspectionState::Cancelled && i.delete_time.is_none();
    let meets = naive(a.first_day) <= naive(b.last_day) && naive(b.first_day) <= naive(a.last_day);
    on(a) && on(b) && meets && a.objects.iter().any(|object| b.objects.contains(object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;
    use proptest::prelude::*;

    fn inspection(name: &str, days: (u32, u32), objects: &[&str]) -> Inspection {
        let june = |day| NaiveDate::from_ymd_opt(2022, 6, day).map(Into::into);
        Inspection {
            name: name.into(),
            first_day: june(days.0),
            last_day: june(days.1),
            objects: objects.iter().map(|o| (*o).to_owned()).collect(),
            state: InspectionState::Planned.into(),
            ..Default::default()
        }
    }

    #[test]
    fn the_same_unit_on_the_same_day_overlaps() {
        let one = inspection("a", (5, 10), &["甲镇", "乙镇"]);
        let mut off = inspection("off", (5, 10), &["甲镇"]);
        off.set_state(InspectionState::Cancelled);
        let others = [
            one.clone(),
            inspection("touches", (10, 12), &["乙镇", "丙镇"]),
            inspection("later", (11, 12), &["乙镇"]),
            inspection("elsewhere", (5, 10), &["丙镇"]),
            off.clone(),
        ];
        assert_eq!(overlapping(&one, &others), ["touches"]);
        assert!(overlapping(&off, &others).is_empty());
    }

    proptest! {
        /// The warning is symmetric, and given only for a shared day.
        #[test]
        fn overlap_is_symmetric(a in (1u32..15, 0u32..10), b in (1u32..15, 0u32..10)) {
            let (a, b) = ((a.0, a.0 + a.1), (b.0, b.0 + b.1));
            let one = inspection("a", a, &["甲镇"]);
            let other = inspection("b", b, &["甲镇"]);
            let warned = !overlapping(&one, std::slice::from_ref(&other)).is_empty();
            prop_assert_eq!(warned, !overlapping(&other, &[one]).is_empty());
            prop_assert_eq!(warned, (a.0..=a.1).any(|day| (b.0..=b.1).contains(&day)));
        }
    }
}
