//! Filters of lists: the grammar of AIP-160 over the declared fields of a record.
//!
//! A filter is made of comparisons such as `state = OPEN`, `title:水库` or `due_day < 2022-01-31`.
//! `AND`, or mere juxtaposition, and `OR` join them; as AIP-160 has it, `OR` binds tighter than
//! `AND`. `NOT` or `-` negates, parentheses group.
//!
//! - Texts take all operators; `:` finds a substring, case-sensitive. With `=` and `!=` an asterisk
//!   is a wildcard, and `\*` in quotes a literal asterisk.
//! - Numbers, days and instants take all operators; `:` is `=`.
//! - Enums take `=`, `!=` and `:`, with a value's full or short name (`ON_SITE`).
//! - Booleans take `=` and `!=`.
//! - `field:*` tests for presence: not an empty text, not an unspecified enum.
//!
//! An absent value equals nothing: `x = 1` does not match such a record, `x != 1` and `NOT x = 1`
//! do. Not supported of AIP-160: functions, bare values that search all fields, and parentheses to
//! the right of an operator.

mod compile;
mod parse;
#[cfg(test)]
mod tests;

pub(crate) use compile::compile;

/// The most characters of a filter.
const MAX_LENGTH: usize = 2_000;
/// The deepest nesting of parentheses.
const MAX_DEPTH: usize = 20;
/// The most comparisons of a filter.
const MAX_COMPARISONS: usize = 100;

/// The syntax tree of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expr {
    /// A conjunction of two or more.
    And(Vec<Self>),
    /// A disjunction of two or more.
    Or(Vec<Self>),
    /// A negation.
    Not(Box<Self>),
    /// A comparison of a field with a value.
    Compare(Comparison),
}

/// A comparison of a field with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparison {
    /// The field's path, such as `source.kind`.
    field: Positioned<String>,
    /// The operator.
    op: Positioned<Op>,
    /// The value.
    value: Positioned<Pattern>,
}

/// A node with its position in the text. Equality ignores the position.
#[derive(Debug, Clone)]
struct Positioned<T> {
    /// The index of its first character, from 1.
    at: usize,
    /// The node.
    node: T,
}

impl<T: PartialEq> PartialEq for Positioned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

impl<T: Eq> Eq for Positioned<T> {}

/// A comparison's operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<=`
    AtMost,
    /// `<`
    Less,
    /// `>=`
    AtLeast,
    /// `>`
    Greater,
    /// `:`
    Has,
}

impl Op {
    /// All operators, in matching order: `!=`, `<=` and `>=` come before their prefixes.
    const ALL: [Self; 7] = [
        Self::Equal,
        Self::NotEqual,
        Self::AtMost,
        Self::Less,
        Self::AtLeast,
        Self::Greater,
        Self::Has,
    ];

    /// Its symbol.
    const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::AtMost => "<=",
            Self::Less => "<",
            Self::AtLeast => ">=",
            Self::Greater => ">",
            Self::Has => ":",
        }
    }
}

/// A value: the pieces of text between its asterisks. Without an asterisk there is one piece.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern(Vec<String>);

impl Pattern {
    /// The text, if there is no asterisk.
    fn plain(&self) -> Option<&str> {
        match self.0.as_slice() {
            [text] => Some(text),
            _ => None,
        }
    }

    /// Whether it consists of asterisks only.
    fn is_any(&self) -> bool {
        self.0.len() > 1 && self.0.iter().all(String::is_empty)
    }

    /// The pattern that matches texts which contain this one.
    fn anywhere(&self) -> Self {
        Self([&[String::new()], self.0.as_slice(), &[String::new()]].concat())
    }
}
