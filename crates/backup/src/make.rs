//! Makes a backup, while the services run.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use futures::future::try_join_all;
use prost::Message;
use taizhang_files::{Draft, Mode};
use taizhang_ledger::history::Model;
use taizhang_ledger::history_copy::Snapshot;
use taizhang_ledger::schema;
use taizhang_ledger::{Clock, Key};

use crate::check::{Checked, check, fingerprint};
use crate::content::{Close, Content, Entries, Entry, KEY_FILES, KeyFile, Keys, Manifest, Service};
use crate::file::Writer;
use crate::{Progress, Service as Source};

/// About how many bytes of entries one chunk holds.
const CHUNK: usize = 1 << 20;

/// What to back up, and where to.
pub struct Options<'a> {
    /// The file to write; it must not exist yet.
    pub to: &'a Path,
    /// The key to encrypt with.
    pub key: Option<&'a [u8; 32]>,
    /// Whether the backup also holds the ledger's key, the signing key and the register of tokens;
    /// it must be encrypted then.
    pub with_keys: bool,
    /// The services.
    pub services: &'a [Source],
    /// The data folder.
    pub data: &'a Path,
    /// The ledger's key.
    pub ledger: &'a Key,
    /// The version of the program.
    pub program: &'a str,
}

/// Makes a backup, reads it again and verifies it; only then it gets its name.
///
/// # Errors
/// If the file exists already, a database can't be read, or a history does not verify.
pub async fn make(options: &Options<'_>, progress: Progress<'_>) -> anyhow::Result<Checked> {
    let to = options.to;
    ensure!(
        !options.with_keys || options.key.is_some(),
        "keys are kept only in an encrypted backup: give --key-file too"
    );
    ensure!(!to.exists(), "{} exists already", to.display());
    ensure!(to.file_name().is_some(), "--to names no file");

    let in_file = || format!("file {}", to.display());
    let draft = Draft::create(to, Mode::Private).with_context(in_file)?;
    let draft = write(options, draft, progress).await?;
    let ledger = Some(options.ledger.clone());
    let checked = check(draft.path(), options.key, ledger, progress)
        .context("not backed up; see `taizhang audit verify`")?;
    draft.finish().with_context(in_file)?;
    Ok(checked)
}

async fn write(
    options: &Options<'_>,
    draft: Draft,
    progress: Progress<'_>,
) -> anyhow::Result<Draft> {
    let mut manifest = Manifest {
        program: options.program.to_owned(),
        ledger_key: fingerprint(options.ledger),
        ..Default::default()
    };
    let mut snapshots = Vec::new();
    for service in options.services {
        if let Some(file) = service.url.strip_prefix("sqlite://") {
            ensure!(
                Path::new(file).exists(),
                "{} has no database at {file}; is `data` the right folder?",
                service.name
            );
        }
        let database = service.connect().await?;
        let of_database = || service.of_database();
        let migrations = schema::applied(database.writer())
            .await
            .with_context(of_database)?;
        if migrations.is_empty() {
            bail!("{} has no tables", service.of_database());
        }
        manifest.services.push(Service {
            name: service.name.to_owned(),
            migrations,
            offices: Vec::new(),
        });
        let snapshot = Snapshot::prepare(&database)
            .await
            .with_context(of_database)?;
        snapshots.push(snapshot);
    }
    // All connections are open: the snapshots are taken as close together as possible.
    let (begun, clock) = (Clock::system().now(), Instant::now());
    try_join_all(snapshots.iter().map(Snapshot::take)).await?;
    manifest.time = begun.timestamp_micros();
    manifest.spread = i64::try_from(clock.elapsed().as_micros())?;
    for (service, snapshot) in manifest.services.iter_mut().zip(&snapshots) {
        let ends = snapshot.ends().await?;
        service.offices = ends.into_iter().map(Into::into).collect();
    }

    let mut writer = Writer::new(draft, options.key)?;
    writer.write(Content::Manifest(manifest.clone()))?;
    if options.with_keys {
        writer.write(Content::Keys(read_keys(options.data)?))?;
    }
    let offices = manifest.services.iter().flat_map(|s| &s.offices);
    let total: u64 = offices.map(|o| o.entries.unsigned_abs()).sum();
    let mut done = 0;
    for (service, snapshot) in manifest.services.iter().zip(&snapshots) {
        for office in &service.offices {
            let mut last = 0;
            loop {
                let rows = snapshot.entries(&office.id, last).await?;
                let Some(end) = rows.last() else { break };
                last = end.seq;
                done += rows.len() as u64;
                write_entries(&mut writer, &service.name, &office.id, rows)?;
                progress(&service.name, done, total);
            }
        }
    }
    let seal = options.ledger.backup(&[&writer.digest()]).to_vec();
    writer.write(Content::Close(Close { seal }))?;
    writer.finish()
}

/// Writes entries as chunks of about the same size.
fn write_entries(
    writer: &mut Writer,
    service: &str,
    office: &str,
    rows: Vec<Model>,
) -> anyhow::Result<()> {
    let mut entries = Vec::new();
    let mut size = 0;
    let mut rows = rows.into_iter().map(Entry::from).peekable();
    while let Some(entry) = rows.next() {
        size += entry.encoded_len();
        entries.push(entry);
        if size >= CHUNK || rows.peek().is_none() {
            size = 0;
            writer.write(Content::Entries(Entries {
                service: service.to_owned(),
                office: office.to_owned(),
                entries: std::mem::take(&mut entries),
            }))?;
        }
    }
    Ok(())
}

/// The key files that the data folder has.
fn read_keys(data: &Path) -> anyhow::Result<Keys> {
    let mut files = Vec::new();
    for (path, _) in KEY_FILES {
        let file = data.join(path);
        if file.exists() {
            let content = fs::read(&file).with_context(|| format!("file {}", file.display()))?;
            files.push(KeyFile {
                path: (*path).to_owned(),
                content,
            });
        }
    }
    Ok(Keys { files })
}
