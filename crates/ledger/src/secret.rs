//! The ledger's key: authenticates history entries and page tokens.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A 256-bit digest.
pub(crate) type Digest = [u8; 32];

/// The key of a deployment's ledgers. All processes of one service need the same.
#[derive(Clone)]
pub struct Key {
    history: Digest,
    pages: Digest,
    backups: Digest,
}

impl Key {
    /// Derives the keys for each use from one secret.
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

    /// The digest with which a backup shows that whoever made it has this key.
    pub fn backup(&self, parts: &[&[u8]]) -> [u8; 32] {
        authenticate(&self.backups, parts)
    }
}

/// HMAC-SHA256 over the parts, each with its length before it, so that no two lists of parts give
/// the same text.
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
