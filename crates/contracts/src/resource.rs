//! Resources: messages with a name, an etag and times.

use prost_types::Timestamp;

use crate::admit::Admit;
use crate::encoded::Encoded;

/// A message that a service stores (AIP-122, AIP-148, AIP-154). The build implements it for every
/// message with the `resource` option.
pub trait Resource: Admit + Encoded + Clone + PartialEq + Send + Sync + 'static {
    /// The type, such as `Meeting`.
    const TYPE: &'static str;
    /// The full name of the message, such as `taizhang.meetings.v1.Meeting`.
    const MESSAGE: &'static str;
    /// The pattern of the name, such as `offices/{office}/meetings/{meeting}`.
    const PATTERN: &'static str;
    /// The collection, which is the part of the name after the office, such as `meetings`.
    const COLLECTION: &'static str;
    /// Whether an office has exactly one, without an id (AIP-156).
    const SINGLETON: bool;
    /// The fields that a caller sets.
    const SETTABLE: &'static [&'static str];
    /// The fields that only the service sets (AIP-203), without those of [`Stored`].
    const OUTPUT_ONLY: &'static [&'static str];
    /// The fields that can't be changed after creation (AIP-203).
    const IMMUTABLE: &'static [&'static str];

    /// The fields that every resource has.
    fn stored(&self) -> Stored<'_>;
    /// Sets the fields that every resource has.
    fn set_stored(&mut self, stored: Stored<'_>);
    /// Copies one field from another message; does nothing for an unknown field.
    fn copy_field(&mut self, from: &Self, field: &str);
    /// Whether one field equals that of another message; true for an unknown field.
    fn same_field(&self, other: &Self, field: &str) -> bool;

    /// Copies the output-only fields from the stored version, so that a caller can't set them.
    fn keep_output_only(&mut self, stored: &Self) {
        for field in Self::OUTPUT_ONLY {
            self.copy_field(stored, field);
        }
    }
}

/// The fields that every resource has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stored<'a> {
    /// The name.
    pub name: &'a str,
    /// The etag, which differs after every change.
    pub etag: &'a str,
    /// When it was created.
    pub create_time: Option<Timestamp>,
    /// When it was last changed.
    pub update_time: Option<Timestamp>,
    /// When it was deleted; `None` unless it is deleted.
    pub delete_time: Option<Timestamp>,
}
