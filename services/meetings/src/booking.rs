//! Bookings of rooms and video lines (场地和线路预订).
//!
//! That two live bookings of one facility never overlap is a constraint of the database (see
//! `migration.rs`). The rule here says so first, and names the meeting that holds the slot.

use chrono::TimeDelta;
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use taizhang_contracts::date::instant;
use taizhang_contracts::meetings::booking_service_server::BookingService;
use taizhang_contracts::meetings::{
    Booking, BookingState, CreateBookingRequest, Facility, FacilityKind, GetBookingRequest,
    ListBookingsRequest, ListBookingsResponse, Meeting, MeetingState, ReleaseBookingRequest,
};
use taizhang_contracts::{Error, Reason, Resource, Result, Violations};
use taizhang_ledger::column::time;
use taizhang_ledger::transition::{Machine, leads};
use taizhang_ledger::{Column, Moment, Record, Tx, enum_column, serve};

use crate::Meetings;

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

impl Record<Meetings> for Booking {
    const TABLE: &'static str = "bookings";

    const COLUMNS: &'static [Column<Self>] = &[
        Column::text("facility", |b| b.facility.as_str().into()),
        Column::text("meeting", |b| b.meeting.as_str().into()),
        Column::instant("start_time", |b| time(b.start_time.as_ref())),
        Column::instant("end_time", |b| time(b.end_time.as_ref())),
        enum_column!(Booking, state: BookingState),
    ];

    fn title(&self) -> &str {
        &self.meeting
    }

    fn initial(&mut self, _at: Moment) {
        self.set_state(MACHINE.initial);
    }

    fn check(&self, v: &mut Violations) {
        let times = (
            self.start_time.as_ref().and_then(instant),
            self.end_time.as_ref().and_then(instant),
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

    async fn settle(&mut self, before: Option<&Self>, tx: &mut Tx<'_, Meetings>) -> Result<()> {
        if before.is_some() {
            return Ok(());
        }
        let facility: Facility = tx.refer("booking.facility", &self.facility).await?;
        let meeting: Meeting = tx.refer("booking.meeting", &self.meeting).await?;
        bookable(&facility, &meeting)?;
        match tx.select::<Self>(overlapping(self), 1).await?.first() {
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

/// What can be booked, and for what.
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
    Condition::all()
        .add(Expr::col("facility").eq(booking.facility.as_str()))
        .add(Expr::col("state").eq(BookingState::Live as i64))
        .add(Expr::col("start_time").lt(time(booking.end_time.as_ref())))
        .add(Expr::col("end_time").gt(time(booking.start_time.as_ref())))
}

fn release(booking: &mut Booking, _q: &ReleaseBookingRequest, _at: Moment) -> Result<()> {
    booking.set_state(MACHINE.next("ReleaseBooking", booking.state())?);
    Ok(())
}

serve! {
    BookingService for Meetings {
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
    fn rooms_and_lines_are_booked_for_coming_meetings() {
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
