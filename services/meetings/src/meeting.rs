//! Meetings (会议).

mod rules;
mod states;

use sea_orm::sea_query::Condition;
use taizhang_contracts::meetings::meeting_service_server::MeetingService;
use taizhang_contracts::meetings::{
    BookingState, CancelMeetingRequest, ConveneMeetingRequest, CreateMeetingRequest,
    DeleteMeetingRequest, ExportCalendarRequest, ExportCalendarResponse, GetMeetingRequest,
    HoldMeetingRequest, IssueMinutesRequest, ListMeetingsRequest, ListMeetingsResponse, Meeting,
    MeetingState, PostponeMeetingRequest, RescheduleMeetingRequest, UndeleteMeetingRequest,
    UpdateMeetingRequest,
};
use taizhang_contracts::{Result, Violations};
use taizhang_ledger::{Behavior, Moment, Record, Tx, serve};

use crate::entities::{bookings, meetings};
use crate::{Meetings, calendar};
pub(crate) use rules::was_held;
pub use states::MACHINE;

/// The most bookings of one meeting.
const MOST_BOOKINGS: u64 = 1000;

impl Record for meetings::Entity {
    fn title(meeting: &Meeting) -> &str {
        &meeting.title
    }

    fn initial(meeting: &mut Meeting, _at: Moment) {
        meeting.set_state(MACHINE.initial);
    }

    fn check(meeting: &Meeting, v: &mut Violations) {
        rules::check(meeting, v);
    }
}

impl Behavior for meetings::Entity {
    /// Releases the bookings of a meeting that is cancelled, postponed or deleted.
    async fn settle(
        meeting: &mut Meeting,
        _before: Option<&Meeting>,
        tx: &mut Tx<'_>,
    ) -> Result<()> {
        let off = matches!(
            meeting.state(),
            MeetingState::Cancelled | MeetingState::Postponed
        );
        if !off && meeting.delete_time.is_none() {
            return Ok(());
        }
        let live = Condition::all()
            .add(bookings::COLUMN.meeting.eq(meeting.name.as_str()))
            .add(bookings::COLUMN.state.eq(BookingState::Live));
        for booking in tx.select::<bookings::Entity>(live, MOST_BOOKINGS).await? {
            let mut released = booking.clone();
            released.set_state(BookingState::Released);
            tx.update::<bookings::Entity>(&booking, released).await?;
        }
        Ok(())
    }
}

serve! {
    MeetingService for Meetings, meetings {
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
