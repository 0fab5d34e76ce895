//! Filling empty databases from a backup.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use taizhang_ledger::history_copy::{Filling, ends_of};
use taizhang_ledger::{Database, Key, audit, schema};
use taizhang_runtime::Config;

use super::Progress;
use super::check::{Checked, LEDGER_KEY, Walk};
use super::content::{KeyFile, Manifest, Office};
use crate::key;
use crate::roles::{ROLES, Role};
use crate::suite::connect;

/// The files that a backup with keys holds, as paths in the data folder, and who may read them.
pub(super) const KEY_FILES: &[(&str, u32)] = &[
    (LEDGER_KEY, 0o600),
    ("identity/signing.key", 0o600),
    ("identity/public.key", 0o644),
    ("identity/issued.jsonl", 0o644),
    ("identity/revoked", 0o644),
];

/// What a restore did.
#[derive(Debug)]
pub struct Restored {
    /// The backup.
    pub backup: Checked,
    /// What was done to each service.
    pub services: Vec<(&'static str, Filled)>,
    /// The files of keys that were put in the data folder.
    pub keys: Vec<String>,
    /// Whether the folder `identity` was left as it is, because it has keys of its own.
    pub identity_kept: bool,
}

/// What was done to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// Its database was filled with so many entries, and so many records.
    Now {
        /// The entries of its histories.
        entries: u64,
        /// The records that were made from them.
        records: u64,
    },
    /// Its database held just this already, as when a restore that was broken off is run again.
    Before,
}

/// A service to fill: its place in the manifest, and its database.
struct Target {
    place: usize,
    role: &'static Role,
    database: Database,
    filled: Filled,
}

/// Verifies a backup from end to end, and only then fills the databases of its services, or of
/// those that are named; each in one transaction. Then audits them.
///
/// # Errors
/// If the backup is not whole, is newer than the program, or a database has other histories;
/// nothing was written then. If a database fails on the way, or the audit finds something.
pub async fn restore(
    config: &Config,
    file: &Path,
    key: Option<&[u8; 32]>,
    named: &[String],
    progress: Progress<'_>,
) -> anyhow::Result<Restored> {
    let own = key::open(&config.data)?;
    let mut walk = Walk::open(file, key, own.clone())?;
    let Some(ledger) = walk.ledger.clone() else {
        bail!(
            "there is no ledger.key in {}, nor in the backup; bring it back first",
            config.data.display()
        );
    };
    let mut files = walk.keys.clone();
    let manifest = walk.manifest.clone();
    let (total, mut done) = (walk.total(), 0);
    while let Some(batch) = walk.next()? {
        done += batch.entries.len() as u64;
        progress("verify", done, total);
    }
    let backup = walk.checked()?;

    let mut targets = targets(config, &manifest, named).await?;
    let identity_kept = keep_own(&config.data, &mut files)?;
    let keys = put(&config.data, &files)?;
    for target in &targets {
        (target.role.migrate)(target.database.writer())
            .await
            .with_context(|| format!("migrating the database of {}", target.role.name))?;
    }
    let again = Walk::open(file, key, Some(ledger.clone()))?;
    ensure!(
        again.manifest == manifest,
        "the backup has just been changed"
    );
    fill(again, &mut targets, progress).await?;
    for target in &targets {
        verify(target, &ledger, progress).await?;
    }
    Ok(Restored {
        backup,
        services: targets.iter().map(|t| (t.role.name, t.filled)).collect(),
        keys,
        identity_kept,
    })
}

/// The services to fill, none of which has other histories than the backup.
async fn targets(
    config: &Config,
    manifest: &Manifest,
    named: &[String],
) -> anyhow::Result<Vec<Target>> {
    if let Some(absent) = named
        .iter()
        .find(|name| !manifest.services.iter().any(|s| s.name == **name))
    {
        bail!("the backup has no service {absent}");
    }
    let mut targets = Vec::new();
    for (place, service) in manifest.services.iter().enumerate() {
        if !named.is_empty() && !named.contains(&service.name) {
            continue;
        }
        let role = ROLES
            .iter()
            .find(|role| role.name == service.name)
            .with_context(|| format!("this program has no service {}", service.name))?;
        let database = connect(config, role).await?;
        let of = || format!("the database of {}", role.name);
        let applied = schema::applied(database.writer()).await.with_context(of)?;
        let pending = (role.pending)(database.writer()).await.with_context(of)?;
        let known: BTreeSet<&String> = applied.iter().chain(&pending).collect();
        if let Some(newer) = service.migrations.iter().find(|m| !known.contains(m)) {
            bail!(
                "the backup was made by a newer program: {} has {newer}, not known here",
                role.name
            );
        }
        let there = if applied.is_empty() {
            Vec::new()
        } else {
            ends_of(&database).await.with_context(of)?
        };
        let there: Vec<Office> = there.into_iter().map(Into::into).collect();
        let filled = if there.is_empty() {
            Filled::Now {
                entries: 0,
                records: 0,
            }
        } else {
            ensure!(
                there == service.offices,
                "the database of {} has a history; a backup is restored into empty databases only",
                role.name
            );
            Filled::Before
        };
        targets.push(Target {
            place,
            role,
            database,
            filled,
        });
    }
    Ok(targets)
}

/// Fills the databases one after the other, each in one transaction that ends when all of its
/// entries have been verified.
async fn fill(
    mut walk: Walk,
    targets: &mut [Target],
    progress: Progress<'_>,
) -> anyhow::Result<()> {
    let total = walk.total();
    let mut passed = 0;
    let mut batch = walk.next()?;
    for target in targets {
        let of = || format!("the database of {}", target.role.name);
        let Filled::Now { entries, records } = &mut target.filled else {
            continue;
        };
        let filling = Filling::begin(&target.database, target.role.kinds).await;
        let mut filling = filling
            .with_context(of)?
            .with_context(|| format!("{} was written just now: stop the services", of()))?;
        while let Some(next) = batch {
            if next.service > target.place {
                batch = Some(next);
                break;
            }
            let count = next.entries.len() as u64;
            passed += count;
            if next.service == target.place {
                *entries += count;
                filling.add(next.entries).await.with_context(of)?;
                progress(target.role.name, passed, total);
            }
            batch = walk.next()?;
        }
        let made = |count| {
            *records += count;
            progress("records", *records, 0);
        };
        filling.finish(made).await.with_context(of)?;
    }
    Ok(())
}

async fn verify(target: &Target, ledger: &Key, progress: Progress<'_>) -> anyhow::Result<()> {
    let mut done = 0;
    let report = audit::verify(&target.database, ledger, target.role.kinds, |count| {
        done += count;
        progress("audit", done, 0);
    })
    .await?;
    if let Some(finding) = report.findings.first() {
        bail!(
            "{}: offices/{} {}: {}; see `taizhang audit verify {}`",
            target.role.name,
            finding.office,
            finding.record,
            finding.what.1,
            target.role.name
        );
    }
    Ok(())
}

/// Leaves out what the data folder has, and with it what does not go with that. Whether identity
/// files were left out because there are others.
fn keep_own(data: &Path, files: &mut Vec<KeyFile>) -> anyhow::Result<bool> {
    let same = |file: &KeyFile| -> anyhow::Result<Option<bool>> {
        let path = data.join(&file.path);
        if !path.exists() {
            return Ok(None);
        }
        let there = fs::read(&path).with_context(|| format!("file {}", path.display()))?;
        Ok(Some(there == file.content))
    };
    let mut others = false;
    let mut absent = Vec::new();
    for file in files.drain(..) {
        match same(&file)? {
            None => absent.push(file),
            Some(true) => {}
            Some(false) if file.path == LEDGER_KEY => bail!(
                "ledger.key in {} is not the one in the backup; move it away, if it has kept \
                 nothing yet",
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

/// Puts files of keys in their places, where there are none.
fn put(data: &Path, files: &[KeyFile]) -> anyhow::Result<Vec<String>> {
    let mut put = Vec::new();
    for file in files {
        let known = KEY_FILES.iter().find(|(path, _)| *path == file.path);
        let Some((path, mode)) = known else {
            bail!("the backup has a file {}, not known here", file.path);
        };
        let path = data.join(path);
        if let Some(folder) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .with_context(|| format!("folder {}", folder.display()))?;
        }
        key::write_new(&path, &file.content, *mode)?;
        put.push(file.path.clone());
    }
    Ok(put)
}
