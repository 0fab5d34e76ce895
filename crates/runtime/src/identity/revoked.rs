//! The list of revoked tokens, reloaded when its file changes.

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

/// The list, at most as old as the interval of its checks.
#[derive(Debug)]
pub(super) struct Revoked {
    path: PathBuf,
    ids: RwLock<HashSet<String>>,
    loaded: Mutex<Option<Version>>,
    started: Instant,
    /// When the file is checked next, in milliseconds since `started`.
    next_check: AtomicU64,
    interval: Duration,
    /// Whether the last check failed.
    failing: AtomicBool,
}

impl Revoked {
    /// Loads the list, and from then on checks its file at most once in each interval.
    pub(super) fn open(path: &Path, interval: Duration) -> Result<Self> {
        // Read before the content, so that the next check finds a change in between.
        let loaded = version(&fs::metadata(path)?);
        Ok(Self {
            path: path.to_owned(),
            ids: RwLock::new(read(path)?),
            loaded: Mutex::new(loaded),
            started: Instant::now(),
            next_check: AtomicU64::new(0),
            interval,
            failing: AtomicBool::new(false),
        })
    }

    /// Whether the token with this id was revoked.
    pub(super) fn contains(&self, id: &str) -> bool {
        self.check();
        self.ids
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(id)
    }

    /// Reloads the file if it changed. One call in each interval does this; if it fails, the last
    /// list stays in force.
    fn check(&self) {
        let now = millis(self.started.elapsed());
        let due = self.next_check.load(Ordering::Relaxed);
        let next = now + millis(self.interval);
        if now < due
            || self
                .next_check
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_err()
        {
            return;
        }
        match self.reload() {
            Ok(()) => self.failing.store(false, Ordering::Relaxed),
            Err(cause) => {
                if !self.failing.swap(true, Ordering::Relaxed) {
                    let file = self.path.display();
                    tracing::error!(%file, %cause, "the list of revoked tokens can't be read; the last one stays in force");
                }
            }
        }
    }

    fn reload(&self) -> Result<()> {
        let version = version(&fs::metadata(&self.path)?);
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if version.is_none() || *loaded != version {
            let ids = read(&self.path)?;
            *self.ids.write().unwrap_or_else(PoisonError::into_inner) = ids;
            *loaded = version;
        }
        Ok(())
    }
}

/// The time of the last change and the size of a file, which change with its content.
type Version = (SystemTime, u64);

/// `None` if the file system has no times of changes.
fn version(metadata: &Metadata) -> Option<Version> {
    Some((metadata.modified().ok()?, metadata.len()))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
