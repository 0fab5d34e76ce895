//! How many calls a service works on at once. The rest are turned away at once, since callers that
//! wait for an answer they have given up on help nobody.

use std::sync::Arc;

use taizhang_contracts::{Error, Reason, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(super) struct Load(Arc<Semaphore>);

impl Load {
    pub(super) fn new(calls: usize) -> Self {
        Self(Arc::new(Semaphore::new(calls.min(Semaphore::MAX_PERMITS))))
    }

    /// A place, held until dropped.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED if all are taken.
    pub(super) fn enter(&self) -> Result<OwnedSemaphorePermit> {
        let place = self.0.clone().try_acquire_owned();
        place.map_err(|_| Error::new(Reason::Overloaded))
    }
}
