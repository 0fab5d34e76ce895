//! Series of recurring meetings (会议系列).

mod recurrence;

use chrono::{Days, NaiveDate, TimeDelta};
use taizhang_contracts::date::{local_instant, timestamp};
use taizhang_contracts::meetings::meeting_series_service_server::MeetingSeriesService;
use taizhang_contracts::meetings::{
    CreateMeetingSeriesRequest, DeleteMeetingSeriesRequest, ExtendMeetingSeriesRequest,
    GetMeetingSeriesRequest, ListMeetingSeriesRequest, ListMeetingSeriesResponse, Meeting,
    MeetingSeries, UndeleteMeetingSeriesRequest, UpdateMeetingSeriesRequest,
};
use taizhang_contracts::{Result, Violations};
use taizhang_ledger::{Behavior, Moment, Record, Tx, serve};

use crate::Meetings;
use crate::entities::{meeting_series, meetings};

/// The most meetings made by one call.
const MOST: usize = 400;

impl Record for meeting_series::Entity {
    fn title(series: &MeetingSeries) -> &str {
        &series.title
    }

    fn check(series: &MeetingSeries, v: &mut Violations) {
        if series.recurrence.is_some_and(|r| r.rule.is_none()) {
            v.add("recurrence", "须选定一种周期", "needs one rule");
        }
    }
}

impl Behavior for meeting_series::Entity {
    /// Creates the meetings of the days that the series was extended by.
    async fn settle(
        series: &mut MeetingSeries,
        before: Option<&MeetingSeries>,
        tx: &mut Tx<'_>,
    ) -> Result<()> {
        let made = |series: &MeetingSeries| series.made_until.and_then(|d| d.naive());
        let (Some(until), Some(before)) = (made(series), before) else {
            return Ok(());
        };
        if made(before) == Some(until) {
            return Ok(());
        }
        let days = series.days(made(before), until);
        if days.len() > MOST {
            return Err(Violations::of(
                "until",
                format!("一次最多生成{MOST}次会议"),
                format!("at most {MOST} meetings can be created by one call"),
            ));
        }
        for day in days {
            let meeting = series.meeting(day, tx.at());
            tx.insert::<meetings::Entity>(None, meeting).await?;
        }
        Ok(())
    }
}

trait SeriesMeetings {
    fn days(&self, made: Option<NaiveDate>, until: NaiveDate) -> Vec<NaiveDate>;
    fn meeting(&self, day: NaiveDate, at: Moment) -> Meeting;
}

impl SeriesMeetings for MeetingSeries {
    /// The days of the recurrence after `made` and up to `until`; at most one more than allowed.
    fn days(&self, made: Option<NaiveDate>, until: NaiveDate) -> Vec<NaiveDate> {
        let (Some(rule), Some(first)) = (
            self.recurrence.and_then(|r| r.rule),
            self.first_day.and_then(|d| d.naive()),
        ) else {
            return Vec::new();
        };
        let from = made
            .and_then(|day| day.checked_add_days(Days::new(1)))
            .unwrap_or(first);
        recurrence::days(&rule, from.max(first), until)
            .take(MOST + 1)
            .collect()
    }

    fn meeting(&self, day: NaiveDate, at: Moment) -> Meeting {
        let start = local_instant(day, self.start_minute.unsigned_abs(), at.zone);
        let end = start + TimeDelta::minutes(i64::from(self.duration_minutes));
        let mut meeting = Meeting {
            title: self.title.clone(),
            kind: self.kind,
            organiser: self.organiser.clone(),
            organised_by_office: self.organised_by_office,
            host_level: self.host_level,
            chair: self.chair.clone(),
            place: self.place.clone(),
            video: self.video,
            start_time: Some(timestamp(start)),
            end_time: Some(timestamp(end)),
            series: self.name.clone(),
            ..Meeting::default()
        };
        meetings::Entity::initial(&mut meeting, at);
        meeting
    }
}

fn extend(series: &mut MeetingSeries, q: &ExtendMeetingSeriesRequest, _at: Moment) -> Result<()> {
    let until = q
        .until
        .and_then(|d| d.naive())
        .ok_or_else(|| Violations::of("until", "必填", "is required"))?;
    if series
        .made_until
        .and_then(|d| d.naive())
        .is_some_and(|made| until <= made)
    {
        return Err(Violations::of(
            "until",
            "应晚于已生成至的日期",
            "must be later than the day up to which meetings were created",
        ));
    }
    series.made_until = Some(until.into());
    Ok(())
}

serve! {
    MeetingSeriesService for Meetings, meeting_series {
        create_meeting_series(CreateMeetingSeriesRequest) -> MeetingSeries: create;
        get_meeting_series(GetMeetingSeriesRequest) -> MeetingSeries: get;
        list_meeting_series(ListMeetingSeriesRequest) -> ListMeetingSeriesResponse: list;
        update_meeting_series(UpdateMeetingSeriesRequest) -> MeetingSeries: update;
        delete_meeting_series(DeleteMeetingSeriesRequest) -> MeetingSeries: delete;
        undelete_meeting_series(UndeleteMeetingSeriesRequest) -> MeetingSeries: undelete;
        extend_meeting_series(ExtendMeetingSeriesRequest) -> MeetingSeries: change(extend);
    }
}
