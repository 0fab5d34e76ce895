//! The tables of the service's records, as sea-orm entities. `migration.rs` creates them.
//!
//! A column knows its type:
//!
//! ```
//! use taizhang_contracts::meetings::MeetingState;
//! use taizhang_meetings::entities::meetings::COLUMN;
//! let _ = COLUMN.state.eq(MeetingState::Held);
//! ```
//!
//! ```compile_fail,E0308
//! use taizhang_meetings::entities::meetings::COLUMN;
//! let _ = COLUMN.state.eq(7);
//! ```

use taizhang_contracts::common::Level;
use taizhang_contracts::meetings::{
    Booking, BookingState, Decision, Facility, FacilityKind, Lecture, LectureKind, LectureState,
    Meeting, MeetingKind, MeetingSeries, MeetingState, SpeakerRank,
};
use taizhang_ledger::entity;

entity! {
    /// Rows of [`Booking`].
    #[sea_orm(table_name = "bookings")]
    pub mod bookings for Booking {
        facility: text,
        meeting: text,
        start_time: instant,
        end_time: instant,
        state: BookingState,
    }
}

entity! {
    /// Rows of [`Decision`].
    #[sea_orm(table_name = "decisions")]
    pub mod decisions for Decision {
        meeting: text,
        responsible_unit: text,
        due_date: day,
        decided_on: day,
    }
}

entity! {
    /// Rows of [`Facility`].
    #[sea_orm(table_name = "facilities")]
    pub mod facilities for Facility {
        kind: FacilityKind,
        installed_on: day,
        renovated_on: day,
        title: text,
        seats: number,
    }
}

entity! {
    /// Rows of [`Lecture`].
    #[sea_orm(table_name = "lectures")]
    pub mod lectures for Lecture {
        kind: LectureKind,
        state: LectureState,
        speaker_rank: SpeakerRank,
        date: day,
        audience_count: number,
        title: text,
        speaker: text,
        place: text,
    }
}

entity! {
    /// Rows of [`Meeting`].
    #[sea_orm(table_name = "meetings")]
    pub mod meetings for Meeting {
        kind: MeetingKind,
        state: MeetingState,
        host_level: Level,
        organised_by_office: bool,
        outside_county: bool,
        held_on: day,
        start_time: instant,
        end_time: instant,
        title: text,
        organiser: text,
        chair: text,
        video: bool,
        series: text,
    }
}

entity! {
    /// Rows of [`MeetingSeries`].
    #[sea_orm(table_name = "meeting_series")]
    pub mod meeting_series for MeetingSeries {
        kind: MeetingKind,
        title: text,
    }
}
