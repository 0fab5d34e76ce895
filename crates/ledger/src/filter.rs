//! Filters of lists: the grammar of AIP-160 over the declared fields of a record.
//!
//! A filter is made of comparisons such as `state = OPEN`, `title:水库` or `due_day < 2022-01-31`.
//! `AND`, or mere juxtaposition, and `OR` join them; as AIP-160 has it, `OR` binds tighter than
//! `AND`. `NOT` or `-` negates, parentheses group.
//!
//! - Texts take all operators; `:` looks for a part of the text, case counts. With `=` and `!=` an
//!   asterisk stands for any characters, `\*` in quotes for itself.
//! - Numbers, days and instants take all operators; `:` is `=`.
//! - Enums take `=`, `!=` and `:`, with a value's full or short name (`ON_SITE`).
//! - Booleans take `=` and `!=`.
//! - `field:*` asks whether there is a value: not an empty text, not an unspecified enum.
//!
//! A record without a value equals nothing: `x = 1` passes it over, `x != 1` and `NOT x = 1` find
//! it. Of AIP-160 there are no functions, no bare values that search all fields, and no
//! parentheses to the right of an operator.

mod compile;
mod parse;
#[cfg(test)]
mod tests;

pub(crate) use compile::compile;

/// How many characters a filter may have.
const MAX_LENGTH: usize = 2_000;
/// How many parentheses may be open at once.
const MAX_DEPTH: usize = 20;
/// How many comparisons a filter may have.
const MAX_COMPARISONS: usize = 100;

/// What a filter says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expr {
    /// All of these, two or more.
    And(Vec<Self>),
    /// Any of these, two or more.
    Or(Vec<Self>),
    /// The contrary.
    Not(Box<Self>),
    /// A field compared with a value.
    Compare(Comparison),
}

/// A field compared with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparison {
    /// The field's path, such as `source.kind`.
    field: Placed<String>,
    /// The operator.
    op: Placed<Op>,
    /// The value.
    value: Placed<Pattern>,
}

/// A part of a filter and where it stands. Two are equal that say the same, wherever they stand.
#[derive(Debug, Clone)]
struct Placed<T> {
    /// The position of its first character, from 1.
    at: usize,
    /// The part.
    part: T,
}

impl<T: PartialEq> PartialEq for Placed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.part == other.part
    }
}

impl<T: Eq> Eq for Placed<T> {}

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
    /// All of them; none comes after one that it begins with.
    const ALL: [Self; 7] = [
        Self::Equal,
        Self::NotEqual,
        Self::AtMost,
        Self::Less,
        Self::AtLeast,
        Self::Greater,
        Self::Has,
    ];

    /// How it is written.
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

    /// Whether it is nothing but an asterisk, or several.
    fn is_any(&self) -> bool {
        self.0.len() > 1 && self.0.iter().all(String::is_empty)
    }

    /// The same with anything around it.
    fn anywhere(&self) -> Self {
        Self([&[String::new()], self.0.as_slice(), &[String::new()]].concat())
    }
}
