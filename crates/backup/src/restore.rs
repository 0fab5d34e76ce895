//! Restores a backup into empty databases.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use taizhang_files::private_folder;
use taizhang_ledger::history_copy::{Filling, ends_of};
use taizhang_ledger::{Database, Key, audit, schema};

use crate::check::{Checked, VerifiedEntries};
use crate::content::{KEY_FILES, KeyFile, LEDGER_KEY, Manifest, Office};
use crate::{Progress, Service};

/// What a restore did.
#[derive(Debug)]
pub struct Restored {
    /// The backup.
    pub backup: Checked,
    /// What was done for each service.
    pub services: Vec<(&'static str, ServiceResult)>,
    /// The key files that were written to the data folder.
    pub keys: Vec<String>,
    /// Whether the folder `identity` was left as it is, because it has other keys than the backup.
    pub identity_kept: bool,
}

/// What a restore did for a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceResult {
    /// Its database was filled.
    Restored {
        /// The history entries that were written.
        entries: u64,
        /// The records that were made from them.
        records: u64,
    },
    /// Its database already held the same history, as after a restore that was interrupted.
    Unchanged,
}

/// A service to restore: its index in the manifest, and its database.
struct Target<'s> {
    index: usize,
    service: &'s Service,
    database: Database,
    result: ServiceResult,
}

/// Verifies a backup from end to end, and only then fills the databases of its services, or of those
/// in `named`: each in one transaction. Then audits them.
///
/// `services` are those that the program knows, `ledger` is the ledger's key in the data folder, if
/// there is one.
///
/// # Errors
/// If the backup is damaged or newer than the program, or a database has another history: nothing
/// was written then. If a database fails while it is filled, or the audit finds something.
pub async fn restore(
    services: &[Service],
    data: &Path,
    file: &Path,
    key: Option<&[u8; 32]>,
    ledger: Option<Key>,
    named: &[String],
    progress: Progress<'_>,
) -> anyhow::Result<Restored> {
    let mut entries = VerifiedEntries::open(file, key, ledger)?;
    let Some(ledger) = entries.ledger.clone() else {
        bail!(
            "there is no ledger.key in {}, nor in the backup; copy it there first",
            data.display()
        );
    };
    let mut files = entries.keys.clone();
    let manifest = entries.manifest.clone();
    entries.verify_all(progress)?;
    let backup = entries.checked()?;

    let mut targets = targets(services, &manifest, named).await?;
    let identity_kept = remove_existing(data, &mut files)?;
    let keys = write_keys(data, &files)?;
    for target in &targets {
        (target.service.migrate)(target.database.writer())
            .await
            .with_context(|| format!("migrating {}", target.service.of_database()))?;
    }
    let entries = VerifiedEntries::open(file, key, Some(ledger.clone()))?;
    ensure!(
        entries.manifest == manifest,
        "the backup has just been changed"
    );
    fill(entries, &mut targets, progress).await?;
    for target in &targets {
        audit(target, &ledger, progress).await?;
    }
    Ok(Restored {
        backup,
        services: targets.iter().map(|t| (t.service.name, t.result)).collect(),
        keys,
        identity_kept,
    })
}

/// The services to restore. None of their databases has another history than the backup.
async fn targets<'s>(
    services: &'s [Service],
    manifest: &Manifest,
    named: &[String],
) -> anyhow::Result<Vec<Target<'s>>> {
    if let Some(absent) = named
        .iter()
        .find(|name| !manifest.services.iter().any(|s| s.name == **name))
    {
        bail!("the backup has no service {absent}");
    }
    let mut targets = Vec::new();
    for (index, backed_up) in manifest.services.iter().enumerate() {
        if !named.is_empty() && !named.contains(&backed_up.name) {
            continue;
        }
        let service = services
            .iter()
            .find(|service| service.name == backed_up.name)
            .with_context(|| format!("this program has no service {}", backed_up.name))?;
        let database = service.connect().await?;
        let of_database = || service.of_database();
        let applied = schema::applied(database.writer())
            .await
            .with_context(of_database)?;
        let pending = (service.pending)(database.writer())
            .await
            .with_context(of_database)?;
        let known: BTreeSet<&String> = applied.iter().chain(&pending).collect();
        if let Some(newer) = backed_up.migrations.iter().find(|m| !known.contains(m)) {
            bail!(
                "the backup was made by a newer program: {} has {newer}, not known here",
                service.name
            );
        }
        let existing = if applied.is_empty() {
            Vec::new()
        } else {
            ends_of(&database).await.with_context(of_database)?
        };
        let existing: Vec<Office> = existing.into_iter().map(Into::into).collect();
        let result = if existing.is_empty() {
            ServiceResult::Restored {
                entries: 0,
                records: 0,
            }
        } else {
            ensure!(
                existing == backed_up.offices,
                "{} has a history; a backup is restored into empty databases only",
                service.of_database()
            );
            ServiceResult::Unchanged
        };
        targets.push(Target {
            index,
            service,
            database,
            result,
        });
    }
    Ok(targets)
}

/// Fills the databases one after the other, each in one transaction that is committed once all of
/// its entries were verified.
async fn fill(
    mut entries: VerifiedEntries,
    targets: &mut [Target<'_>],
    progress: Progress<'_>,
) -> anyhow::Result<()> {
    let total = entries.total();
    let mut done = 0;
    let mut batch = entries.next()?;
    for target in targets {
        let of_database = || target.service.of_database();
        let ServiceResult::Restored {
            entries: written,
            records,
        } = &mut target.result
        else {
            continue;
        };
        let filling = Filling::begin(&target.database, target.service.kinds).await;
        let mut filling = filling.with_context(of_database)?.with_context(|| {
            format!(
                "{} was written to in the meantime: stop the services",
                of_database()
            )
        })?;
        while let Some(next) = batch {
            if next.service > target.index {
                batch = Some(next);
                break;
            }
            let count = next.entries.len() as u64;
            done += count;
            if next.service == target.index {
                *written += count;
                filling.add(next.entries).await.with_context(of_database)?;
                progress(target.service.name, done, total);
            }
            batch = entries.next()?;
        }
        let count_records = |count| {
            *records += count;
            progress("records", *records, 0);
        };
        filling
            .finish(count_records)
            .await
            .with_context(of_database)?;
    }
    Ok(())
}

async fn audit(target: &Target<'_>, ledger: &Key, progress: Progress<'_>) -> anyhow::Result<()> {
    let service = target.service;
    let mut done = 0;
    let report = audit::verify(&target.database, ledger, service.kinds, |count| {
        done += count;
        progress("audit", done, 0);
    })
    .await?;
    if let Some(finding) = report.findings.first() {
        bail!(
            "{}: offices/{} {}: {}; see `taizhang audit verify {}`",
            service.name,
            finding.office,
            finding.record,
            finding.what.1,
            service.name
        );
    }
    Ok(())
}

/// Removes from `files` those that the data folder has. If one of the folder `identity` has another
/// content there, all of that folder are removed, since its files belong together; returns whether
/// that was so.
fn remove_existing(data: &Path, files: &mut Vec<KeyFile>) -> anyhow::Result<bool> {
    let equals_existing = |file: &KeyFile| -> anyhow::Result<Option<bool>> {
        let path = data.join(&file.path);
        if !path.exists() {
            return Ok(None);
        }
        let existing = fs::read(&path).with_context(|| format!("file {}", path.display()))?;
        Ok(Some(existing == file.content))
    };
    let mut others = false;
    let mut absent = Vec::new();
    for file in files.drain(..) {
        match equals_existing(&file)? {
            None => absent.push(file),
            Some(true) => {}
            Some(false) if file.path == LEDGER_KEY => bail!(
                "ledger.key in {} is not the one in the backup; if it was never used, remove it",
                data.display()
            ),
            Some(false) => others = true,
        }
    }
    *files = absent;
    if others {
        files.retain(|file| file.path == LEDGER_KEY);
    }
    Ok(others)
}

/// Writes key files to the data folder, which has none of them. Returns their paths.
fn write_keys(data: &Path, files: &[KeyFile]) -> anyhow::Result<Vec<String>> {
    let mut written = Vec::new();
    for file in files {
        let known = KEY_FILES.iter().find(|(path, _)| *path == file.path);
        let Some((path, mode)) = known else {
            bail!("the backup has a key file {}, not known here", file.path);
        };
        let path = data.join(path);
        if let Some(folder) = path.parent() {
            private_folder(folder).with_context(|| format!("folder {}", folder.display()))?;
        }
        taizhang_files::create(&path, &file.content, *mode)
            .with_context(|| format!("file {}", path.display()))?;
        written.push(file.path.clone());
    }
    Ok(written)
}
