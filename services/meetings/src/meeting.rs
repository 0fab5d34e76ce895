//! Meetings (会议).

mod rules;
mod states;

use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use taizhang_contracts::common::Level;
use taizhang_contracts::meetings::meeting_service_server::MeetingService;
use taizhang_contracts::meetings::{
    Booking, BookingState, CancelMeetingRequest, ConveneMeetingRequest, CreateMeetingRequest,
    DeleteMeetingRequest, ExportCalendarRequest, ExportCalendarResponse, GetMeetingRequest,
    HoldMeetingRequest, IssueMinutesRequest, ListMeetingsRequest, ListMeetingsResponse, Meeting,
    MeetingKind, MeetingState, PostponeMeetingRequest, RescheduleMeetingRequest,
    UndeleteMeetingRequest, UpdateMeetingRequest,
};
use taizhang_contracts::{Result, Violations};
use taizhang_ledger::column::{day, time};
use taizhang_ledger::{Column, Moment, Record, Tx, enum_column, serve};

use crate::{Meetings, calendar};
pub(crate) use rules::was_held;
pub use states::MACHINE;

pub(crate) const KIND: Column<Meeting> = enum_column!(Meeting, kind: MeetingKind);
pub(crate) const STATE: Column<Meeting> = enum_column!(Meeting, state: MeetingState);
pub(crate) const HOST_LEVEL: Column<Meeting> = enum_column!(Meeting, host_level: Level);
pub(crate) const ORGANISED_BY_OFFICE: Column<Meeting> =
    Column::bool("organised_by_office", |m| m.organised_by_office.into());
pub(crate) const OUTSIDE_COUNTY: Column<Meeting> =
    Column::bool("outside_county", |m| m.outside_county.into());
pub(crate) const HELD_ON: Column<Meeting> = Column::day("held_on", |m| day(m.held_on.as_ref()));
pub(crate) const START_TIME: Column<Meeting> =
    Column::instant("start_time", |m| time(m.start_time.as_ref()));

/// The most bookings that one meeting can hold.
const MOST_BOOKINGS: u64 = 1000;

impl Record<Meetings> for Meeting {
    const TABLE: &'static str = "meetings";

    const COLUMNS: &'static [Column<Self>] = &[
        KIND,
        STATE,
        HOST_LEVEL,
        ORGANISED_BY_OFFICE,
        OUTSIDE_COUNTY,
        HELD_ON,
        START_TIME,
        Column::instant("end_time", |m| time(m.end_time.as_ref())),
        Column::text("title", |m| m.title.as_str().into()),
        Column::text("organiser", |m| m.organiser.as_str().into()),
        Column::text("chair", |m| m.chair.as_str().into()),
        Column::bool("video", |m| m.video.into()),
        Column::text("series", |m| m.series.as_str().into()),
    ];

    fn title(&self) -> &str {
        &self.title
    }

    fn initial(&mut self, _at: Moment) {
        self.set_state(MACHINE.initial);
    }

    fn check(&self, v: &mut Violations) {
        rules::check(self, v);
    }

    /// A meeting that is called off, put off or deleted holds no slot any more.
    async fn settle(&mut self, _before: Option<&Self>, tx: &mut Tx<'_, Meetings>) -> Result<()> {
        let off = matches!(
            self.state(),
            MeetingState::Cancelled | MeetingState::Postponed
        );
        if !off && self.delete_time.is_none() {
            return Ok(());
        }
        let live = Condition::all()
            .add(Expr::col("meeting").eq(self.name.as_str()))
            .add(Expr::col("state").eq(BookingState::Live as i64));
        for booking in tx.select::<Booking>(live, MOST_BOOKINGS).await? {
            let mut released = booking.clone();
            released.set_state(BookingState::Released);
            tx.update(&booking, released).await?;
        }
        Ok(())
    }
}

serve! {
    MeetingService for Meetings {
        create_meeting(CreateMeetingRequest) -> Meeting: create;
        get_meeting(GetMeetingRequest) -> Meeting: get;
        list_meetings(ListMeetingsRequest) -> ListMeetingsResponse: list;
        update_meeting(UpdateMeetingRequest) -> Meeting: update_with(rules::update);
        delete_meeting(DeleteMeetingRequest) -> Meeting: delete;
        undelete_meeting(UndeleteMeetingRequest) -> Meeting: undelete;
        convene_meeting(ConveneMeetingRequest) -> Meeting: change(rules::convene);
        hold_meeting(HoldMeetingRequest) -> Meeting: change(rules::hold);
        issue_minutes(IssueMinutesRequest) -> Meeting: change(rules::issue_minutes);
        postpone_meeting(PostponeMeetingRequest) -> Meeting: change(rules::postpone);
        reschedule_meeting(RescheduleMeetingRequest) -> Meeting: change(rules::reschedule);
        cancel_meeting(CancelMeetingRequest) -> Meeting: change(rules::cancel);
    } and {
        export_calendar(ExportCalendarRequest) -> ExportCalendarResponse = calendar::export;
    }
}
