//! Parses cells into values and formats values as cells. Pure.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Timelike};
use chrono_tz::Tz;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, Value};
use taizhang_contracts::common::Date;
use taizhang_contracts::date;
use taizhang_contracts::name::{is_id, split as split_name};

use crate::hints;
use taizhang_contracts::terms;

/// A cell as it is read from a spreadsheet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// An empty cell.
    Blank,
    /// A text, or the text of a number.
    Text(String),
    /// A date or time that the spreadsheet stores as such.
    Time(NaiveDateTime),
}

/// The office whose records the cells hold.
#[derive(Debug, Clone)]
pub struct OfficeContext {
    /// Its name, `offices/{office}`.
    pub office: String,
    /// Its time zone.
    pub zone: Tz,
}

/// What the cells of a column hold.
#[derive(Debug, Clone)]
pub enum CellType {
    /// The name of the record itself, of this collection; the cell holds its id.
    Id(String),
    /// The name of another record, of this collection; the cell holds its id.
    Reference(String),
    /// A text.
    Text,
    /// A whole number; `true` if it has 32 bits, `false` if 64.
    Number(bool),
    /// An amount of money: in 元 in the cell, in 分 in the record.
    Money,
    /// 是 or 否.
    Bool,
    /// A day.
    Day,
    /// An instant, as local time of the office.
    Instant,
    /// A value of an enum: the number of each, its name in the contract, and the office's term.
    Choice(Vec<(i32, String, String)>),
    /// Several texts, names or other single values.
    List(Box<CellType>),
    /// Several messages, called entries, with their fields.
    Entries(Vec<(FieldDescriptor, CellType)>),
}

/// Separate the values of a list, and entries.
const SEPARATORS: &[char] = &['；', ';', '\n'];
/// Separates the values of a list, and entries if no other separator is in the cell.
const ENUMERATION: char = '、';
/// Separates the fields of an entry.
const FIELD_SEPARATOR: char = '/';
/// Precedes one of these characters where it does not separate.
const ESCAPE: char = '\\';

impl CellType {
    /// What the cells of a field hold; `None` if a cell can't hold its values.
    pub(crate) fn of(field: &FieldDescriptor) -> Option<Self> {
        let rule = terms::rule(field);
        let one = match field.kind() {
            Kind::String if !rule.reference.is_empty() => Self::Reference(rule.reference),
            Kind::String => Self::Text,
            Kind::Int32 => Self::Number(true),
            Kind::Int64 if field.name().ends_with("_fen") => Self::Money,
            Kind::Int64 => Self::Number(false),
            Kind::Bool => Self::Bool,
            Kind::Enum(values) => Self::Choice(
                values
                    .values()
                    .filter(|value| value.number() != 0)
                    .map(|v| (v.number(), v.name().to_owned(), terms::of_value(&v)))
                    .collect(),
            ),
            Kind::Message(m) => match m.full_name() {
                "taizhang.common.v1.Date" => Self::Day,
                "google.protobuf.Timestamp" => Self::Instant,
                _ if field.is_list() => {
                    let fields = m.fields().filter(|f| !terms::rule(f).output_only);
                    let parts: Option<Vec<_>> = fields
                        .map(|f| match Self::of(&f)? {
                            Self::Entries(_) => None,
                            cell_type => Some((f, cell_type)),
                        })
                        .collect();
                    return parts.map(Self::Entries);
                }
                _ => return None,
            },
            _ => return None,
        };
        Some(match one {
            one if !field.is_list() => one,
            one => Self::List(Box::new(one)),
        })
    }

    /// The value of a cell that is not blank.
    ///
    /// # Errors
    /// Says in Chinese what the cell should hold.
    pub(crate) fn parse(&self, cell: &Cell, context: &OfficeContext) -> Result<Value, String> {
        let text = match (cell, self) {
            (Cell::Blank, _) => return Err("必填".into()),
            (Cell::Time(time), Self::Instant) => return instant(*time, context.zone),
            (Cell::Time(time), Self::Day) if time.time() == NaiveTime::MIN => {
                return Ok(day(time.date()));
            }
            (Cell::Time(time), _) => time_text(*time),
            (Cell::Text(text), _) => text.trim().to_owned(),
        };
        self.parse_text(&text, context)
    }

    fn parse_text(&self, text: &str, context: &OfficeContext) -> Result<Value, String> {
        match self {
            // In an export of another office, the record that was imported from there is meant.
            Self::Text => Ok(Value::String(match split_name(text) {
                Some((_, collection, Some(_))) => name(text, collection, &context.office),
                _ => text.to_owned(),
            })),
            Self::Id(collection) | Self::Reference(collection) => {
                Ok(Value::String(name(text, collection, &context.office)))
            }
            Self::Number(short) => {
                let number: i64 = ungrouped(text).parse().map_err(|_| "应为整数".to_owned())?;
                match (short, i32::try_from(number)) {
                    (true, Ok(short)) => Ok(Value::I32(short)),
                    (true, Err(_)) => Err("数值过大".into()),
                    (false, _) => Ok(Value::I64(number)),
                }
            }
            Self::Money => fen(text).map(Value::I64),
            Self::Bool => match text {
                "是" | "√" | "1" | "TRUE" | "true" => Ok(Value::Bool(true)),
                "否" | "×" | "0" | "FALSE" | "false" => Ok(Value::Bool(false)),
                _ => Err("应为“是”或“否”".into()),
            },
            Self::Day => match moment(text) {
                Some((date, None)) => Ok(day(date)),
                Some((date, Some(NaiveTime::MIN))) => Ok(day(date)),
                _ => Err("应为日期，如2022-01-05".into()),
            },
            Self::Instant => match moment(text) {
                Some((date, time)) => {
                    instant(date.and_time(time.unwrap_or_default()), context.zone)
                }
                None => Err("应为时间，如2022-01-05 09:30".into()),
            },
            Self::Choice(values) => values
                .iter()
                .find(|(_, name, term)| term == text || name == text)
                .map(|(number, ..)| Value::EnumNumber(*number))
                .ok_or_else(|| {
                    let terms: Vec<_> = values.iter().map(|(.., term)| term.as_str()).collect();
                    format!("应为{}之一", terms.join("、"))
                }),
            Self::List(one) => {
                let texts = split(text, |c| SEPARATORS.contains(&c) || c == ENUMERATION);
                let texts = texts.iter().map(|text| unescaped(text));
                let texts = texts.filter(|text| !text.is_empty());
                let values: Result<_, _> = texts.map(|t| one.parse_text(&t, context)).collect();
                Ok(Value::List(values?))
            }
            Self::Entries(parts) => {
                let mut entries = split(text, |c| SEPARATORS.contains(&c));
                if entries.len() == 1 && split(text, |c| c == FIELD_SEPARATOR).len() == 1 {
                    entries = split(text, |c| c == ENUMERATION);
                }
                let entries = entries.iter().filter(|entry| !entry.trim().is_empty());
                let values: Result<_, _> = entries.map(|e| entry(e, parts, context)).collect();
                Ok(Value::List(values?))
            }
        }
    }

    /// The text of a cell that holds this value.
    pub(crate) fn format(&self, value: &Value, context: &OfficeContext) -> String {
        self.try_format(value, context).unwrap_or_default()
    }

    fn try_format(&self, value: &Value, context: &OfficeContext) -> Option<String> {
        Some(match self {
            Self::Text => value.as_str()?.to_owned(),
            Self::Id(_) | Self::Reference(_) => {
                short_name(value.as_str()?, &context.office).to_owned()
            }
            Self::Number(_) => match value {
                Value::I32(number) => number.to_string(),
                number => number.as_i64()?.to_string(),
            },
            Self::Money => yuan(value.as_i64()?),
            Self::Bool => if value.as_bool()? { "是" } else { "否" }.to_owned(),
            Self::Day | Self::Instant => {
                let (time, instant) = self.time(value, context)?;
                if instant {
                    time_text(time)
                } else {
                    time.date().to_string()
                }
            }
            Self::Choice(values) => {
                let number = value.as_enum_number()?;
                let (.., term) = values.iter().find(|(n, ..)| *n == number)?;
                term.clone()
            }
            Self::List(one) => {
                let texts = value.as_list()?.iter();
                let texts: Vec<_> = texts.map(|v| escaped(&one.format(v, context))).collect();
                texts.join("、")
            }
            Self::Entries(parts) => {
                let entries = value.as_list()?.iter().filter_map(Value::as_message);
                let entries = entries.map(|entry| {
                    let texts = parts.iter().map(|(field, cell_type)| {
                        let value = entry.get_field(field);
                        let is_set = entry.has_field(field) || matches!(cell_type, Self::Bool);
                        let text = if is_set {
                            cell_type.format(&value, context)
                        } else {
                            String::new()
                        };
                        escaped(&text)
                    });
                    let texts: Vec<_> = texts.collect();
                    texts.join("/").trim_end_matches(FIELD_SEPARATOR).to_owned()
                });
                entries.collect::<Vec<_>>().join("；")
            }
        })
    }

    /// The local time of a day or instant, and whether it is an instant; `None` for other values.
    pub(crate) fn time(
        &self,
        value: &Value,
        context: &OfficeContext,
    ) -> Option<(NaiveDateTime, bool)> {
        let message = value.as_message()?;
        match self {
            Self::Day => {
                let day: Date = message.transcode_to().ok()?;
                Some((day.naive()?.and_time(NaiveTime::MIN), false))
            }
            Self::Instant => {
                let time = date::instant(&message.transcode_to().ok()?)?;
                Some((time.with_timezone(&context.zone).naive_local(), true))
            }
            _ => None,
        }
    }

    /// How to fill in a cell, in Chinese.
    pub(crate) fn instructions(&self) -> String {
        match self {
            Self::Id(_) => "选填；小写字母、数字和连字符，如m202201；同一编号只导入一次".to_owned(),
            Self::Reference(collection) => format!("{collection}中记录的编号"),
            Self::Text => "文字".to_owned(),
            Self::Number(_) => "整数".to_owned(),
            Self::Money => "金额，单位元".to_owned(),
            Self::Bool => "是、否".to_owned(),
            Self::Day => "日期，如2022-01-05".to_owned(),
            Self::Instant => "时间，如2022-01-05 09:30".to_owned(),
            Self::Choice(values) => {
                let terms: Vec<_> = values.iter().map(|(.., term)| term.as_str()).collect();
                terms.join("、")
            }
            Self::List(one) => format!("{}；多项用、或；隔开", one.instructions()),
            Self::Entries(parts) => {
                let mut text = String::from("每项为 ");
                for (i, (field, cell_type)) in parts.iter().enumerate() {
                    let slash = if i == 0 { "" } else { "/" };
                    // Writing to a String can't fail.
                    let _ = write!(text, "{slash}{}", terms::of_field(field));
                    if let Self::Choice(_) | Self::Bool = cell_type {
                        let _ = write!(text, "（{}）", cell_type.instructions());
                    }
                    if let Self::Money = cell_type {
                        text.push_str("（元）");
                    }
                }
                text + "；后面的可省略；多项用；隔开"
            }
        }
    }
}

/// One entry: its fields separated by slashes; those at the end may be left out.
fn entry(
    text: &str,
    parts: &[(FieldDescriptor, CellType)],
    context: &OfficeContext,
) -> Result<Value, String> {
    let Some((first, _)) = parts.first() else {
        return Err("无法填写".into());
    };
    let mut message = DynamicMessage::new(first.parent_message().clone());
    let texts = split(text, |c| c == FIELD_SEPARATOR);
    if texts.len() > parts.len() {
        let terms: Vec<_> = parts.iter().map(|(f, _)| terms::of_field(f)).collect();
        return Err(format!("每项至多{}项：{}", parts.len(), terms.join("/")));
    }
    for (i, (field, cell_type)) in parts.iter().enumerate() {
        let text = texts.get(i).map(|text| unescaped(text)).unwrap_or_default();
        if !text.is_empty() {
            let value = cell_type.parse_text(&text, context);
            let value = value.map_err(|reason| format!("{}{reason}", terms::of_field(field)))?;
            message.set_field(field, value);
        } else if let Some((_, number)) = hints::DEFAULT_VALUES
            .iter()
            .find(|(name, _)| *name == field.full_name())
        {
            message.set_field(field, Value::EnumNumber(*number));
        }
    }
    Ok(Value::Message(message))
}

/// The parts of a text between separators, still escaped.
fn split(text: &str, separates: impl Fn(char) -> bool) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match parts.last_mut() {
            Some(part) if c == ESCAPE => {
                part.push(c);
                part.extend(chars.next());
            }
            Some(part) if !separates(c) => part.push(c),
            _ => parts.push(String::new()),
        }
    }
    parts
}

/// A part without its escapes, trimmed.
fn unescaped(part: &str) -> String {
    let mut text = String::new();
    let mut chars = part.trim().chars();
    while let Some(c) = chars.next() {
        match c {
            ESCAPE => text.extend(chars.next()),
            c => text.push(c),
        }
    }
    text
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if SEPARATORS.contains(&c) || [ENUMERATION, FIELD_SEPARATOR, ESCAPE].contains(&c) {
            escaped.push(ESCAPE);
        }
        escaped.push(c);
    }
    escaped
}

/// The name of a record of this office, from its id, or from the name that it has in another office.
fn name(text: &str, collection: &str, office: &str) -> String {
    let id = match split_name(text) {
        Some((of, ..)) if of.to_string() == office => return text.to_owned(),
        Some((_, of, Some(id))) if of == collection => assignable_id(id),
        _ => text.to_owned(),
    };
    format!("{office}/{collection}/{id}")
}

/// The id itself if a caller can assign it. Ids that services generate can't be assigned: they get the
/// prefix `r-`.
pub(crate) fn assignable_id(id: &str) -> String {
    if is_id(id) {
        id.to_owned()
    } else {
        format!("r-{id}")
    }
}

/// The id of a record of this office if a caller can assign it; the whole name of any other.
fn short_name<'n>(name: &'n str, office: &str) -> &'n str {
    match split_name(name) {
        Some((of, _, Some(id))) if of.to_string() == office && is_id(id) => id,
        _ => name,
    }
}

/// A number without its thousands separators, if they are where they belong.
fn ungrouped(text: &str) -> String {
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut groups = whole.trim_start_matches('-').split(',');
    let first = groups.next().unwrap_or_default().len();
    let grouped = (1..=3).contains(&first) && groups.all(|group| group.len() == 3);
    if grouped {
        whole.replace(',', "") + rest
    } else {
        text.to_owned()
    }
}

/// Parses an amount in 元 into 分.
fn fen(text: &str) -> Result<i64, String> {
    let bad = || "应为金额（元），至多两位小数".to_owned();
    let text = ungrouped(text.trim_end_matches('元').trim_end());
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let amount = whole.strip_prefix('-').unwrap_or(whole);
    if amount.is_empty() || part.len() > 2 || !digits(part) || !digits(amount) {
        return Err(bad());
    }
    let fen: i64 = format!("{whole}{part:0<2}").parse().map_err(|_| bad())?;
    Ok(fen)
}

/// Formats an amount in 分 as 元.
fn yuan(fen: i64) -> String {
    let sign = if fen < 0 { "-" } else { "" };
    let fen = fen.unsigned_abs();
    match fen % 100 {
        0 => format!("{sign}{}", fen / 100),
        part => format!("{sign}{}.{part:02}", fen / 100),
    }
}

/// Parses a date, and the time if there is one.
fn moment(text: &str) -> Option<(NaiveDate, Option<NaiveTime>)> {
    let text = text.replace(['年', '月', '/', '.'], "-");
    // The dot of the seconds was replaced too; it is restored below.
    let text = text.replace(['日', 'T'], " ").replace('：', ":");
    let (date, time) = text.split_once(' ').unwrap_or((&text, ""));
    let mut parts = date.split('-');
    let mut number = || parts.next()?.parse::<u32>().ok();
    let (year, month, day) = (number()?, number()?, number()?);
    if parts.next().is_some() || !(1..=9999).contains(&year) {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(year.try_into().ok()?, month, day)?;
    let time = time.trim().replace('-', ".");
    if time.is_empty() {
        return Some((date, None));
    }
    let time = ["%H:%M", "%H:%M:%S", "%H:%M:%S%.f"]
        .iter()
        .find_map(|format| NaiveTime::parse_from_str(&time, format).ok())?;
    Some((date, Some(time)))
}

/// The text of a time, with seconds only if there are any.
fn time_text(time: NaiveDateTime) -> String {
    let format = match (time.second(), time.nanosecond()) {
        (0, 0) => "%Y-%m-%d %H:%M",
        _ => "%Y-%m-%d %H:%M:%S%.f",
    };
    time.format(format).to_string()
}

fn day(day: NaiveDate) -> Value {
    message("taizhang.common.v1.Date", &Date::from(day))
}

fn instant(time: NaiveDateTime, zone: Tz) -> Result<Value, String> {
    let time = zone.from_local_datetime(&time).earliest();
    let time: DateTime<Tz> = time.ok_or_else(|| "当地没有这一时刻".to_owned())?;
    if !(1..=9999).contains(&time.year()) {
        return Err("年份应在1到9999之间".into());
    }
    let time = date::timestamp(time.to_utc());
    Ok(message("google.protobuf.Timestamp", &time))
}

fn message<M: prost::Message>(name: &str, of: &M) -> Value {
    let descriptor = taizhang_contracts::descriptors::pool().get_message_by_name(name);
    match descriptor.map(|d| DynamicMessage::decode(d, of.encode_to_vec().as_slice())) {
        Some(Ok(message)) => Value::Message(message),
        // Both are in the contracts.
        _ => Value::String(String::new()),
    }
}

#[cfg(test)]
mod tests;
