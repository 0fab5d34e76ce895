//! Bookings of rooms and video lines (场地和线路预订).
//!
//! A constraint of the database prevents overlapping live bookings of a facility (see
//! `migration.rs`). The rule here refuses them before, with the name of the meeting that holds the
//! slot.

use chrono::TimeDelta;
use prost_types::Timestamp;
use sea_orm::sea_query::Condition;
use taizhang_contracts::date::instant;
use taizhang_contracts::meetings::booking_service_server::BookingService;
use taizhang_contracts::meetings::{
    Booking, BookingState, CreateBookingRequest, Facility, FacilityKind, GetBookingRequest,
    ListBookingsRequest, ListBookingsResponse, Meeting, MeetingState, ReleaseBookingRequest,
};
use taizhang_contracts::{Error, Reason, Resource, Result, Violations};
use taizhang_ledger::column::micros;
use taizhang_ledger::transition::{Machine, leads};
use taizhang_ledger::{Behavior, Moment, Record, Tx, serve};

use crate::Meetings;
use crate::entities::{bookings, facilities, meetings};

/// The states of a booking.
pub const MACHINE: Machine<BookingState> = Machine {
    resource: "Booking",
    initial: BookingState::Live,
    transitions: &[leads(
        "ReleaseBooking",
        "释放",
        &[BookingState::Live],
        BookingState::Released,
    )],
    name: BookingState::as_str_name,
};

const LONGEST: TimeDelta = TimeDelta::days(31);

impl Record for bookings::Entity {
    fn title(booking: &Booking) -> &str {
        &booking.meeting
    }

    fn initial(booking: &mut Booking, _at: Moment) {
        booking.set_state(MACHINE.initial);
    }

    fn check(booking: &Booking, v: &mut Violations) {
        let times = (
            booking.start_time.as_ref().and_then(instant),
            booking.end_time.as_ref().and_then(instant),
        );
        if let (Some(start), Some(end)) = times
            && !(TimeDelta::zero() < end - start && end - start <= LONGEST)
        {
            v.add(
                "end_time",
                "应晚于开始时间，且不超过31天",
                "must be later than the start, by at most 31 days",
            );
        }
    }
}

impl Behavior for bookings::Entity {
    async fn settle(
        booking: &mut Booking,
        before: Option<&Booking>,
        tx: &mut Tx<'_>,
    ) -> Result<()> {
        if before.is_some() {
            return Ok(());
        }
        let facility = tx
            .refer::<facilities::Entity>("booking.facility", &booking.facility)
            .await?;
        let meeting = tx
            .refer::<meetings::Entity>("booking.meeting", &booking.meeting)
            .await?;
        bookable(&facility, &meeting)?;
        match tx.select::<Self>(overlapping(booking), 1).await?.first() {
            None => Ok(()),
            Some(holder) => Err(Error::new(Reason::SlotTaken)
                .saying(
                    format!("该时段已被{}占用", holder.meeting),
                    format!("the slot is held by {}", holder.meeting),
                )
                .about(Meeting::MESSAGE, &holder.meeting)
                .with("meeting", &holder.meeting)
                .with("booking", &holder.name)),
        }
    }
}

/// Refuses a facility that can't be booked, and a meeting that is neither planned nor convened.
fn bookable(facility: &Facility, meeting: &Meeting) -> Result<()> {
    if !matches!(
        facility.kind(),
        FacilityKind::Room | FacilityKind::VideoLine
    ) {
        return Err(Error::refused(
            "ROOMS_AND_LINES_ARE_BOOKED",
            &facility.name,
            "只有会议室和视频线路可以预订",
            "only rooms and video lines can be booked",
        ));
    }
    if !matches!(
        meeting.state(),
        MeetingState::Planned | MeetingState::Convened
    ) {
        return Err(Error::refused(
            "BOOKED_FOR_A_COMING_MEETING",
            &meeting.name,
            "会议已召开、推迟或取消，不能预订",
            "the meeting is neither planned nor convened",
        ));
    }
    Ok(())
}

fn overlapping(booking: &Booking) -> Condition {
    // The contract requires both times.
    let at = |time: Option<Timestamp>| {
        let at = time.as_ref().and_then(instant);
        at.map(micros).unwrap_or_default()
    };
    let column = bookings::COLUMN;
    Condition::all()
        .add(column.facility.eq(booking.facility.as_str()))
        .add(column.state.eq(BookingState::Live))
        .add(column.start_time.lt(at(booking.end_time)))
        .add(column.end_time.gt(at(booking.start_time)))
}

fn release(booking: &mut Booking, _q: &ReleaseBookingRequest, _at: Moment) -> Result<()> {
    booking.set_state(MACHINE.next("ReleaseBooking", booking.state())?);
    Ok(())
}

serve! {
    BookingService for Meetings, bookings {
        create_booking(CreateBookingRequest) -> Booking: create;
        get_booking(GetBookingRequest) -> Booking: get;
        list_bookings(ListBookingsRequest) -> ListBookingsResponse: list;
        release_booking(ReleaseBookingRequest) -> Booking: change(release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_and_lines_can_be_booked_for_planned_or_convened_meetings() {
        let of_kind = |kind: FacilityKind| Facility {
            kind: kind.into(),
            ..Default::default()
        };
        let meeting = |state: MeetingState| Meeting {
            state: state.into(),
            ..Default::default()
        };
        let refused = |facility: FacilityKind, state: MeetingState| {
            let error = bookable(&of_kind(facility), &meeting(state)).err()?;
            Some(error.preconditions().first()?.rule.clone())
        };
        for kind in [FacilityKind::Room, FacilityKind::VideoLine] {
            assert_eq!(refused(kind, MeetingState::Planned), None);
            assert_eq!(refused(kind, MeetingState::Convened), None);
            for state in [
                MeetingState::Held,
                MeetingState::Postponed,
                MeetingState::Cancelled,
            ] {
                let rule = refused(kind, state);
                assert_eq!(rule.as_deref(), Some("BOOKED_FOR_A_COMING_MEETING"));
            }
        }
        let rule = refused(FacilityKind::VideoSystem, MeetingState::Planned);
        assert_eq!(rule.as_deref(), Some("ROOMS_AND_LINES_ARE_BOOKED"));
    }
}
