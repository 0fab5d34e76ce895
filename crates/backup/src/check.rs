//! Verifies a backup from its first chunk to its last: the chunks must agree with the manifest, and
//! every chain of HMACs must hold.

use std::path::Path;

use anyhow::{Context, anyhow, bail, ensure};
use chrono::{DateTime, Utc};
use taizhang_files::secret;
use taizhang_ledger::Key;
use taizhang_ledger::audit::Chain;
use taizhang_ledger::history::Model;

use crate::Progress;
use crate::content::{Content, KeyFile, LEDGER_KEY, Manifest};
use crate::file::Reader;

/// What a verified backup holds.
#[derive(Debug)]
pub struct Checked {
    /// When the snapshots were taken.
    pub time: DateTime<Utc>,
    /// Within how many microseconds the snapshots of all services were taken.
    pub spread: i64,
    /// The version of the program that made it.
    pub program: String,
    /// Each service with the number of its offices and of its history entries.
    pub services: Vec<(String, usize, i64)>,
    /// The SHA-256 digest of the whole file, in hexadecimal.
    pub digest: String,
    /// Whether the chains of HMACs were verified, which needs the ledger's key.
    pub chains: bool,
    /// Whether it holds the keys.
    pub keys: bool,
}

/// Verifies a backup from end to end, without a database. `key` decrypts it. The chains are verified
/// if the ledger's key is in the backup or given as `ledger`.
///
/// # Errors
/// The first defect.
pub fn check(
    file: &Path,
    key: Option<&[u8; 32]>,
    ledger: Option<Key>,
    progress: Progress<'_>,
) -> anyhow::Result<Checked> {
    let mut entries = VerifiedEntries::open(file, key, ledger)?;
    entries.verify_all(progress)?;
    entries.checked()
}

/// Some consecutive entries of one office, verified.
pub(crate) struct Batch {
    /// The index of the service in the manifest.
    pub(crate) service: usize,
    pub(crate) entries: Vec<Model>,
}

/// The entries of a backup, verified as they are read.
pub(crate) struct VerifiedEntries {
    reader: Reader,
    pub(crate) manifest: Manifest,
    /// The key files, if the backup has them.
    pub(crate) keys: Vec<KeyFile>,
    /// The ledger's key, if it is known.
    pub(crate) ledger: Option<Key>,
    /// A chunk that was read to see whether it holds the keys, and did not.
    peeked: Option<Content>,
    /// The indexes of the current service and office in the manifest.
    service: usize,
    office: usize,
    /// The number of the last entry of the office, and its HMAC.
    last: (i64, Vec<u8>),
    /// The chain of the current office; `None` between two offices.
    chain: Option<Chain>,
    closed: bool,
}

impl VerifiedEntries {
    /// Opens a backup. The ledger's key in it takes precedence over the given one.
    pub(crate) fn open(
        file: &Path,
        key: Option<&[u8; 32]>,
        given: Option<Key>,
    ) -> anyhow::Result<Self> {
        let mut reader = Reader::open(file, key)?;
        let Content::Manifest(manifest) = reader.read()? else {
            bail!("the backup does not begin with its manifest");
        };
        let (keys, peeked) = match reader.read()? {
            Content::Keys(keys) => (keys.files, None),
            other => (Vec::new(), Some(other)),
        };
        let in_backup = keys
            .iter()
            .find(|file| file.path == LEDGER_KEY)
            .and_then(|file| secret::parse(std::str::from_utf8(&file.content).ok()?))
            .map(|secret| Key::new(&secret));
        let ledger = in_backup.or(given);
        if let Some(ledger) = &ledger {
            ensure!(
                fingerprint(ledger) == manifest.ledger_key,
                "ledger.key is not the key of the histories in this backup; use the one with which \
                 it was made"
            );
        }
        Ok(Self {
            reader,
            manifest,
            keys,
            ledger,
            peeked,
            service: 0,
            office: 0,
            last: (0, Vec::new()),
            chain: None,
            closed: false,
        })
    }

    /// Reads all entries that are left, and so verifies them.
    pub(crate) fn verify_all(&mut self, progress: Progress<'_>) -> anyhow::Result<()> {
        let total = self.total();
        let mut done = 0;
        while let Some(batch) = self.next()? {
            done += batch.entries.len() as u64;
            progress("verify", done, total);
        }
        Ok(())
    }

    /// How many entries the manifest lists.
    pub(crate) fn total(&self) -> u64 {
        let offices = self.manifest.services.iter().flat_map(|s| &s.offices);
        offices.map(|o| o.entries.unsigned_abs()).sum()
    }

    /// The next entries; `None` after the last ones of a complete backup.
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<Batch>> {
        if self.closed {
            return Ok(None);
        }
        let content = match self.peeked.take() {
            Some(content) => content,
            None => self.reader.read()?,
        };
        match content {
            Content::Entries(chunk) => {
                let rows = chunk.entries.into_iter().map(|e| e.row(&chunk.office));
                let rows: Option<Vec<Model>> = rows.collect();
                let rows = rows.context("an entry of the backup has an invalid time")?;
                self.follow(&chunk.service, &chunk.office, &rows)?;
                Ok(Some(Batch {
                    service: self.service,
                    entries: rows,
                }))
            }
            Content::Close(close) => {
                self.end_office()?;
                if let Some(missing) = self.expected() {
                    bail!("the backup has no history of {missing}");
                }
                if let Some(ledger) = &self.ledger {
                    ensure!(
                        close.seal == ledger.backup(&[&self.reader.digest_before()]),
                        "the backup was changed by someone without ledger.key"
                    );
                }
                self.closed = true;
                Ok(None)
            }
            Content::Manifest(_) | Content::Keys(_) => {
                bail!("the backup has a second manifest or second keys")
            }
        }
    }

    /// What the backup holds. Only to be called once all entries were read.
    pub(crate) fn checked(self) -> anyhow::Result<Checked> {
        let time = DateTime::from_timestamp_micros(self.manifest.time);
        Ok(Checked {
            time: time.context("the manifest has an invalid time")?,
            spread: self.manifest.spread,
            digest: hex::encode(self.reader.digest()),
            chains: self.ledger.is_some(),
            keys: !self.keys.is_empty(),
            services: self
                .manifest
                .services
                .into_iter()
                .map(|s| {
                    let entries = s.offices.iter().map(|o| o.entries).sum();
                    (s.name, s.offices.len(), entries)
                })
                .collect(),
            program: self.manifest.program,
        })
    }

    /// Verifies the next entries of an office.
    fn follow(&mut self, service: &str, office: &str, rows: &[Model]) -> anyhow::Result<()> {
        let name = format!("{service} offices/{office}");
        if self.chain.is_none() || self.expected().as_ref() != Some(&name) {
            self.end_office()?;
            ensure!(
                self.expected().as_ref() == Some(&name),
                "the manifest does not list {name} here"
            );
            self.last = (0, Vec::new());
            self.chain = Some(Chain::of(office));
        }
        for row in rows {
            if let (Some(ledger), Some(chain)) = (&self.ledger, &mut self.chain) {
                chain.follow(ledger, row).map_err(|bad| {
                    let entry = bad.entry.unwrap_or_default();
                    anyhow!("{name}: entry {entry} {}: {}", bad.record, bad.what.1)
                })?;
            }
            ensure!(
                row.seq == self.last.0 + 1,
                "{name}: entry {} is missing",
                self.last.0 + 1
            );
            self.last = (row.seq, row.mac.clone());
        }
        Ok(())
    }

    /// The name of the current history, or of the next one; skips services that have none.
    fn expected(&mut self) -> Option<String> {
        loop {
            let service = self.manifest.services.get(self.service)?;
            if let Some(office) = service.offices.get(self.office) {
                return Some(format!("{} offices/{}", service.name, office.id));
            }
            (self.service, self.office) = (self.service + 1, 0);
        }
    }

    /// Checks that the current history ends where the manifest says, and moves on to the next.
    fn end_office(&mut self) -> anyhow::Result<()> {
        if self.chain.take().is_none() {
            return Ok(());
        }
        let name = self.expected().unwrap_or_default();
        let service = self.manifest.services.get(self.service);
        let office = service.and_then(|s| s.offices.get(self.office));
        let end = office.map(|o| (o.entries, o.digest.clone()));
        ensure!(
            end.as_ref() == Some(&self.last),
            "{name}: the history does not end as the manifest says"
        );
        self.office += 1;
        Ok(())
    }
}

/// Tells one key from another without revealing it.
pub(crate) fn fingerprint(ledger: &Key) -> Vec<u8> {
    ledger.backup(&[b"mark"]).to_vec()
}
