//! Bulk-loads many records of one office into the tables by COPY: bodies and declared columns as the
//! ledger stores them, without history.

use chrono::{DateTime, Days, NaiveDate};
use prost::Message;
use sea_orm::sqlx::postgres::PgPoolCopyExt;
use sea_orm::{DatabaseConnection, Value};
use taizhang_contracts::common::{Date, Level};
use taizhang_contracts::date::timestamp;
use taizhang_contracts::meetings::{
    Facility, FacilityKind, Lecture, LectureKind, LectureState, Meeting, MeetingState, SpeakerRank,
};
use taizhang_contracts::supervision::{Matter, MatterState, Source, SourceKind};
use taizhang_contracts::{Name, Office, Resource, Stored};
use taizhang_ledger::Record;

use crate::calls;

/// The first of the ten years.
pub(crate) const FIRST_YEAR: i32 = 2013;
/// The last of them.
pub(crate) const LAST_YEAR: i32 = 2022;

/// The number of records of each kind.
pub(crate) const MEETINGS: u64 = 700_000;
pub(crate) const LECTURES: u64 = 200_000;
pub(crate) const MATTERS: u64 = 100_000;
pub(crate) const FACILITIES: u64 = 20;

/// The bytes sent at once.
const CHUNK: usize = 1 << 20;

/// The day of the `i`-th of `n` records, which are spread over the ten years.
fn day(i: u64, n: u64) -> NaiveDate {
    let first = NaiveDate::from_ymd_opt(FIRST_YEAR, 1, 1).unwrap_or_default();
    first + Days::new(i * 3652 / n)
}

/// A deterministic pseudo-random number below `below`.
fn scatter(i: u64, salt: u64, below: u64) -> u64 {
    let mixed = (i.wrapping_add(salt << 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 33) % below
}

fn small(i: u64, salt: u64, below: u64) -> i32 {
    i32::try_from(scatter(i, salt, below)).unwrap_or_default()
}

/// A meeting; four of five were held.
pub(crate) fn meeting(i: u64) -> Meeting {
    let state = match scatter(i, 1, 10) {
        0 => MeetingState::Cancelled,
        1 => MeetingState::Planned,
        2 | 3 => MeetingState::MinutesIssued,
        _ => MeetingState::Held,
    };
    let held = matches!(state, MeetingState::Held | MeetingState::MinutesIssued);
    let day = day(i, MEETINGS);
    let start = day.and_hms_opt(1, 0, 0).unwrap_or_default().and_utc();
    let level = if scatter(i, 2, 50) == 0 {
        Level::Province
    } else {
        Level::County
    };
    Meeting {
        kind: 1 + small(i, 3, 13),
        state: state.into(),
        held_on: held.then(|| Date::from(day)),
        organised_by_office: scatter(i, 4, 5) > 0,
        host_level: level.into(),
        outside_county: scatter(i, 5, 9) == 0,
        start_time: Some(timestamp(start)),
        end_time: Some(timestamp(start + chrono::TimeDelta::hours(2))),
        ..calls::meeting()
    }
}

/// A lecture; nine of ten were held.
pub(crate) fn lecture(i: u64) -> Lecture {
    let kind = if scatter(i, 1, 8) > 0 {
        LectureKind::Grassroots
    } else {
        LectureKind::Other
    };
    let state = if scatter(i, 2, 10) > 0 {
        LectureState::Held
    } else {
        LectureState::Cancelled
    };
    let rank = if scatter(i, 3, 3) == 0 {
        SpeakerRank::StandingCommittee
    } else {
        SpeakerRank::Other
    };
    Lecture {
        title: "基层集中宣讲".into(),
        kind: kind.into(),
        state: state.into(),
        date: Some(Date::from(day(i, LECTURES))),
        place: "柳河镇文化站".into(),
        speaker: "岑念之".into(),
        speaker_rank: rank.into(),
        audience_count: 30 + small(i, 4, 200),
        ..Default::default()
    }
}

/// A facility: a video system and a duty room in each year.
pub(crate) fn facility(i: u64) -> Facility {
    let done = Some(Date::from(day(i / 2, FACILITIES / 2)));
    let system = i.is_multiple_of(2);
    let kind = if system {
        FacilityKind::VideoSystem
    } else {
        FacilityKind::VideoDutyRoom
    };
    Facility {
        title: "视频会议设施".into(),
        kind: kind.into(),
        installed_on: done.filter(|_| system),
        renovated_on: done.filter(|_| !system),
        ..Default::default()
    }
}

/// A matter; half of them are closed.
pub(crate) fn matter(i: u64) -> Matter {
    let registered = day(i, MATTERS);
    let reported = (scatter(i, 1, 4) > 0).then(|| registered + Days::new(9));
    let closed = reported
        .filter(|_| scatter(i, 2, 3) > 0)
        .map(|day| day + Days::new(3));
    let state = match (reported, closed) {
        (_, Some(_)) => MatterState::Closed,
        (Some(_), None) => MatterState::Reported,
        (None, _) => MatterState::InProgress,
    };
    let kind = if scatter(i, 3, 3) > 0 {
        SourceKind::Instruction
    } else {
        SourceKind::SupervisionNotice
    };
    let level = if scatter(i, 4, 2) > 0 {
        Level::County
    } else {
        Level::City
    };
    Matter {
        // Unique, but not from 1 in each year.
        number: i32::try_from(i).unwrap_or_default(),
        title: "全县农村人居环境整治".into(),
        content: "按批示要求整改落实，按期反馈".into(),
        source: Some(Source {
            kind: kind.into(),
            level: level.into(),
            by_secretary: scatter(i, 5, 2) > 0,
            record: "批示〔2022〕12号".into(),
        }),
        lead_unit: "县农业农村局".into(),
        registered_on: Some(registered.into()),
        reported_on: reported.map(Date::from),
        closed_on: closed.map(Date::from),
        due_date: Some((registered + Days::new(30)).into()),
        original_due_date: Some((registered + Days::new(30)).into()),
        state: state.into(),
        ..Default::default()
    }
}

/// Loads the records of one kind into their table.
pub(crate) async fn load<E: Record>(
    database: &DatabaseConnection,
    office: &Office,
    records: impl Iterator<Item = E::Message>,
) -> anyhow::Result<()> {
    let columns: Vec<&str> = E::FIELDS.iter().map(|field| field.column).collect();
    let copy = format!(
        "COPY {} (office, id, version, create_time, update_time, body, {}) FROM STDIN",
        E::KIND.table(),
        columns.join(", ")
    );
    let mut rows = String::new();
    let pool = database.get_postgres_connection_pool();
    let mut to = pool.copy_in_raw(&copy).await?;
    for (i, mut record) in records.enumerate() {
        put::<E>(&mut rows, office, i, &mut record);
        if rows.len() > CHUNK {
            to.send(rows.as_bytes()).await?;
            rows.clear();
        }
    }
    to.send(rows.as_bytes()).await?;
    to.finish().await?;
    Ok(())
}

/// One line of `COPY`.
fn put<E: Record>(rows: &mut String, office: &Office, i: usize, record: &mut E::Message) {
    // As long as a UUID, and in order like UUIDv7.
    let id = format!("01900000-0000-7000-8000-{i:012}");
    let now = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(19_000);
    record.set_stored(Stored {
        name: &Name::<E::Message>::new(office, &id).to_string(),
        etag: "v1",
        create_time: Some(timestamp(now)),
        update_time: Some(timestamp(now)),
        delete_time: None,
    });
    let time = now.to_rfc3339();
    rows.push_str(office.id());
    for value in [id.as_str(), "1", &time, &time, "\\\\x"] {
        rows.push('\t');
        rows.push_str(value);
    }
    rows.push_str(&hex::encode(Message::encode_to_vec(record)));
    for value in E::values(record) {
        rows.push('\t');
        match value {
            Value::String(Some(text)) => rows.push_str(&text),
            Value::BigInt(Some(number)) => rows.push_str(&number.to_string()),
            Value::Bool(Some(yes)) => rows.push_str(if yes { "t" } else { "f" }),
            Value::ChronoDate(Some(day)) => rows.push_str(&day.to_string()),
            Value::ChronoDateTimeUtc(Some(time)) => rows.push_str(&time.to_rfc3339()),
            _ => rows.push_str("\\N"),
        }
    }
    rows.push('\n');
}
