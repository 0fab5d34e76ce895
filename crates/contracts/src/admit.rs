//! Checking the fields of a message.

use crate::error::Violations;

/// A message whose fields can be checked. The build implements it from the `rule` options of the
/// contract, with the functions of [`crate::rules`].
pub trait Admit {
    /// Normalizes every text to NFC, and adds a violation for every bad field.
    fn admit(&mut self, v: &mut Violations);
}
