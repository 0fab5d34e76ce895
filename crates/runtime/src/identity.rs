//! Who may call: tokens that an administrator signs (PASETO v4.public, Ed25519), and their check.

mod claims;
mod keyring;
mod revoked;
mod verifier;

use std::path::{Path, PathBuf};

pub use claims::Grant;
pub use keyring::{Issued, Keyring};
pub use verifier::Verifier;

/// Why a key or a list could not be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file could not be read or written.
    #[error("{}: {cause}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {problem}", path.display())]
    Content {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// What was to be granted can't be.
    #[error("{0}")]
    Grant(&'static str),
    /// There is no token of this id.
    #[error("no token {0} was issued")]
    UnknownToken(String),
    /// Making or using the key failed.
    #[error("the signature failed")]
    Signature,
}

impl IdentityError {
    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::File { path, cause }
    }

    fn content(path: &Path, problem: &'static str) -> Self {
        let path = path.to_owned();
        Self::Content { path, problem }
    }
}
