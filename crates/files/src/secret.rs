//! Secrets of 256 random bits, kept in files as 64 hexadecimal digits.

use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::path::Path;

use crate::Mode;

/// A new secret as 64 hexadecimal digits.
///
/// # Errors
/// If the system has no random numbers.
pub fn generate() -> Result<String> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|e| Error::other(format!("random numbers: {e}")))?;
    Ok(hex::encode(secret))
}

/// Writes a new secret to a file that must not exist yet.
///
/// # Errors
/// `AlreadyExists` if it does; else if it can't be written.
pub fn create(path: &Path, mode: Mode) -> Result<()> {
    let line = format!("{}\n", generate()?);
    crate::create(path, line.as_bytes(), mode)
}

/// Reads a secret.
///
/// # Errors
/// `InvalidData` if the file does not hold one; else if it can't be read.
pub fn read(path: &Path) -> Result<[u8; 32]> {
    let not_one = "is not a key of 64 hexadecimal digits";
    parse(&fs::read_to_string(path)?).ok_or(Error::new(ErrorKind::InvalidData, not_one))
}

/// The secret that a text of 64 hexadecimal digits stands for.
pub fn parse(text: &str) -> Option<[u8; 32]> {
    hex::decode(text.trim()).ok()?.try_into().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create(&path, Mode::Private).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(hex::encode(read(&path).unwrap()), text.trim());
        assert_ne!(generate().unwrap(), text.trim());
        fs::write(&path, "abc").unwrap();
        assert_eq!(read(&path).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
