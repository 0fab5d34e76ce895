//! What identifies a retry (AIP-155).

use sha2::{Digest as _, Sha256};
use taizhang_contracts::Write;

use crate::secret::Digest;

/// What identifies a retry: the request id and the digest of the request.
pub(crate) struct RequestKey {
    method: &'static str,
    id: Option<String>,
    /// How many calls it makes, if it is a batch.
    calls: Option<usize>,
    digest: Digest,
    validate_only: bool,
}

impl RequestKey {
    pub(crate) fn of<Q: Write>(request: &Q) -> Self {
        let mut key = Self::new(Q::METHOD, request.request_id(), request.validate_only());
        if key.id.is_some() {
            // With validate_only a request has the digest of the real one.
            let mut request = request.clone();
            request.set_validate_only(false);
            key.digest = digest(Q::METHOD, &request.to_bytes());
        }
        key
    }

    fn new(method: &'static str, request_id: &str, validate_only: bool) -> Self {
        let id = uuid::Uuid::try_parse(request_id).ok();
        Self {
            method,
            id: id.map(|id| id.to_string()),
            calls: None,
            digest: Digest::default(),
            validate_only,
        }
    }

    /// The key of a batch with this number of calls.
    pub(crate) fn of_batch<Q: Write>(request: &Q, calls: usize) -> Self {
        Self {
            calls: Some(calls),
            ..Self::of(request)
        }
    }

    pub(super) fn method(&self) -> &'static str {
        self.method
    }

    pub(super) fn is_batch(&self) -> bool {
        self.calls.is_some()
    }

    pub(super) fn validate_only(&self) -> bool {
        self.validate_only
    }

    /// The digest of the request.
    pub(super) fn digest(&self) -> &[u8] {
        &self.digest
    }

    /// The request ids of the calls' answers: the last has the caller's own, those before it have
    /// their index appended.
    pub(super) fn ids(&self) -> Option<Vec<String>> {
        let id = self.id.as_ref()?;
        let last = self.calls.unwrap_or(1).saturating_sub(1);
        let mut ids: Vec<String> = (0..last).map(|call| format!("{id}/{call}")).collect();
        ids.push(id.clone());
        Some(ids)
    }
}

fn digest(method: &str, request: &[u8]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(method);
    hasher.update(request);
    hasher.finalize().into()
}
