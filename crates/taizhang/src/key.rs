//! The key of the ledgers: `ledger.key` in the data folder, made when the program first starts.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context;
use taizhang_files::{Mode, secret};
use taizhang_ledger::Key;

/// The key's file in the data folder.
pub const LEDGER_KEY: &str = "ledger.key";

/// Reads the key, if there is one.
///
/// # Errors
/// If it can't be read.
pub fn open(data: &Path) -> anyhow::Result<Option<Key>> {
    let path = data.join(LEDGER_KEY);
    if !path.exists() {
        return Ok(None);
    }
    let secret = secret::read(&path).with_context(|| format!("file {}", path.display()))?;
    Ok(Some(Key::new(&secret)))
}

/// Reads the key; makes it, readable by its owner only, if there is none.
///
/// # Errors
/// If it can't be read or made.
pub fn open_or_create(data: &Path) -> anyhow::Result<Key> {
    fs::create_dir_all(data).with_context(|| format!("folder {}", data.display()))?;
    let path = data.join(LEDGER_KEY);
    match secret::create(&path, Mode::Private) {
        // Two processes that start at the same time agree on the first one's key.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        created => created.with_context(|| format!("file {}", path.display()))?,
    }
    open(data)?.with_context(|| format!("file {}", path.display()))
}
