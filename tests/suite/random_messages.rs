//! Random messages that follow the rules in the descriptors. Fields that are refused by other rules
//! are generated anew, using the text of the refusal.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value,
};
use rand::prelude::*;
use taizhang_contracts::common::{Date, Rule};
use taizhang_contracts::date::{instant, local_day, timestamp};
use taizhang_ledger::Clock;
use tonic_types::FieldViolation;

use crate::served_methods::{pattern, rule};

/// The office's time zone.
const ZONE: chrono_tz::Tz = chrono_tz::Asia::Shanghai;

/// Fields that every resource or request has and the callers set.
const COMMON: &[&str] = &[
    "name",
    "etag",
    "create_time",
    "update_time",
    "delete_time",
    "parent",
    "request_id",
    "validate_only",
    "update_mask",
];

/// A few texts, so that they repeat.
const TEXTS: &[&str] = &[
    "县水利局",
    "县发改局",
    "城关镇",
    "东山乡",
    "张三",
    "李四",
    "第三期",
    "修渠",
];

/// The names of existing records, by collection, for references.
pub type Names = BTreeMap<String, Vec<String>>;

/// Generates messages.
pub struct MessageGenerator<'a> {
    pub rng: &'a mut StdRng,
    pub names: &'a Names,
    /// The probability that an optional field is set.
    pub density: f64,
    /// The last day or time generated; those of later fields are later.
    pub at: DateTime<Utc>,
    /// The most days from one generated day to the next.
    pub stride: i64,
}

impl MessageGenerator<'_> {
    pub fn message(&mut self, of: &MessageDescriptor) -> DynamicMessage {
        let mut message = DynamicMessage::new(of.clone());
        let alternatives = of.oneofs().filter(|o| !o.is_synthetic());
        let mut chosen: Vec<FieldDescriptor> = alternatives
            .filter_map(|o| o.fields().choose(self.rng))
            .collect();
        chosen.extend(of.fields().filter(|f| {
            let alternative = f.containing_oneof().is_some_and(|o| !o.is_synthetic());
            !alternative && (rule(f).required || self.rng.random_bool(self.density))
        }));
        chosen.sort_by_key(FieldDescriptor::number);
        for field in chosen.into_iter().filter(is_generated) {
            if let Some(value) = self.value(&field) {
                message.set_field(&field, value);
            }
        }
        message
    }

    fn value(&mut self, field: &FieldDescriptor) -> Option<Value> {
        let rule = rule(field);
        if !field.is_list() {
            return self.one(field, &rule);
        }
        let entries = self.rng.random_range(1..=rule.max_items.clamp(1, 3));
        let entries = (0..entries).filter_map(|_| self.one(field, &rule));
        Some(Value::List(entries.collect()))
    }

    fn one(&mut self, field: &FieldDescriptor, rule: &Rule) -> Option<Value> {
        let value = match field.kind() {
            Kind::String if !rule.reference.is_empty() => {
                Value::String(self.reference(&rule.reference)?)
            }
            Kind::String => {
                let text = TEXTS.choose(self.rng)?;
                Value::String(text.chars().take(rule.max.try_into().ok()?).collect())
            }
            Kind::Int32 => Value::I32(self.number(field, rule).try_into().ok()?),
            Kind::Int64 => Value::I64(self.number(field, rule)),
            Kind::Bool => Value::Bool(self.rng.random_bool(0.5)),
            Kind::Enum(values) => {
                let given = values.values().map(|v| v.number()).filter(|n| *n != 0);
                Value::EnumNumber(given.choose(self.rng)?)
            }
            Kind::Message(m) => Value::Message(match m.full_name() {
                "taizhang.common.v1.Date" => self.day(m),
                "google.protobuf.Timestamp" => self.time(m),
                _ => self.message(&m),
            }),
            other => panic!("{other:?} of {}", field.full_name()),
        };
        Some(value)
    }

    /// The name of an existing record; `None` if there is none.
    fn reference(&mut self, collection: &str) -> Option<String> {
        self.names.get(collection)?.choose(self.rng).cloned()
    }

    fn number(&mut self, field: &FieldDescriptor, rule: &Rule) -> i64 {
        let most = if rule.max == 0 { 1000 } else { rule.max };
        if field.name() == "year" {
            return self.rng.random_range(2021..=2024).clamp(rule.min, most);
        }
        let least = rule.min.max(rule.required.into());
        self.rng.random_range(least..=most.min(least + 60))
    }

    fn day(&mut self, of: MessageDescriptor) -> DynamicMessage {
        self.at += TimeDelta::days(self.rng.random_range(0..=self.stride));
        let day = Date::from(local_day(self.at, ZONE));
        let mut message = DynamicMessage::new(of);
        message.transcode_from(&day).unwrap();
        message
    }

    fn time(&mut self, of: MessageDescriptor) -> DynamicMessage {
        self.at += TimeDelta::minutes(self.rng.random_range(10..=600));
        let mut message = DynamicMessage::new(of);
        message.transcode_from(&timestamp(self.at)).unwrap();
        message
    }

    /// Generates a refused field anew or clears it. A day follows the one in the refusal's text, if
    /// there is one.
    pub fn redraw(&mut self, request: &mut DynamicMessage, refused: &FieldViolation) {
        let Some((message, field)) = locate(request, &refused.field) else {
            return;
        };
        if !is_generated(&field) {
            return;
        }
        if let Some(name) =
            expected_collection(&refused.description).and_then(|c| self.reference(c))
        {
            message.set_field(&field, Value::String(name));
            return;
        }
        let before = message
            .has_field(&field)
            .then(|| message.get_field(&field).into_owned());
        if before.is_some() && !rule(&field).required && self.rng.random_bool(0.4) {
            message.clear_field(&field);
            return;
        }
        if let Some(day) = mentioned_day(&refused.description) {
            self.at = day;
        } else if let Some(Value::Message(before)) = &before {
            let days = TimeDelta::days(self.rng.random_range(-30..=60));
            let from = instants(before).last().copied();
            self.at = [from, Some(self.at), Some(Clock::system().now())]
                .into_iter()
                .flatten()
                .choose(self.rng)
                .unwrap()
                + days;
        }
        if let Some(value) = self.value(&field) {
            message.set_field(&field, value);
        }
    }
}

/// Whether a field is generated.
fn is_generated(field: &FieldDescriptor) -> bool {
    let parent = field.parent_message();
    let request = parent.get_field_by_name("validate_only").is_some();
    let whole = request || pattern(parent).is_some();
    // The caller's id of a new record, such as `meeting_id`.
    let id = request && field.name().ends_with("_id");
    !(rule(field).output_only || id || whole && COMMON.contains(&field.name()))
}

/// The collection that a refusal expects a name of.
fn expected_collection(description: &str) -> Option<&str> {
    let (_, rest) = description.split_once("offices/{office}/")?;
    rest.split_once('/').map(|(collection, _)| collection)
}

/// The first day in a text, such as `2022-01-31`.
fn mentioned_day(text: &str) -> Option<DateTime<Utc>> {
    let days = text
        .char_indices()
        .filter_map(|(at, _)| text.get(at..at + 10));
    let day = days
        .into_iter()
        .find_map(|text| text.parse::<NaiveDate>().ok())?;
    Some(noon(day))
}

/// Noon of a day in the office.
fn noon(day: NaiveDate) -> DateTime<Utc> {
    day.and_hms_opt(4, 0, 0).unwrap().and_utc()
}

/// The field at a path such as `meeting.agenda_items[0].title`, and the message that it is in.
fn locate<'m>(
    message: &'m mut DynamicMessage,
    path: &str,
) -> Option<(&'m mut DynamicMessage, FieldDescriptor)> {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let (name, index) = first.split_once('[').unwrap_or((first, ""));
    let field = message.descriptor().get_field_by_name(name)?;
    if rest.is_empty() {
        return Some((message, field));
    }
    match message.get_field_mut(&field) {
        Value::Message(inner) => locate(inner, rest),
        Value::List(entries) => {
            let entry = entries.get_mut(index.trim_end_matches(']').parse::<usize>().ok()?)?;
            locate(entry.as_message_mut()?, rest)
        }
        _ => None,
    }
}

/// All days and times in a message, in order, except the common fields.
pub fn instants(message: &DynamicMessage) -> Vec<DateTime<Utc>> {
    let mut found = Vec::new();
    collect_instants(message, &mut found);
    found.sort();
    found
}

fn collect_instants(message: &DynamicMessage, found: &mut Vec<DateTime<Utc>>) {
    match message.descriptor().full_name() {
        "taizhang.common.v1.Date" => {
            let day = message.transcode_to::<Date>().ok().and_then(|d| d.naive());
            found.extend(day.map(noon));
        }
        "google.protobuf.Timestamp" => {
            found.extend(message.transcode_to().ok().and_then(|t| instant(&t)))
        }
        _ => {
            for (field, value) in message.fields() {
                if pattern(&message.descriptor()).is_some() && COMMON.contains(&field.name()) {
                    continue;
                }
                match value {
                    Value::Message(inner) => collect_instants(inner, found),
                    Value::List(entries) => {
                        entries
                            .iter()
                            .filter_map(Value::as_message)
                            .for_each(|m| collect_instants(m, found));
                    }
                    _ => {}
                }
            }
        }
    }
}
