//! The list of revoked tokens, read again when its file changed.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io::Result;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

/// The ids in a file, one per line.
pub(super) fn read(path: &Path) -> Result<HashSet<String>> {
    let text = fs::read_to_string(path)?;
    Ok(text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .map(str::to_owned)
        .collect())
}

/// The list as of at most a second ago.
#[derive(Debug)]
pub(super) struct Revoked {
    path: PathBuf,
    ids: RwLock<HashSet<String>>,
    seen: Mutex<Option<(SystemTime, u64)>>,
    started: Instant,
    /// When the file is looked at next, in milliseconds since `started`.
    next_look: AtomicU64,
    every: Duration,
    /// Whether the file could not be read when last looked at.
    away: AtomicBool,
}

impl Revoked {
    /// Reads the list for the first time; from then on it must have been there once.
    pub(super) fn open(path: &Path, every: Duration) -> Result<Self> {
        // Before the content: a change in between is then seen at the next look.
        let seen = version(&fs::metadata(path)?);
        Ok(Self {
            path: path.to_owned(),
            ids: RwLock::new(read(path)?),
            seen: Mutex::new(seen),
            started: Instant::now(),
            next_look: AtomicU64::new(0),
            every,
            away: AtomicBool::new(false),
        })
    }

    /// Whether the token of this id was revoked.
    pub(super) fn contains(&self, id: &str) -> bool {
        self.look();
        self.ids
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(id)
    }

    /// Reads the file anew if it changed; of all calls in a second one does this.
    fn look(&self) {
        let now = millis(self.started.elapsed());
        let due = self.next_look.load(Ordering::Relaxed);
        let next = now + millis(self.every);
        if now < due
            || self
                .next_look
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_err()
        {
            return;
        }
        match self.refresh() {
            Ok(()) => self.away.store(false, Ordering::Relaxed),
            Err(cause) => {
                if !self.away.swap(true, Ordering::Relaxed) {
                    let file = self.path.display();
                    tracing::error!(%file, %cause, "revoked tokens can't be read; the last list stays");
                }
            }
        }
    }

    fn refresh(&self) -> Result<()> {
        let version = version(&fs::metadata(&self.path)?);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if version.is_none() || *seen != version {
            let ids = read(&self.path)?;
            *self.ids.write().unwrap_or_else(PoisonError::into_inner) = ids;
            *seen = version;
        }
        Ok(())
    }
}

/// What tells one content from another; `None` where the file system keeps no times.
fn version(metadata: &Metadata) -> Option<(SystemTime, u64)> {
    Some((metadata.modified().ok()?, metadata.len()))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
