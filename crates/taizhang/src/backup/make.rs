//! Making a backup, while the services run.

use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use futures::future::try_join_all;
use prost::Message;
use taizhang_ledger::copy::Snapshot;
use taizhang_ledger::schema::{self, history::Model};
use taizhang_ledger::{Clock, Key};
use taizhang_runtime::Config;

use super::Progress;
use super::check::{Checked, check, mark};
use super::content::{Close, Content, Entries, Entry, KeyFile, Keys, Manifest, Service};
use super::file::Writer;
use super::restore::KEY_FILES;
use crate::key;
use crate::roles::Role;
use crate::suite::connect;

/// About how much one chunk holds.
const CHUNK: usize = 1 << 20;

/// What a backup is asked for.
pub struct Options<'a> {
    /// The file, which must not be there.
    pub to: &'a Path,
    /// The key that it is encrypted with.
    pub key: Option<&'a [u8; 32]>,
    /// Whether the ledger's key, the signing key and the register of tokens are kept in it.
    pub with_keys: bool,
    /// The services.
    pub roles: &'a [&'static Role],
}

/// Makes a backup and reads it again. The file has its name only when it is whole and verified.
///
/// # Errors
/// If the file is there, a database can't be read, or a history does not verify.
pub async fn make(
    config: &Config,
    options: &Options<'_>,
    progress: Progress<'_>,
) -> anyhow::Result<Checked> {
    let Options { to, key, .. } = options;
    ensure!(
        !options.with_keys || key.is_some(),
        "keys are kept only in an encrypted backup: give --key-file too"
    );
    ensure!(!to.exists(), "{} is there already", to.display());
    let name = to.file_name().context("--to names no file")?;
    let ledger = key::open(&config.data)?
        .with_context(|| format!("there is no ledger.key in {}", config.data.display()))?;

    let draft = format!(".{}.{}.part", name.display(), uuid::Uuid::new_v4());
    let draft = to.with_file_name(draft);
    let done = async {
        write(config, options, &ledger, &draft, progress).await?;
        let checked = check(&draft, *key, Some(ledger), progress)
            .context("not backed up; `taizhang audit verify` tells more")?;
        ensure!(!to.exists(), "{} is there already", to.display());
        fs::rename(&draft, to).with_context(|| format!("file {}", to.display()))?;
        let folder = to.parent().filter(|folder| *folder != Path::new(""));
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(checked)
    }
    .await;
    if done.is_err() {
        // It may never have been made.
        let _ = fs::remove_file(&draft);
    }
    done
}

async fn write(
    config: &Config,
    options: &Options<'_>,
    ledger: &Key,
    draft: &Path,
    progress: Progress<'_>,
) -> anyhow::Result<()> {
    let mut manifest = Manifest {
        program: env!("CARGO_PKG_VERSION").to_owned(),
        ledger_key: mark(ledger),
        ..Default::default()
    };
    let mut snapshots = Vec::new();
    for role in options.roles {
        let url = config.database(role.name);
        if let Some(file) = url.0.strip_prefix("sqlite://") {
            ensure!(
                Path::new(file).exists(),
                "{} has no database at {file}; is `data` the right folder?",
                role.name
            );
        }
        let database = connect(config, role).await?;
        let of = || format!("the database of {}", role.name);
        let migrations = schema::applied(database.writer()).await.with_context(of)?;
        if migrations.is_empty() {
            bail!("the database of {} has no tables", role.name);
        }
        manifest.services.push(Service {
            name: role.name.to_owned(),
            migrations,
            offices: Vec::new(),
        });
        snapshots.push(Snapshot::prepare(&database).await.with_context(of)?);
    }
    // All at once, with connections that are open: as near to one point as it gets.
    let (begun, clock) = (Clock::system().now(), Instant::now());
    try_join_all(snapshots.iter().map(Snapshot::take)).await?;
    manifest.time = begun.timestamp_micros();
    manifest.spread = i64::try_from(clock.elapsed().as_micros())?;
    for (service, snapshot) in manifest.services.iter_mut().zip(&snapshots) {
        let ends = snapshot.ends().await?;
        service.offices = ends.into_iter().map(Into::into).collect();
    }

    let mut writer = Writer::create(draft, options.key)?;
    writer.write(Content::Manifest(manifest.clone()))?;
    if options.with_keys {
        writer.write(Content::Keys(keys(&config.data)?))?;
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
                chunks(&mut writer, &service.name, &office.id, rows)?;
                progress(&service.name, done, total);
            }
        }
    }
    let seal = ledger.backup(&[&writer.digest()]).to_vec();
    writer.write(Content::Close(Close { seal }))?;
    writer.finish()
}

/// Writes rows as chunks of about the same size.
fn chunks(
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

/// The files of keys in the data folder, those that are there.
fn keys(data: &Path) -> anyhow::Result<Keys> {
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
