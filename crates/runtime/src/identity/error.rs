//! Errors of the keyring and of the verifier at its start.

use std::path::{Path, PathBuf};

/// Why a key, a token or a file of the identity folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file could not be read or written.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        cause: std::io::Error,
    },
    /// The content of a file is malformed.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A grant is malformed.
    #[error("{0}")]
    Grant(&'static str),
    /// No token with this id was issued.
    #[error("no token with the id {0} was issued")]
    UnknownToken(String),
    /// Generating the key, or signing with it, failed.
    #[error("generating the key or signing failed")]
    Signature,
}

impl IdentityError {
    pub(super) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::File { path, cause }
    }

    pub(super) fn content(path: &Path, problem: &'static str) -> Self {
        let path = path.to_owned();
        Self::Content { path, problem }
    }
}
