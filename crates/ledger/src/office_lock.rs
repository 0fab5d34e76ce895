//! The lock that serializes the writes of an office within a process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use taizhang_contracts::Office;
use tokio::sync::{MutexGuard, watch};

use crate::secret::Digest;

/// The last entry of an office's history.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Head {
    pub(crate) seq: i64,
    pub(crate) mac: Digest,
}

/// An office's lock, held by the current write.
#[derive(Debug, Default)]
pub(crate) struct OfficeLock {
    head: tokio::sync::Mutex<Option<Head>>,
    /// Notifies of every commit of this process.
    commits: watch::Sender<()>,
}

impl OfficeLock {
    /// Waits for the lock. It guards the head, if this process knows it.
    pub(crate) async fn lock(&self) -> MutexGuard<'_, Option<Head>> {
        self.head.lock().await
    }

    /// Wakes the streams that watch the office.
    pub(crate) fn committed(&self) {
        self.commits.send_replace(());
    }

    /// A receiver that is notified of this process's commits.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.commits.subscribe()
    }
}

/// The locks of all offices.
#[derive(Debug, Default)]
pub(crate) struct OfficeLocks(Mutex<HashMap<Office, Arc<OfficeLock>>>);

impl OfficeLocks {
    pub(crate) fn of(&self, office: &Office) -> Arc<OfficeLock> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        locks.entry(office.clone()).or_default().clone()
    }
}
