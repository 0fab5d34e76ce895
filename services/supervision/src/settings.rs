//! The settings of an office for supervision (督查设置).

use std::collections::HashSet;

use taizhang_contracts::Violations;
use taizhang_contracts::supervision::supervision_settings_service_server::SupervisionSettingsService;
use taizhang_contracts::supervision::{
    GetSupervisionSettingsRequest, SupervisionSettings, UpdateSupervisionSettingsRequest,
};
use taizhang_ledger::{Behavior, Moment, Record, serve};

use crate::Supervision;
use crate::entities::supervision_settings;

impl Record for supervision_settings::Entity {
    fn initial(settings: &mut SupervisionSettings, _at: Moment) {
        settings.warning_working_days = 3;
    }

    fn check(settings: &SupervisionSettings, v: &mut Violations) {
        let mut seen = HashSet::new();
        for (i, entry) in settings.calendar_days.iter().enumerate() {
            let day = entry.date.and_then(|d| d.naive());
            if day.is_some_and(|day| !seen.insert(day)) {
                v.item("calendar_days", i, |v| {
                    v.add("date", "与前面的日期重复", "is a duplicate");
                });
            }
        }
    }
}

impl Behavior for supervision_settings::Entity {}

serve! {
    SupervisionSettingsService for Supervision, supervision_settings {
        get_supervision_settings(GetSupervisionSettingsRequest) -> SupervisionSettings: get;
        update_supervision_settings(UpdateSupervisionSettingsRequest) -> SupervisionSettings: update;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use taizhang_contracts::common::Date;
    use taizhang_contracts::supervision::CalendarDay;

    #[test]
    fn days_in_the_calendar_are_unique() {
        let entry = |day, working| CalendarDay {
            date: Some(Date {
                year: 2022,
                month: 10,
                day,
            }),
            working,
        };
        let settings = SupervisionSettings {
            calendar_days: vec![entry(1, false), entry(8, true), entry(1, true)],
            ..Default::default()
        };
        let mut v = Violations::default();
        supervision_settings::Entity::check(&settings, &mut v);
        assert_eq!(v.fields().collect::<Vec<_>>(), ["calendar_days[2].date"]);
    }
}
