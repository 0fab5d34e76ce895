//! Encoding and decoding of whole messages.

use prost::DecodeError;

/// A message that is encoded to and decoded from bytes in memory. The build implements it for
/// requests and resources, so that this code is compiled once, in this crate; prost's own methods
/// are compiled in every crate that calls them.
pub trait Encoded: prost::Message + Default {
    /// Decodes a message.
    ///
    /// # Errors
    /// If the bytes are no such message.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError>;
    /// Encodes the message.
    fn to_bytes(&self) -> Vec<u8>;
}
