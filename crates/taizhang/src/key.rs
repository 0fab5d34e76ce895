//! The key of the ledgers, made on the first start.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, ensure};
use taizhang_ledger::Key;

/// Reads `ledger.key` of the data folder, if there is one.
///
/// # Errors
/// If it can't be read.
pub fn open(data: &Path) -> anyhow::Result<Option<Key>> {
    if !data.join("ledger.key").exists() {
        return Ok(None);
    }
    open_or_create(data).map(Some)
}

/// Reads `ledger.key` of the data folder; makes it, readable by its owner only, if there is none.
///
/// # Errors
/// If it can't be read or made.
pub fn open_or_create(data: &Path) -> anyhow::Result<Key> {
    fs::create_dir_all(data).with_context(|| format!("folder {}", data.display()))?;
    let path = data.join("ledger.key");
    if !path.exists() {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|e| anyhow::anyhow!("random numbers: {e}"))?;
        // Linked into its place when it is whole, so that two first starts agree on one key.
        let draft = data.join(format!(".ledger.key.{}", uuid::Uuid::new_v4()));
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        writeln!(file, "{}", hex::encode(secret))?;
        file.sync_all()?;
        let placed = fs::hard_link(&draft, &path);
        fs::remove_file(&draft)?;
        if let Err(error) = placed
            && !path.exists()
        {
            return Err(error).with_context(|| format!("file {}", path.display()));
        }
    }
    let text = fs::read_to_string(&path).with_context(|| format!("file {}", path.display()))?;
    let secret = hex::decode(text.trim()).unwrap_or_default();
    ensure!(
        secret.len() == 32,
        "{} is not a ledger key of 64 hexadecimal digits",
        path.display()
    );
    Ok(Key::new(&secret))
}
