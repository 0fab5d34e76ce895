//! Daily reminders of due and overdue matters (催办提醒).

use chrono::NaiveDate;
use sea_orm::sea_query::Condition;
use taizhang_contracts::supervision::daily_reminder_service_server::DailyReminderService;
use taizhang_contracts::supervision::{
    DailyReminder, DueMatter, GetDailyReminderRequest, Lamp, ListDailyRemindersRequest,
    ListDailyRemindersResponse, Matter, RemindDueRequest,
};
use taizhang_contracts::{Context, Name, Reason, Result};
use taizhang_ledger::{Behavior, Record, Tx, serve};

use crate::entities::{daily_reminders, matters, supervision_settings};
use crate::lamp::{self, Warning};
use crate::{Supervision, matter, naive};

/// The most entries of one reminder.
const MOST: usize = 5_000;

/// The most bytes of its entries, so that it fits into an answer.
const MOST_BYTES: usize = 2 << 20;

/// The number of matters read at once.
const PAGE: u64 = 1_000;

impl Record for daily_reminders::Entity {
    fn title(_reminder: &DailyReminder) -> &str {
        "催办提醒"
    }
}

impl Behavior for daily_reminders::Entity {}

serve! {
    DailyReminderService for Supervision, daily_reminders {
        get_daily_reminder(GetDailyReminderRequest) -> DailyReminder: get;
        list_daily_reminders(ListDailyRemindersRequest) -> ListDailyRemindersResponse: list;
    } and {
        remind_due(RemindDueRequest) -> DailyReminder = remind_due;
    }
}

/// RemindDue.
///
/// # Errors
/// If the database is unavailable.
async fn remind_due(
    service: &Supervision,
    context: &Context,
    q: &RemindDueRequest,
) -> Result<DailyReminder> {
    let made = async || {
        let work = service
            .ledger
            .write::<daily_reminders::Entity, _, _>(context, q, |tx| Box::pin(remind(tx)));
        work.await
    };
    match made().await {
        // Another process created it since the read above.
        Err(error) if error.reason() == Reason::AlreadyExists => made().await,
        answer => answer,
    }
}

/// Today's reminder, created if it does not exist.
async fn remind(tx: &mut Tx<'_>) -> Result<DailyReminder> {
    let today = tx.at().today();
    let id = today.format("d%Y%m%d").to_string();
    if let Some(made) = tx
        .find::<daily_reminders::Entity>(&Name::new(tx.office(), &id))
        .await?
    {
        return Ok(made);
    }
    let warning = Warning::of(&tx.singleton::<supervision_settings::Entity>().await?);
    let open = matter::OPEN.iter().copied();
    let open = Condition::all().add(matters::COLUMN.state.is_in(open));
    let mut entries = Vec::new();
    tx.each::<matters::Entity>(open, PAGE, |matter| {
        entries.extend(due(&matter, today, &warning));
    })
    .await?;
    tx.insert::<daily_reminders::Entity>(Some(&id), reminder(today, entries))
        .await
}

/// The entry of a matter in the reminder of a day; `None` if it is neither due nor overdue.
fn due(matter: &Matter, today: NaiveDate, warning: &Warning) -> Option<DueMatter> {
    let lamp = lamp::lamp(matter, today, warning);
    if !matches!(lamp, Lamp::Yellow | Lamp::Red) {
        return None;
    }
    Some(DueMatter {
        matter: matter.name.clone(),
        title: matter.title.clone(),
        lead_unit: matter.lead_unit.clone(),
        due_date: matter.due_date,
        lamp: lamp.into(),
        working_days_left: warning.workdays().left(today, naive(matter.due_date)?),
    })
}

/// The reminder of a day: the most urgent first, up to [`MOST`] entries and [`MOST_BYTES`].
fn reminder(today: NaiveDate, mut entries: Vec<DueMatter>) -> DailyReminder {
    let total = i32::try_from(entries.len()).unwrap_or(i32::MAX);
    entries.sort_by(|a, b| {
        let key = |e: &DueMatter| naive(e.due_date);
        key(a).cmp(&key(b)).then_with(|| a.matter.cmp(&b.matter))
    });
    entries.truncate(MOST);
    let mut bytes = 0;
    let fit = entries.iter().take_while(|entry| {
        bytes += size(entry);
        bytes <= MOST_BYTES
    });
    let fit = fit.count();
    entries.truncate(fit);
    DailyReminder {
        date: Some(today.into()),
        entries,
        total,
        ..Default::default()
    }
}

/// An upper bound of the bytes of an entry.
fn size(entry: &DueMatter) -> usize {
    entry.matter.len() + entry.title.len() + entry.lead_unit.len() + 32
}

#[cfg(test)]
mod tests {
    use taizhang_contracts::supervision::SupervisionSettings;

    use super::*;

    fn june(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2022, 6, day).unwrap_or_default()
    }

    /// A matter registered on the 1st; 10 June is a Friday.
    fn matter(name: &str, due: u32) -> Matter {
        let due = Some(june(due).into());
        Matter {
            name: name.into(),
            registered_on: Some(june(1).into()),
            due_date: due,
            original_due_date: due,
            ..Default::default()
        }
    }

    fn warning() -> Warning {
        Warning::of(&SupervisionSettings {
            warning_working_days: 3,
            ..Default::default()
        })
    }

    #[test]
    fn due_and_overdue_matters_have_their_working_days() {
        let left = |on| {
            let told = due(&matter("m", on), june(10), &warning());
            told.map(|e| (e.lamp(), e.working_days_left))
        };
        assert_eq!(left(16), None);
        assert_eq!(left(15), Some((Lamp::Yellow, 3)));
        assert_eq!(left(13), Some((Lamp::Yellow, 1)));
        assert_eq!(left(12), Some((Lamp::Yellow, 0)));
        assert_eq!(left(10), Some((Lamp::Yellow, 0)));
        assert_eq!(left(9), Some((Lamp::Red, -1)));
        assert_eq!(left(3), Some((Lamp::Red, -5)));
    }

    #[test]
    fn the_most_urgent_come_first_and_omitted_ones_are_counted() {
        let told = |name: &str, on| due(&matter(name, on), june(10), &warning());
        let entries = [told("c", 13), told("b", 10), told("d", 9), told("a", 10)];
        let made = reminder(june(10), entries.into_iter().flatten().collect());
        let names: Vec<_> = made.entries.iter().map(|e| e.matter.as_str()).collect();
        assert_eq!(names, ["d", "a", "b", "c"]);

        let many = vec![told("m", 9).unwrap_or_default(); MOST + 1];
        let made = reminder(june(10), many);
        assert_eq!((made.entries.len(), made.total), (MOST, MOST as i32 + 1));

        let mut long = told("m", 9).unwrap_or_default();
        long.title = "长".repeat(200);
        let made = reminder(june(10), vec![long; MOST]);
        assert!(made.entries.len() < MOST);
        assert!(prost::Message::encoded_len(&made) < 3 << 20);
        assert_eq!(made.total, MOST as i32);
    }
}
