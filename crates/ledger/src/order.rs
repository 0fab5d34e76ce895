//! The `order_by` of lists (AIP-132) over the declared fields of a record.

use taizhang_contracts::{Result, Violations};

use crate::column::Field;

/// The most fields of an `order_by`.
const MAX_FIELDS: usize = 5;

/// The direction of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Smallest first, the default.
    Ascending,
    /// Largest first.
    Descending,
}

/// Parses an `order_by` such as `priority desc, due_day`; a blank one is empty.
///
/// # Errors
/// INVALID_FIELDS, naming the field that is unknown, given twice or followed by anything but `asc`
/// or `desc`; also if there are more than [`MAX_FIELDS`].
pub(crate) fn parse(text: &str, fields: &[Field]) -> Result<Vec<(Field, Direction)>> {
    let wrong = |zh: String, en: String| Violations::of("order_by", zh, en);
    let mut order: Vec<(Field, Direction)> = Vec::new();
    if text.trim().is_empty() {
        return Ok(order);
    }
    for part in text.split(',') {
        let mut words = part.split_whitespace();
        let path = words.next().unwrap_or_default();
        let Some(field) = fields.iter().find(|field| field.path == path) else {
            let known: Vec<_> = fields.iter().map(|field| field.path).collect();
            return Err(wrong(
                format!("没有字段“{path}”，应为：{}", known.join("、")),
                format!(
                    "has no field '{path}'; expected one of {}",
                    known.join(", ")
                ),
            ));
        };
        let direction = match (words.next(), words.next()) {
            (None | Some("asc"), None) => Direction::Ascending,
            (Some("desc"), None) => Direction::Descending,
            _ => {
                return Err(wrong(
                    format!("{path} 之后应为 desc、asc、逗号或结尾"),
                    format!("expects desc, asc, a comma or the end after {path}"),
                ));
            }
        };
        if order.iter().any(|(earlier, _)| earlier.path == path) {
            return Err(wrong(
                format!("字段 {path} 重复"),
                format!("names {path} twice"),
            ));
        }
        if order.len() == MAX_FIELDS {
            return Err(wrong(
                format!("不得超过{MAX_FIELDS}个字段"),
                format!("must have at most {MAX_FIELDS} fields"),
            ));
        }
        order.push((*field, direction));
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::column::Type;

    const FIELDS: [Field; 6] = {
        const fn field(path: &'static str) -> Field {
            Field {
                path,
                column: path,
                holds: Type::Text,
            }
        }
        [
            field("a"),
            field("b"),
            field("c.d"),
            field("e"),
            field("f"),
            field("g"),
        ]
    };

    fn read(text: &str) -> Result<Vec<(&'static str, Direction)>> {
        Ok(parse(text, &FIELDS)?
            .into_iter()
            .map(|(field, direction)| (field.path, direction))
            .collect())
    }

    fn refusal(text: &str) -> String {
        let error = read(text).unwrap_err();
        assert_eq!(error.violations()[0].field, "order_by");
        error.violations()[0].en.clone()
    }

    #[test]
    fn fields_are_parsed_in_order_with_their_direction() {
        use Direction::{Ascending, Descending};
        assert_eq!(read("").unwrap(), []);
        assert_eq!(read(" \t ").unwrap(), []);
        assert_eq!(read("b").unwrap(), [("b", Ascending)]);
        assert_eq!(
            read("  c.d   desc ,a,b asc").unwrap(),
            [("c.d", Descending), ("a", Ascending), ("b", Ascending)]
        );
    }

    #[test]
    fn errors_name_the_field() {
        assert!(refusal("a, x desc").contains("'x'") && refusal("x").contains("c.d"));
        assert!(refusal("a, b, a desc").contains("a twice"));
        assert!(refusal("a down").contains("after a"));
        assert!(refusal("a desc desc").contains("after a"));
        assert!(refusal("a, ").contains("''") && refusal(",").contains("''"));
        assert!(refusal("a DESC").contains("after a") && refusal("A").contains("'A'"));
        assert!(refusal("a,b,c.d,e,f,g").contains("at most 5"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-c., descx]{0,40}|\\PC*") {
            if let Ok(order) = read(&text) {
                prop_assert!(order.len() <= MAX_FIELDS);
            }
        }
    }
}
