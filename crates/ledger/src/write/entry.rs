//! One entry of the history, and the digest that chains it to the one before.

use chrono::{DateTime, Utc};
use sea_orm::Value;
use taizhang_contracts::Context;

use super::tx::Pending;
use super::{Head, RequestKey};
use crate::column::utc;
use crate::secret::{Digest, Key};

/// One entry of the history, before it is written.
pub(super) struct Entry<'a> {
    pub(super) context: &'a Context,
    pub(super) key: &'a RequestKey,
    pub(super) request: Option<String>,
    pub(super) time: DateTime<Utc>,
    pub(super) change: &'a Pending,
}

impl Entry<'_> {
    pub(super) fn mac(&self, key: &Key, before: Head) -> Digest {
        let (collection, id) = &self.change.record;
        entry_mac(
            key,
            &before.mac,
            &EntryParts {
                office: self.context.office.id(),
                seq: before.seq + 1,
                time: self.time,
                caller: &self.context.caller.system,
                method: self.change.method,
                collection,
                id,
                version: self.change.version,
                body: &self.change.body,
                request_id: self.request.as_deref(),
                request_digest: self.request.as_ref().map(|_| self.key.digest.as_slice()),
            },
        )
    }

    pub(super) fn row(&self, head: Head) -> [Value; 12] {
        let (collection, id) = &self.change.record;
        [
            self.context.office.id().into(),
            head.seq.into(),
            utc(self.time),
            self.context.caller.system.as_str().into(),
            self.change.method.into(),
            (*collection).into(),
            id.as_str().into(),
            self.change.version.into(),
            self.change.body.clone().into(),
            self.request.clone().into(),
            self.request
                .as_ref()
                .map(|_| self.key.digest.to_vec())
                .into(),
            head.mac.to_vec().into(),
        ]
    }
}

/// Everything that an entry's digest covers.
pub(crate) struct EntryParts<'a> {
    pub(crate) office: &'a str,
    pub(crate) seq: i64,
    pub(crate) time: DateTime<Utc>,
    pub(crate) caller: &'a str,
    pub(crate) method: &'a str,
    pub(crate) collection: &'a str,
    pub(crate) id: &'a str,
    pub(crate) version: i64,
    pub(crate) body: &'a [u8],
    pub(crate) request_id: Option<&'a str>,
    pub(crate) request_digest: Option<&'a [u8]>,
}

/// The digest of an entry and of all before it.
pub(crate) fn entry_mac(key: &Key, before: &Digest, e: &EntryParts<'_>) -> Digest {
    key.history(&[
        before,
        e.office.as_bytes(),
        &e.seq.to_be_bytes(),
        &e.time.timestamp_micros().to_be_bytes(),
        e.caller.as_bytes(),
        e.method.as_bytes(),
        e.collection.as_bytes(),
        e.id.as_bytes(),
        &e.version.to_be_bytes(),
        e.body,
        e.request_id.unwrap_or_default().as_bytes(),
        e.request_digest.unwrap_or_default(),
    ])
}
