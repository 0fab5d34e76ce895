#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

fn context() -> OfficeContext {
    OfficeContext {
        office: "offices/demo".into(),
        zone: chrono_tz::Asia::Shanghai,
    }
}

/// What the cells of a field of a message hold.
fn cell_type(message: &str, field: &str) -> CellType {
    let pool = taizhang_contracts::descriptors::pool();
    let message = pool.get_message_by_name(message).unwrap();
    CellType::of(&message.get_field_by_name(field).unwrap()).unwrap()
}

fn parse(cell_type: &CellType, text: &str) -> Result<Value, String> {
    cell_type.parse(&Cell::Text(text.into()), &context())
}

/// A text that was parsed and formatted again.
fn reformatted(cell_type: &CellType, text: &str) -> String {
    cell_type.format(&parse(cell_type, text).unwrap(), &context())
}

#[test]
fn days_are_parsed_however_they_are_written() {
    for text in ["2022-01-05", "2022年1月5日", "2022/1/5", " 2022.1.5 "] {
        assert_eq!(reformatted(&CellType::Day, text), "2022-01-05");
    }
    for bad in ["2022-13-05", "44566", "去年", "2022-01-05 09:30", "2022-1"] {
        assert!(parse(&CellType::Day, bad).is_err(), "{bad}");
    }
    let noon = NaiveDate::from_ymd_opt(2022, 1, 5)
        .unwrap()
        .and_hms_opt(12, 0, 0);
    assert!(
        CellType::Day
            .parse(&Cell::Time(noon.unwrap()), &context())
            .is_err()
    );
}

#[test]
fn times_are_local_times_of_the_office() {
    let cell_type = CellType::Instant;
    for text in [
        "2022-01-05 09:30",
        "2022/1/5 9:30:00",
        "2022年1月5日 9：30",
        "2022年1月5日9:30",
    ] {
        assert_eq!(reformatted(&cell_type, text), "2022-01-05 09:30");
        let value = parse(&cell_type, text).unwrap();
        let time: prost_types::Timestamp = value.as_message().unwrap().transcode_to().unwrap();
        assert_eq!(time.seconds, 1_641_346_200);
    }
    assert_eq!(
        reformatted(&cell_type, "2022-01-05 09:30:01.5"),
        "2022-01-05 09:30:01.500"
    );
}

#[test]
fn numbers_amounts_and_booleans_are_parsed() {
    assert_eq!(
        parse(&CellType::Number(true), "1,200").unwrap(),
        Value::I32(1200)
    );
    assert!(parse(&CellType::Number(true), "12,00").is_err());
    assert!(parse(&CellType::Number(true), "30.5").is_err());
    assert!(parse(&CellType::Number(true), "3000000000").is_err());
    for (text, fen) in [
        ("12", 1200),
        ("12.5元", 1250),
        ("1,234.56", 123_456),
        ("-0.05", -5),
    ] {
        assert_eq!(
            parse(&CellType::Money, text).unwrap(),
            Value::I64(fen),
            "{text}"
        );
    }
    for bad in ["12.345", "一百", "1.-5", "--1", ""] {
        assert!(parse(&CellType::Money, bad).is_err(), "{bad}");
    }
    assert_eq!(parse(&CellType::Bool, "√").unwrap(), Value::Bool(true));
    assert!(parse(&CellType::Bool, "也许").is_err());
}

#[test]
fn enum_values_are_written_as_terms() {
    let kind = cell_type("taizhang.meetings.v1.Meeting", "kind");
    assert_eq!(reformatted(&kind, "常委会会议"), "常委会会议");
    assert_eq!(reformatted(&kind, "MEETING_KIND_ON_SITE"), "现场会");
    assert!(parse(&kind, "茶话会").unwrap_err().contains("座谈会"));
}

#[test]
fn people_are_entries_of_one_cell() {
    let people = cell_type("taizhang.meetings.v1.Meeting", "participants");
    let three = reformatted(&people, "王一、李二、张三");
    assert_eq!(three, "王一///出席/否；李二///出席/否；张三///出席/否");
    let one = "王一/县委办/主任/列席/是";
    assert_eq!(reformatted(&people, one), one);
    assert!(parse(&people, "王一/县委办/主任/旁听").is_err());
}

#[test]
fn references_are_ids_of_the_office() {
    let meeting = cell_type("taizhang.meetings.v1.Decision", "meeting");
    let name = |text: &str| parse(&meeting, text).unwrap().as_str().unwrap().to_owned();
    assert_eq!(name("m1"), "offices/demo/meetings/m1");
    assert_eq!(reformatted(&meeting, "m1"), "m1");
    // In an export of another office; ids that were generated there can't be assigned here.
    assert_eq!(
        name("offices/other/meetings/m1"),
        "offices/demo/meetings/m1"
    );
    let made = "01890a5d-ac96-774b-bcce-b302099a8057";
    assert_eq!(
        name(&format!("offices/other/meetings/{made}")),
        format!("offices/demo/meetings/r-{made}")
    );
    let own = format!("offices/demo/meetings/{made}");
    assert_eq!(name(&own), own);
    assert_eq!(reformatted(&meeting, &own), own);
}

fn text() -> impl Strategy<Value = String> {
    "[一二ab/；;、\\\\ \n'=]{0,6}[一b/、]"
}

proptest! {
    #[test]
    fn lists_round_trip(texts in prop::collection::vec(text(), 0..5)) {
        let cell_type = CellType::List(Box::new(CellType::Text));
        let texts: Vec<_> = texts.iter().map(|t| Value::String(t.trim().to_owned())).collect();
        let value = Value::List(texts);
        let text = cell_type.format(&value, &context());
        prop_assert_eq!(cell_type.parse_text(&text, &context()).unwrap(), value);
    }

    #[test]
    fn entries_round_trip(
        people in prop::collection::vec((text(), text(), 1..=3, any::<bool>()), 0..4)
    ) {
        let cell_type = cell_type("taizhang.meetings.v1.Meeting", "participants");
        let CellType::Entries(parts) = &cell_type else { panic!() };
        let people: Vec<_> = people.iter().map(|(person, unit, role, present)| {
            let mut entry = DynamicMessage::new(parts[0].0.parent_message().clone());
            entry.set_field_by_name("person", Value::String(person.trim().to_owned()));
            entry.set_field_by_name("unit", Value::String(unit.trim().to_owned()));
            entry.set_field_by_name("role", Value::EnumNumber(*role));
            entry.set_field_by_name("present", Value::Bool(*present));
            Value::Message(entry)
        }).collect();
        let value = Value::List(people);
        let text = cell_type.format(&value, &context());
        let back = cell_type.parse_text(&text, &context()).unwrap();
        prop_assert_eq!(cell_type.format(&back, &context()), text);
        prop_assert_eq!(back, value);
    }

    #[test]
    fn amounts_round_trip(fen in any::<i64>()) {
        prop_assert_eq!(super::fen(&yuan(fen)).unwrap(), fen);
    }

    #[test]
    fn times_round_trip(seconds in 0_i64..4_000_000_000, nanos in 0_u32..1_000_000_000) {
        let time = DateTime::from_timestamp(seconds, nanos).unwrap();
        let value = message("google.protobuf.Timestamp", &date::timestamp(time));
        let text = CellType::Instant.format(&value, &context());
        let back = CellType::Instant.parse_text(&text, &context()).unwrap();
        // Where clocks were set back, one local time stands for two instants.
        prop_assert_eq!(CellType::Instant.format(&back, &context()), text);
    }
}
