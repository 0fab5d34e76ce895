//! The key of the ledgers, made on the first start, and other files that hold a secret.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
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
        create(&path)?;
    }
    Ok(Key::new(&read(&path)?))
}

/// Makes a key of 64 hexadecimal digits, readable by its owner only. If another was made there in
/// the meantime, that one stays.
///
/// # Errors
/// If it can't be made.
pub fn create(path: &Path) -> anyhow::Result<()> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|e| anyhow::anyhow!("random numbers: {e}"))?;
    // Linked into its place when it is whole, so that two first starts agree on one key.
    let draft = path.with_file_name(format!(".key.{}", uuid::Uuid::new_v4()));
    write_new(
        &draft,
        format!("{}\n", hex::encode(secret)).as_bytes(),
        0o600,
    )?;
    let placed = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    if let Err(error) = placed
        && !path.exists()
    {
        return Err(error).with_context(|| format!("file {}", path.display()));
    }
    Ok(())
}

/// Reads a key of 64 hexadecimal digits.
///
/// # Errors
/// If there is none.
pub fn read(path: &Path) -> anyhow::Result<[u8; 32]> {
    let text = fs::read_to_string(path).with_context(|| format!("file {}", path.display()))?;
    parse(&text)
        .with_context(|| format!("{} is not a key of 64 hexadecimal digits", path.display()))
}

/// The key that a text of 64 hexadecimal digits tells.
pub fn parse(text: &str) -> Option<[u8; 32]> {
    hex::decode(text.trim()).ok()?.try_into().ok()
}

/// Writes a file that is not there yet, and returns when it is on disk.
///
/// # Errors
/// If it is there, or can't be written.
pub fn write_new(path: &Path, content: &[u8], mode: u32) -> anyhow::Result<()> {
    let write = || {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().with_context(|| format!("file {}", path.display()))
}
