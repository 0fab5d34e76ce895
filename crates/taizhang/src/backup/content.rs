//! What the chunks of a backup hold, as protobuf messages. `docs/backup.md` tells the format:
//! numbers of fields are never given anew.

use chrono::DateTime;
use prost::{Message, Oneof};
use taizhang_ledger::history::Model;
use taizhang_ledger::history_copy::End;

/// One chunk.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Chunk {
    #[prost(oneof = "Content", tags = "1, 2, 3, 4")]
    pub(super) content: Option<Content>,
}

/// What a chunk holds. The manifest comes first, then the keys if they are kept, then the entries
/// in the order of the manifest, then the close.
#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Content {
    #[prost(message, tag = "1")]
    Manifest(Manifest),
    #[prost(message, tag = "2")]
    Keys(Keys),
    #[prost(message, tag = "3")]
    Entries(Entries),
    #[prost(message, tag = "4")]
    Close(Close),
}

/// What the backup holds.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Manifest {
    /// The version of the program that made it.
    #[prost(string, tag = "1")]
    pub(super) program: String,
    /// When the states were taken, in microseconds since 1970.
    #[prost(int64, tag = "2")]
    pub(super) time: i64,
    /// Within how many microseconds the states of all services were taken.
    #[prost(int64, tag = "3")]
    pub(super) spread: i64,
    /// Tells the ledger's key from another, without telling the key.
    #[prost(bytes = "vec", tag = "4")]
    pub(super) ledger_key: Vec<u8>,
    #[prost(message, repeated, tag = "5")]
    pub(super) services: Vec<Service>,
}

/// One service.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Service {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    /// The migrations that its database had.
    #[prost(string, repeated, tag = "2")]
    pub(super) migrations: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    pub(super) offices: Vec<Office>,
}

/// The history of one office in one service.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Office {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    /// How many entries it has, which is the number of the last.
    #[prost(int64, tag = "2")]
    pub(super) entries: i64,
    /// The digest of the last entry, and so over all of them.
    #[prost(bytes = "vec", tag = "3")]
    pub(super) digest: Vec<u8>,
}

/// The files of the data folder that hold keys, and the register of tokens.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Keys {
    #[prost(message, repeated, tag = "1")]
    pub(super) files: Vec<KeyFile>,
}

/// One of them. Its content is shown nowhere.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct KeyFile {
    /// Its path in the data folder.
    #[prost(string, tag = "1")]
    pub(super) path: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) content: Vec<u8>,
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyFile").field("path", &self.path).finish()
    }
}

/// Entries of one office's history, in order.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Entries {
    #[prost(string, tag = "1")]
    pub(super) service: String,
    #[prost(string, tag = "2")]
    pub(super) office: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) entries: Vec<Entry>,
}

/// One entry of a history.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Entry {
    #[prost(int64, tag = "1")]
    pub(super) seq: i64,
    /// In microseconds since 1970.
    #[prost(int64, tag = "2")]
    pub(super) time: i64,
    #[prost(string, tag = "3")]
    pub(super) caller: String,
    #[prost(string, tag = "4")]
    pub(super) method: String,
    #[prost(string, tag = "5")]
    pub(super) collection: String,
    #[prost(string, tag = "6")]
    pub(super) id: String,
    #[prost(int64, tag = "7")]
    pub(super) version: i64,
    /// The record after the change.
    #[prost(bytes = "vec", tag = "8")]
    pub(super) body: Vec<u8>,
    #[prost(string, optional, tag = "9")]
    pub(super) request_id: Option<String>,
    #[prost(bytes = "vec", optional, tag = "10")]
    pub(super) request_digest: Option<Vec<u8>>,
    #[prost(bytes = "vec", tag = "11")]
    pub(super) mac: Vec<u8>,
}

/// The end.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Close {
    /// Over the digest of all chunks before, with the ledger's key.
    #[prost(bytes = "vec", tag = "1")]
    pub(super) seal: Vec<u8>,
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
    /// The row of an office's history; `None` if its time is none.
    pub(super) fn row(self, office: &str) -> Option<Model> {
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
