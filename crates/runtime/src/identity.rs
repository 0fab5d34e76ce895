//! Tokens (PASETO v4.public, Ed25519): the administrator issues and revokes them with a
//! [`Keyring`], services verify them with a [`Verifier`].

mod claims;
mod error;
mod keyring;
mod revoked;
mod verifier;

pub use claims::Grant;
pub use error::IdentityError;
pub use keyring::{Issued, Keyring};
pub use verifier::Verifier;
