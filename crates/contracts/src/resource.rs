//! What is stored: messages with a name, times and an etag.

use prost_types::Timestamp;

use crate::request::Admit;

/// A message that a service stores (AIP-122, 148, 154). Implemented by the build for every message
/// with the `resource` option.
pub trait Resource:
    Admit + prost::Message + Default + Clone + PartialEq + Send + Sync + 'static
{
    /// Such as `Meeting`.
    const TYPE: &'static str;
    /// Such as `taizhang.meetings.v1.Meeting`.
    const MESSAGE: &'static str;
    /// Such as `offices/{office}/meetings/{meeting}`.
    const PATTERN: &'static str;
    /// The part of the name after the office, such as `meetings`.
    const COLLECTION: &'static str;
    /// Whether an office has exactly one, without an id (AIP-156).
    const SINGLETON: bool;
    /// The fields that a caller sets.
    const SETTABLE: &'static [&'static str];
    /// The fields that only the service sets (AIP-203), the stored ones aside.
    const OUTPUT_ONLY: &'static [&'static str];
    /// The fields that stay as created (AIP-203).
    const IMMUTABLE: &'static [&'static str];

    /// What every resource has.
    fn stored(&self) -> Stored<'_>;
    /// Sets what every resource has.
    fn set_stored(&mut self, stored: Stored<'_>);
    /// Takes one field over from another; does nothing for an unknown one.
    fn copy_field(&mut self, from: &Self, field: &str);
    /// Whether one field is the same in another.
    fn same_field(&self, other: &Self, field: &str) -> bool;

    /// Takes the output-only fields over from what is stored, so that input can't set them.
    fn keep_output_only(&mut self, stored: &Self) {
        for field in Self::OUTPUT_ONLY {
            self.copy_field(stored, field);
        }
    }
}

/// The fields that every resource has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stored<'a> {
    /// Its name.
    pub name: &'a str,
    /// Changes with every change.
    pub etag: &'a str,
    /// When it was created.
    pub create_time: Option<Timestamp>,
    /// When it was last changed.
    pub update_time: Option<Timestamp>,
    /// When it was deleted, if it is.
    pub delete_time: Option<Timestamp>,
}
