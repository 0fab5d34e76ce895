//! Following a backup from its first chunk to its last: everything that it tells must fit
//! together, and every chain must hold.

use std::path::Path;

use anyhow::{Context, anyhow, bail, ensure};
use chrono::{DateTime, Utc};
use taizhang_ledger::Key;
use taizhang_ledger::audit::Chain;
use taizhang_ledger::history::Model;

use super::Progress;
use super::content::{Content, KeyFile, Manifest};
use super::file::Reader;
use crate::key;

/// The key's file in the data folder and in a backup with keys.
pub(super) const LEDGER_KEY: &str = "ledger.key";

/// What a backup holds, all of it verified.
#[derive(Debug)]
pub struct Checked {
    /// When the states were taken.
    pub time: DateTime<Utc>,
    /// Within how many microseconds those of all services were taken.
    pub spread: i64,
    /// The version of the program that made it.
    pub program: String,
    /// Each service with the number of its offices and of its entries.
    pub services: Vec<(String, usize, i64)>,
    /// The digest over the whole file.
    pub digest: String,
    /// Whether the chains were followed, for which the ledger's key must be known.
    pub chains: bool,
    /// Whether the keys are in it.
    pub keys: bool,
}

/// Checks a backup from end to end, without a database. The chains are followed if the ledger's
/// key is in the backup or is `ledger`.
///
/// # Errors
/// What is wrong first.
pub fn check(
    file: &Path,
    key: Option<&[u8; 32]>,
    ledger: Option<Key>,
    progress: Progress<'_>,
) -> anyhow::Result<Checked> {
    let mut walk = Walk::open(file, key, ledger)?;
    let total = walk.total();
    let mut done = 0;
    while let Some(batch) = walk.next()? {
        done += batch.entries.len() as u64;
        progress("verify", done, total);
    }
    walk.checked()
}

/// Entries of one office, in order and verified.
pub(super) struct Batch {
    /// The place of the service in the manifest.
    pub(super) service: usize,
    pub(super) entries: Vec<Model>,
}

/// A backup that is being followed.
pub(super) struct Walk {
    reader: Reader,
    pub(super) manifest: Manifest,
    /// The files of keys, if they are in it.
    pub(super) keys: Vec<KeyFile>,
    /// The ledger's key, if it is known.
    pub(super) ledger: Option<Key>,
    ahead: Option<Content>,
    service: usize,
    office: usize,
    /// The last entry of the office, and its digest.
    last: (i64, Vec<u8>),
    chain: Option<Chain>,
    closed: bool,
}

impl Walk {
    /// Opens a backup. The ledger's key in it goes before the one that is given.
    pub(super) fn open(
        file: &Path,
        key: Option<&[u8; 32]>,
        given: Option<Key>,
    ) -> anyhow::Result<Self> {
        let mut reader = Reader::open(file, key)?;
        let Content::Manifest(manifest) = reader.read()? else {
            bail!("the backup does not begin with its manifest");
        };
        let mut ahead = Some(reader.read()?);
        let mut keys = Vec::new();
        if let Some(Content::Keys(kept)) = &ahead {
            keys.clone_from(&kept.files);
            ahead = None;
        }
        let kept = keys
            .iter()
            .find(|file| file.path == LEDGER_KEY)
            .and_then(|file| key::parse(std::str::from_utf8(&file.content).ok()?))
            .map(|secret| Key::new(&secret));
        let ledger = kept.or(given);
        if let Some(ledger) = &ledger {
            ensure!(
                mark(ledger) == manifest.ledger_key,
                "ledger.key is not the key of the histories in this backup; bring back the one \
                 that was there when it was made"
            );
        }
        Ok(Self {
            reader,
            manifest,
            keys,
            ledger,
            ahead,
            service: 0,
            office: 0,
            last: (0, Vec::new()),
            chain: None,
            closed: false,
        })
    }

    /// How many entries the manifest tells of.
    pub(super) fn total(&self) -> u64 {
        let offices = self.manifest.services.iter().flat_map(|s| &s.offices);
        offices.map(|o| o.entries.unsigned_abs()).sum()
    }

    /// The next entries; `None` at the end of a backup that is whole.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Batch>> {
        if self.closed {
            return Ok(None);
        }
        let content = match self.ahead.take() {
            Some(content) => content,
            None => self.reader.read()?,
        };
        match content {
            Content::Entries(chunk) => {
                let rows = chunk.entries.into_iter().map(|e| e.row(&chunk.office));
                let rows: Option<Vec<Model>> = rows.collect();
                let rows = rows.context("an entry of the backup has no time")?;
                self.follow(&chunk.service, &chunk.office, &rows)?;
                Ok(Some(Batch {
                    service: self.service,
                    entries: rows,
                }))
            }
            Content::Close(close) => {
                self.end_office()?;
                if let Some(missing) = self.expected() {
                    bail!("the backup lacks the history of {missing}");
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
            Content::Manifest(_) | Content::Keys(_) => bail!("the backup has a second beginning"),
        }
    }

    /// What was found, once the end is reached.
    pub(super) fn checked(self) -> anyhow::Result<Checked> {
        let time = DateTime::from_timestamp_micros(self.manifest.time);
        Ok(Checked {
            time: time.context("the manifest has no time")?,
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

    fn follow(&mut self, service: &str, office: &str, rows: &[Model]) -> anyhow::Result<()> {
        let name = format!("{service} offices/{office}");
        if self.chain.is_none() || self.expected().as_ref() != Some(&name) {
            self.end_office()?;
            ensure!(
                self.expected().as_ref() == Some(&name),
                "the manifest does not tell of {name} here"
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

    /// The history that is being followed or comes next; passes services without one.
    fn expected(&mut self) -> Option<String> {
        loop {
            let service = self.manifest.services.get(self.service)?;
            if let Some(office) = service.offices.get(self.office) {
                return Some(format!("{} offices/{}", service.name, office.id));
            }
            (self.service, self.office) = (self.service + 1, 0);
        }
    }

    /// Whether the history that was followed ends where the manifest says; goes on to the next.
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

/// Tells a key from another.
pub(super) fn mark(ledger: &Key) -> Vec<u8> {
    ledger.backup(&[b"mark"]).to_vec()
}
