//! The contents of the chunks of a backup, as protobuf messages. `docs/backup.md` specifies the
//! format; a field's number is never reused.

use chrono::DateTime;
use prost::{Message, Oneof};
use taizhang_files::Mode;
use taizhang_ledger::history::Model;
use taizhang_ledger::history_copy::End;

/// One chunk.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Chunk {
    #[prost(oneof = "Content", tags = "1, 2, 3, 4")]
    pub(crate) content: Option<Content>,
}

/// The content of a chunk. The manifest comes first, then the keys if the backup has them, then the
/// entries in the order of the manifest, then the close.
#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Content {
    #[prost(message, tag = "1")]
    Manifest(Manifest),
    #[prost(message, tag = "2")]
    Keys(Keys),
    #[prost(message, tag = "3")]
    Entries(Entries),
    #[prost(message, tag = "4")]
    Close(Close),
}

/// What the backup contains.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Manifest {
    /// The version of the program that made it.
    #[prost(string, tag = "1")]
    pub(crate) program: String,
    /// When the snapshots were taken, in microseconds since 1970.
    #[prost(int64, tag = "2")]
    pub(crate) time: i64,
    /// Within how many microseconds the snapshots of all services were taken.
    #[prost(int64, tag = "3")]
    pub(crate) spread: i64,
    /// Tells the ledger's key from another without revealing it.
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) ledger_key: Vec<u8>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) services: Vec<Service>,
}

/// One service.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Service {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    /// The migrations that its database had.
    #[prost(string, repeated, tag = "2")]
    pub(crate) migrations: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) offices: Vec<Office>,
}

/// The history of one office in one service.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Office {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    /// How many entries it has, which is the number of the last one.
    #[prost(int64, tag = "2")]
    pub(crate) entries: i64,
    /// The HMAC of the last entry, which covers all entries before it.
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) digest: Vec<u8>,
}

/// The path of the ledger's key in the data folder.
pub(crate) const LEDGER_KEY: &str = "ledger.key";

/// The files that a backup with keys holds, as paths in the data folder, and who may read them.
pub(crate) const KEY_FILES: &[(&str, Mode)] = &[
    (LEDGER_KEY, Mode::Private),
    ("identity/signing.key", Mode::Private),
    ("identity/public.key", Mode::Shared),
    ("identity/issued.jsonl", Mode::Shared),
    ("identity/revoked", Mode::Shared),
];

/// The key files of the data folder, and the register of tokens.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Keys {
    #[prost(message, repeated, tag = "1")]
    pub(crate) files: Vec<KeyFile>,
}

/// A key file. `Debug` does not print its content.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct KeyFile {
    /// Its path in the data folder.
    #[prost(string, tag = "1")]
    pub(crate) path: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) content: Vec<u8>,
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyFile").field("path", &self.path).finish()
    }
}

/// Entries of one office's history, in order.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Entries {
    #[prost(string, tag = "1")]
    pub(crate) service: String,
    #[prost(string, tag = "2")]
    pub(crate) office: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) entries: Vec<Entry>,
}

/// One entry of a history.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Entry {
    #[prost(int64, tag = "1")]
    pub(crate) seq: i64,
    /// In microseconds since 1970.
    #[prost(int64, tag = "2")]
    pub(crate) time: i64,
    #[prost(string, tag = "3")]
    pub(crate) caller: String,
    #[prost(string, tag = "4")]
    pub(crate) method: String,
    #[prost(string, tag = "5")]
    pub(crate) collection: String,
    #[prost(string, tag = "6")]
    pub(crate) id: String,
    #[prost(int64, tag = "7")]
    pub(crate) version: i64,
    /// The record after the change.
    #[prost(bytes = "vec", tag = "8")]
    pub(crate) body: Vec<u8>,
    #[prost(string, optional, tag = "9")]
    pub(crate) request_id: Option<String>,
    #[prost(bytes = "vec", optional, tag = "10")]
    pub(crate) request_digest: Option<Vec<u8>>,
    #[prost(bytes = "vec", tag = "11")]
    pub(crate) mac: Vec<u8>,
}

/// The end.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Close {
    /// An HMAC over the digest of all chunks before, under the ledger's key.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) seal: Vec<u8>,
}

impl From<End> for Office {
    fn from(end: End) -> Self {
        Self {
            id: end.office,
            entries: end.seq,
            digest: end.digest,
        }
    }
}

impl From<Model> for Entry {
    fn from(row: Model) -> Self {
        Self {
            seq: row.seq,
            time: row.time.timestamp_micros(),
            caller: row.caller,
            method: row.method,
            collection: row.collection,
            id: row.id,
            version: row.version,
            body: row.body,
            request_id: row.request_id,
            request_digest: row.request_digest,
            mac: row.mac,
        }
    }
}

impl Entry {
    /// The entry as a row of an office's history; `None` if its time is out of range.
    pub(crate) fn row(self, office: &str) -> Option<Model> {
        Some(Model {
            office: office.to_owned(),
            seq: self.seq,
            time: DateTime::from_timestamp_micros(self.time)?,
            caller: self.caller,
            method: self.method,
            collection: self.collection,
            id: self.id,
            version: self.version,
            body: self.body,
            request_id: self.request_id,
            request_digest: self.request_digest,
            mac: self.mac,
        })
    }
}
