#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::sheets::record::Record;

fn place() -> Place {
    Place {
        office: "offices/demo".into(),
        zone: chrono_tz::Asia::Shanghai,
    }
}

fn shape(record: &str, path: &str) -> Shape {
    let record = Record::named(record).unwrap();
    let column = record.columns.iter().find(|c| c.dotted() == path);
    column.unwrap().shape.clone()
}

fn read(shape: &Shape, text: &str) -> Result<Value, String> {
    shape.read(&Cell::Text(text.into()), &place())
}

/// What a text is once it was read and is shown again.
fn again(shape: &Shape, text: &str) -> String {
    shape.show(&read(shape, text).unwrap(), &place())
}

#[test]
fn the_ways_to_write_a_day_come_to_the_same() {
    for text in ["2022-01-05", "2022年1月5日", "2022/1/5", " 2022.1.5 "] {
        assert_eq!(again(&Shape::Day, text), "2022-01-05");
    }
    for bad in ["2022-13-05", "44566", "去年", "2022-01-05 09:30", "2022-1"] {
        assert!(read(&Shape::Day, bad).is_err(), "{bad}");
    }
    let noon = NaiveDate::from_ymd_opt(2022, 1, 5)
        .unwrap()
        .and_hms_opt(12, 0, 0);
    assert!(
        Shape::Day
            .read(&Cell::Time(noon.unwrap()), &place())
            .is_err()
    );
}

#[test]
fn times_are_those_of_the_office() {
    let shape = Shape::Instant;
    for text in [
        "2022-01-05 09:30",
        "2022/1/5 9:30:00",
        "2022年1月5日 9：30",
        "2022年1月5日9:30",
    ] {
        assert_eq!(again(&shape, text), "2022-01-05 09:30");
        let value = read(&shape, text).unwrap();
        let time: prost_types::Timestamp = value.as_message().unwrap().transcode_to().unwrap();
        assert_eq!(time.seconds, 1_641_346_200);
    }
    assert_eq!(
        again(&shape, "2022-01-05 09:30:01.5"),
        "2022-01-05 09:30:01.500"
    );
}

#[test]
fn numbers_money_and_yes() {
    assert_eq!(
        read(&Shape::Number(true), "1,200").unwrap(),
        Value::I32(1200)
    );
    assert!(read(&Shape::Number(true), "12,00").is_err());
    assert!(read(&Shape::Number(true), "30.5").is_err());
    assert!(read(&Shape::Number(true), "3000000000").is_err());
    for (text, fen) in [
        ("12", 1200),
        ("12.5元", 1250),
        ("1,234.56", 123_456),
        ("-0.05", -5),
    ] {
        assert_eq!(
            read(&Shape::Money, text).unwrap(),
            Value::I64(fen),
            "{text}"
        );
    }
    for bad in ["12.345", "一百", "1.-5", "--1", ""] {
        assert!(read(&Shape::Money, bad).is_err(), "{bad}");
    }
    assert_eq!(read(&Shape::Bool, "√").unwrap(), Value::Bool(true));
    assert!(read(&Shape::Bool, "也许").is_err());
}

#[test]
fn terms_stand_for_values() {
    let kind = shape("meetings", "kind");
    assert_eq!(again(&kind, "常委会会议"), "常委会会议");
    assert_eq!(again(&kind, "MEETING_KIND_ON_SITE"), "现场会");
    assert!(read(&kind, "茶话会").unwrap_err().contains("座谈会"));
}

#[test]
fn people_are_named_in_one_cell() {
    let people = shape("meetings", "participants");
    let three = again(&people, "王一、李二、张三");
    assert_eq!(three, "王一///出席/否；李二///出席/否；张三///出席/否");
    let one = "王一/县委办/主任/列席/是";
    assert_eq!(again(&people, one), one);
    assert!(read(&people, "王一/县委办/主任/旁听").is_err());
}

#[test]
fn references_are_ids_and_know_their_office() {
    let meeting = shape("decisions", "meeting");
    let name = |text: &str| read(&meeting, text).unwrap().as_str().unwrap().to_owned();
    assert_eq!(name("m1"), "offices/demo/meetings/m1");
    assert_eq!(again(&meeting, "m1"), "m1");
    // From another office; ids that were made there can't be given here.
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
    assert_eq!(again(&meeting, &own), own);
}

#[test]
fn every_column_has_a_header_and_every_value_a_term_of_its_own() {
    for record in Record::all() {
        let headers: BTreeSet<_> = record.columns.iter().map(|c| &c.header).collect();
        assert_eq!(headers.len(), record.columns.len(), "{}", record.term);
        for column in &record.columns {
            if let Shape::Choice(values) = &column.shape {
                let terms: BTreeSet<_> = values.iter().map(|(.., term)| term).collect();
                assert_eq!(terms.len(), values.len(), "{}", column.header);
            }
        }
    }
}

fn text() -> impl Strategy<Value = String> {
    "[一二ab/；;、\\\\ \n'=]{0,6}[一b/、]"
}

proptest! {
    #[test]
    fn lists_come_back_whatever_is_in_them(texts in prop::collection::vec(text(), 0..5)) {
        let shape = Shape::List(Box::new(Shape::Text));
        let texts: Vec<_> = texts.iter().map(|t| Value::String(t.trim().to_owned())).collect();
        let value = Value::List(texts);
        let shown = shape.show(&value, &place());
        prop_assert_eq!(shape.read_text(&shown, &place()).unwrap(), value);
    }

    #[test]
    fn entries_come_back_whatever_is_in_them(
        people in prop::collection::vec((text(), text(), 1..=3, any::<bool>()), 0..4)
    ) {
        let shape = shape("meetings", "participants");
        let Shape::Entries(parts) = &shape else { panic!() };
        let people: Vec<_> = people.iter().map(|(person, unit, role, present)| {
            let mut entry = DynamicMessage::new(parts[0].0.parent_message().clone());
            entry.set_field_by_name("person", Value::String(person.trim().to_owned()));
            entry.set_field_by_name("unit", Value::String(unit.trim().to_owned()));
            entry.set_field_by_name("role", Value::EnumNumber(*role));
            entry.set_field_by_name("present", Value::Bool(*present));
            Value::Message(entry)
        }).collect();
        let value = Value::List(people);
        let shown = shape.show(&value, &place());
        let back = shape.read_text(&shown, &place()).unwrap();
        prop_assert_eq!(shape.show(&back, &place()), shown);
        prop_assert_eq!(back, value);
    }

    #[test]
    fn money_comes_back(fen in any::<i64>()) {
        prop_assert_eq!(super::fen(&yuan(fen)).unwrap(), fen);
    }

    #[test]
    fn times_come_back(seconds in 0_i64..4_000_000_000, nanos in 0_u32..1_000_000_000) {
        let time = DateTime::from_timestamp(seconds, nanos).unwrap();
        let value = message("google.protobuf.Timestamp", &date::timestamp(time));
        let shown = Shape::Instant.show(&value, &place());
        let back = Shape::Instant.read_text(&shown, &place()).unwrap();
        // When clocks were set back an hour of the clock was there twice.
        prop_assert_eq!(Shape::Instant.show(&back, &place()), shown);
    }
}
