//! The checks behind the `rule` options of fields, called by the derived implementations of
//! [`Admit`](crate::admit::Admit).

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::{IsNormalized, is_nfc_quick};

use crate::name::{is_id, split};
use crate::{Office, Violations};

/// The page size for the one that a caller gave: 50 for 0, at most 1,000 (AIP-158).
pub fn page_limit(page_size: i32) -> u64 {
    match page_size {
        i32::MIN..=0 => 50,
        n => n.min(1000).unsigned_abs().into(),
    }
}

pub(crate) fn given(v: &mut Violations, field: &str, given: bool) {
    if !given {
        v.add(field, "必填", "is required");
    }
}

/// Normalizes a text to NFC, and checks its length in characters, that it has no control
/// characters, and that it bears no secrecy mark (保密法 Art. 31: no state secret may be stored in
/// a system such as this).
pub(crate) fn text(
    v: &mut Violations,
    field: &str,
    text: &mut String,
    required: bool,
    max: i64,
    multiline: bool,
) {
    if is_nfc_quick(text.chars()) != IsNormalized::Yes {
        *text = text.nfc().collect();
    }
    if required && text.trim().is_empty() {
        v.add(field, "必填", "is required");
    }
    // A text has at least as many bytes as characters, so most need not be counted.
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    if text.len() > max && text.chars().count() > max {
        v.add(
            field,
            format!("不得超过{max}个字符"),
            format!("must have at most {max} characters"),
        );
    }
    if text
        .chars()
        .any(|c| c.is_control() && !(multiline && matches!(c, '\n' | '\r' | '\t')))
    {
        v.add(
            field,
            "不得含控制字符",
            "must not contain control characters",
        );
    }
    if bears_secret_mark(text) {
        v.add(
            field,
            "含有密级标志：本系统不得存储国家秘密，请使用涉密登记簿",
            "bears a secrecy mark; state secrets must not be stored here",
        );
    }
}

/// Whether a text bears a secrecy mark (密级标志) as printed on documents, such as 机密★1年.
pub fn bears_secret_mark(text: &str) -> bool {
    text.split('★').rev().skip(1).any(|before| {
        let before = before.trim_end();
        ["秘密", "机密", "绝密"]
            .iter()
            .any(|mark| before.ends_with(mark))
    })
}

pub(crate) fn items(v: &mut Violations, field: &str, len: usize, required: bool, max: u32) {
    if required && len == 0 {
        v.add(field, "至少一项", "needs at least one entry");
    }
    if len > max as usize {
        v.add(
            field,
            format!("不得超过{max}项"),
            format!("must have at most {max} entries"),
        );
    }
}

pub(crate) fn number(v: &mut Violations, field: &str, number: i64, min: i64, max: i64) {
    let max = if max == 0 { i64::MAX } else { max };
    if !(min..=max).contains(&number) {
        v.add(
            field,
            format!("应在{min}到{max}之间"),
            format!("must be from {min} to {max}"),
        );
    }
}

pub(crate) fn enumeration<E: TryFrom<i32>>(
    v: &mut Violations,
    field: &str,
    value: i32,
    required: bool,
) {
    if E::try_from(value).is_err() {
        v.add(
            field,
            format!("没有取值{value}"),
            format!("has no value {value}"),
        );
    } else if required && value == 0 {
        v.add(field, "必填", "is required");
    }
}

pub(crate) fn timestamp(v: &mut Violations, field: &str, time: Option<&prost_types::Timestamp>) {
    if time.is_some_and(|t| crate::date::instant(t).is_none()) {
        v.add(
            field,
            "不是有效时间",
            "is not an instant of the years 1 to 9999",
        );
    }
}

pub(crate) fn page_size(v: &mut Violations, size: i32) {
    if size < 0 {
        v.add("page_size", "不得为负", "must not be negative");
    }
}

pub(crate) fn request_id(v: &mut Violations, field: &str, id: &str) {
    if !id.is_empty() && uuid::Uuid::try_parse(id).is_err() {
        v.add(field, "应为UUID", "must be a UUID");
    }
}

pub(crate) fn id(v: &mut Violations, field: &str, id: &str) {
    if !id.is_empty() && !is_id(id) {
        v.add(
            field,
            "应以小写字母开头，只含小写字母、数字和连字符，不超过63个字符",
            "must match ^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$",
        );
    }
}

pub(crate) fn office(v: &mut Violations, field: &str, name: &str) {
    let fits = Office::of(name).is_some_and(|o| o.to_string() == name);
    if !fits {
        v.add(field, "应为 offices/{office}", "must be offices/{office}");
    }
}

pub(crate) fn resource_name(v: &mut Violations, field: &str, name: &str, collection: &str) {
    let fits = split(name).is_some_and(|(_, c, _)| collection.is_empty() || c == collection);
    if !fits {
        let collection = if collection.is_empty() {
            "{collection}"
        } else {
            collection
        };
        v.add(
            field,
            format!("应为 offices/{{office}}/{collection} 的资源名"),
            format!("must be a name in offices/{{office}}/{collection}"),
        );
    }
}

pub(crate) fn reference(
    v: &mut Violations,
    field: &str,
    name: &str,
    required: bool,
    collection: &str,
) {
    if name.is_empty() {
        given(v, field, !required);
    } else {
        resource_name(v, field, name, collection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admit::Admit;
    use crate::meetings::{CreateMeetingRequest, Meeting};

    #[test]
    fn secrecy_marks_are_found_and_the_same_words_without_a_star_are_not() {
        for secret in [
            "机密★1年",
            "关于某事的通知 绝密★",
            "秘密 ★长期",
            "甲★机密★乙",
        ] {
            assert!(bears_secret_mark(secret), "{secret}");
        }
        for plain in ["机密文件收发工作会", "保密教育", "五★酒店", "★机密"] {
            assert!(!bears_secret_mark(plain), "{plain}");
        }
    }

    #[test]
    fn every_bad_field_is_reported() {
        let mut meeting = Meeting {
            title: "长".repeat(201),
            kind: 99,
            organiser: "办\u{0}公室".into(),
            agenda_items: vec![Default::default()],
            ..Default::default()
        };
        let mut v = Violations::default();
        v.within("meeting", |v| meeting.admit(v));
        let fields: Vec<_> = v.fields().collect();
        for field in [
            "meeting.title",
            "meeting.kind",
            "meeting.organiser",
            "meeting.host_level",
            "meeting.agenda_items[0].order",
            "meeting.agenda_items[0].title",
        ] {
            assert!(fields.contains(&field), "{field} not in {fields:?}");
        }
    }

    #[test]
    fn texts_are_normalized_to_nfc() {
        let mut request = CreateMeetingRequest {
            parent: "offices/demo".into(),
            ..Default::default()
        };
        let mut meeting = Meeting {
            title: "e\u{301}".into(),
            ..Default::default()
        };
        let mut v = Violations::default();
        meeting.admit(&mut v);
        request.admit(&mut v);
        assert_eq!(meeting.title, "\u{e9}");
    }

    #[test]
    fn page_sizes_follow_aip_158() {
        assert_eq!([0, 1, 1000, 5000].map(page_limit), [50, 1, 1000, 1000]);
    }
}
