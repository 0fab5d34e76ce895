//! The ledger key: authenticates history entries, page tokens and backups.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A 256-bit digest.
pub(crate) type Digest = [u8; 32];

/// The ledger key of a deployment. All processes of a service need the same one.
#[derive(Clone)]
pub struct Key {
    history: Digest,
    pages: Digest,
    backups: Digest,
}

impl Key {
    /// Derives one key for each use from a secret.
    pub fn new(secret: &[u8]) -> Self {
        Self {
            history: authenticate(secret, &[b"taizhang history"]),
            pages: authenticate(secret, &[b"taizhang pages"]),
            backups: authenticate(secret, &[b"taizhang backups"]),
        }
    }

    /// The digest of a history entry.
    pub(crate) fn history(&self, parts: &[&[u8]]) -> Digest {
        authenticate(&self.history, parts)
    }

    /// The digest of a page token.
    pub(crate) fn page(&self, parts: &[&[u8]]) -> Digest {
        authenticate(&self.pages, parts)
    }

    /// The digest of a backup.
    pub fn backup(&self, parts: &[&[u8]]) -> [u8; 32] {
        authenticate(&self.backups, parts)
    }
}

/// HMAC-SHA256 over the parts, each prefixed by its length, so that different lists of parts never
/// give the same input.
fn authenticate(key: &[u8], parts: &[&[u8]]) -> Digest {
    // HMAC takes keys of any length, so this can't fail; an empty digest would match nothing.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
