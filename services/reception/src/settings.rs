//! The settings of an office for receptions (接待设置).

use chrono::NaiveDate;
use taizhang_contracts::Violations;
use taizhang_contracts::common::Date;
use taizhang_contracts::reception::reception_settings_service_server::ReceptionSettingsService;
use taizhang_contracts::reception::{
    GetReceptionSettingsRequest, ReceptionSettings, UpdateReceptionSettingsRequest,
};
use taizhang_ledger::days::naive;
use taizhang_ledger::{Behavior, Record, serve};

use crate::entities::reception_settings;
use crate::{RULES, Receptions};

impl Record for reception_settings::Entity {
    fn check(settings: &ReceptionSettings, v: &mut Violations) {
        apart(v, "meal_standards", &settings.meal_standards, |s| {
            let key = (s.guest_origin, s.time_of_day);
            (key, s.valid_from, s.valid_until)
        });
        apart(v, "lodging_caps", &settings.lodging_caps, |c| {
            (c.rank_group, c.valid_from, c.valid_until)
        });
        apart(v, "enforced_rules", &settings.enforced_rules, |e| {
            (e.rule_id.clone(), e.valid_from, e.valid_until)
        });
        for (i, enforced) in settings.enforced_rules.iter().enumerate() {
            if !RULES.iter().any(|rule| rule.id == enforced.rule_id) {
                v.item("enforced_rules", i, |v| {
                    v.add(
                        "rule_id",
                        format!("没有规则{}", enforced.rule_id),
                        format!("has no rule {}", enforced.rule_id),
                    );
                });
            }
        }
        for (i, budget) in settings.yearly_budgets.iter().enumerate() {
            let mut before = settings.yearly_budgets.iter().take(i);
            if before.any(|b| (b.year, b.business) == (budget.year, budget.business)) {
                v.item("yearly_budgets", i, |v| {
                    v.add("year", "与前面的重复", "is a duplicate");
                });
            }
        }
    }
}

impl Behavior for reception_settings::Entity {}

/// Whether the range from a day until another one, both included and optional, contains a day.
pub(crate) fn holds(from: Option<Date>, until: Option<Date>, day: NaiveDate) -> bool {
    naive(from).is_some_and(|from| from <= day) && naive(until).is_none_or(|until| day <= until)
}

/// Adds a violation for every entry that ends before it begins, or overlaps with an earlier entry of
/// the same key.
fn apart<T, K: PartialEq>(
    v: &mut Violations,
    list: &str,
    entries: &[T],
    validity: impl Fn(&T) -> (K, Option<Date>, Option<Date>),
) {
    let span = |entry: &T| {
        let (key, from, until) = validity(entry);
        let last = naive(until).unwrap_or(NaiveDate::MAX);
        naive(from).map(|first| (key, first, last))
    };
    for (i, entry) in entries.iter().enumerate() {
        let Some((key, first, last)) = span(entry) else {
            continue;
        };
        if last < first {
            v.item(list, i, |v| {
                v.add(
                    "valid_until",
                    "不得早于生效日期",
                    "must not be before the first day",
                );
            });
        }
        let mut before = entries.iter().take(i).filter_map(span);
        if before.any(|(other, from, until)| other == key && from <= last && first <= until) {
            v.item(list, i, |v| {
                v.add(
                    "valid_from",
                    "与前面同一项的有效期重叠",
                    "overlaps with an earlier entry of the same kind",
                );
            });
        }
    }
}

serve! {
    ReceptionSettingsService for Receptions, reception_settings {
        get_reception_settings(GetReceptionSettingsRequest) -> ReceptionSettings: get;
        update_reception_settings(UpdateReceptionSettingsRequest) -> ReceptionSettings: update;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use taizhang_contracts::reception::{EnforcedRule, GuestOrigin, MealStandard, YearlyBudget};

    fn day(year: i32, month: i32, day: i32) -> Option<Date> {
        Some(Date { year, month, day })
    }

    fn standard(meal: i32, from: Option<Date>, until: Option<Date>) -> MealStandard {
        MealStandard {
            guest_origin: GuestOrigin::OutsideCounty.into(),
            time_of_day: meal,
            amount_fen: 9000,
            valid_from: from,
            valid_until: until,
        }
    }

    fn bad(settings: &ReceptionSettings) -> Vec<String> {
        let mut v = Violations::default();
        reception_settings::Entity::check(settings, &mut v);
        v.fields().map(str::to_owned).collect()
    }

    #[test]
    fn standards_of_the_same_kind_do_not_overlap() {
        let settings = ReceptionSettings {
            meal_standards: vec![
                standard(2, day(2024, 1, 1), day(2024, 12, 31)),
                standard(2, day(2025, 1, 1), None),
                standard(3, day(2024, 6, 1), None),
                standard(2, day(2026, 1, 1), None),
                standard(1, day(2026, 1, 1), day(2025, 1, 1)),
            ],
            ..Default::default()
        };
        let expected = [
            "meal_standards[3].valid_from",
            "meal_standards[4].valid_until",
        ];
        assert_eq!(bad(&settings), expected);
    }

    #[test]
    fn an_unknown_rule_and_a_second_budget_are_refused() {
        let enforced = |rule_id: &str| EnforcedRule {
            rule_id: rule_id.into(),
            valid_from: day(2024, 1, 1),
            valid_until: None,
        };
        let budget = |year, business| YearlyBudget {
            year,
            business,
            amount_fen: 1,
        };
        let settings = ReceptionSettings {
            enforced_rules: vec![enforced("NO_CASH"), enforced("NO_SUCH_RULE")],
            yearly_budgets: vec![budget(2025, false), budget(2025, true), budget(2025, false)],
            ..Default::default()
        };
        assert_eq!(
            bad(&settings),
            ["enforced_rules[1].rule_id", "yearly_budgets[2].year"]
        );
    }

    #[test]
    fn first_and_last_day_are_included() {
        let (from, until) = (day(2025, 1, 1), day(2025, 1, 31));
        let on = |month, d| NaiveDate::from_ymd_opt(2025, month, d).unwrap_or_default();
        assert!(holds(from, until, on(1, 1)) && holds(from, until, on(1, 31)));
        assert!(!holds(from, until, on(2, 1)) && holds(from, None, on(12, 31)));
    }
}
