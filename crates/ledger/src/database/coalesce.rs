//! Coalesces calls that arrive at the same time into one statement.
//!
//! Most of the cost is per statement, not per row. While one runs, calls with the same key queue up,
//! and the next statement takes them all. Nothing waits for calls that have not arrived.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sea_orm::DbErr;
use tokio::sync::oneshot;

/// The result of one item.
type Outcome<T> = Result<T, DbErr>;

/// A queued item, and the caller that waits for its result.
type Queued<I, T> = (I, oneshot::Sender<Outcome<T>>);

/// Queues by key; of each key one statement runs at a time.
#[derive(Debug)]
pub(super) struct Coalesce<K, I, T> {
    /// The number of items that one statement takes, at least 1, by the number queued.
    batch: fn(usize) -> usize,
    /// Whether to yield to the scheduler before each statement, so that calls that have arrived
    /// but have not been polled yet join it: worth it where a statement is short.
    yields: bool,
    queues: Mutex<HashMap<K, Vec<Queued<I, T>>>>,
}

impl<K, I, T> Coalesce<K, I, T>
where
    K: Copy + Eq + Hash + Send + 'static,
    I: Send + 'static,
    T: Send + 'static,
{
    pub(super) fn new(yields: bool, batch: fn(usize) -> usize) -> Arc<Self> {
        Arc::new(Self {
            batch,
            yields,
            queues: Mutex::default(),
        })
    }

    /// Returns the result of one item; `work` returns those of several, in their order.
    pub(super) async fn run<W, F>(self: &Arc<Self>, key: K, item: I, work: W) -> Outcome<T>
    where
        W: Fn(Vec<I>) -> F + Send + 'static,
        F: Future<Output = Vec<Outcome<T>>> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let is_first = {
            let mut queues = self.queues();
            let is_first = !queues.contains_key(&key);
            queues.entry(key).or_default().push((item, sender));
            is_first
        };
        if is_first {
            // In a task of its own: this call may be cancelled while others wait for the result.
            tokio::spawn(self.clone().drain(key, work));
        }
        let dropped = |_| DbErr::Custom("the statement was dropped".into());
        receiver.await.map_err(dropped)?
    }

    /// Runs statements until the queue is empty.
    async fn drain<W, F>(self: Arc<Self>, key: K, work: W)
    where
        W: Fn(Vec<I>) -> F,
        F: Future<Output = Vec<Outcome<T>>>,
    {
        let _clear = ClearOnPanic(&self, key);
        loop {
            if self.yields {
                tokio::task::yield_now().await;
            }
            let Some(batch) = self.next(key) else {
                return;
            };
            let (items, senders): (Vec<I>, Vec<_>) = batch.into_iter().unzip();
            let outcomes = work(items).await;
            for (outcome, sender) in outcomes.into_iter().zip(senders) {
                // The caller may have been cancelled meanwhile.
                let _ = sender.send(outcome);
            }
        }
    }

    fn next(&self, key: K) -> Option<Vec<Queued<I, T>>> {
        let mut queues = self.queues();
        let queue = queues.get_mut(&key)?;
        // Skip cancelled callers.
        queue.retain(|(_, sender)| !sender.is_closed());
        if queue.is_empty() {
            queues.remove(&key);
            return None;
        }
        let count = (self.batch)(queue.len());
        Some(queue.drain(..count).collect())
    }
}

impl<K, I, T> Coalesce<K, I, T> {
    fn queues(&self) -> MutexGuard<'_, HashMap<K, Vec<Queued<I, T>>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops a queue if the work panics, so that its callers get an error and the next call begins anew.
struct ClearOnPanic<'a, K: Eq + Hash, I, T>(&'a Coalesce<K, I, T>, K);

impl<K: Eq + Hash, I, T> Drop for ClearOnPanic<'_, K, I, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.queues().remove(&self.1);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use futures::future::join_all;

    use super::*;

    /// Gives every item the batch that it was run in.
    async fn run(
        coalesce: &Arc<Coalesce<&'static str, u32, Vec<u32>>>,
        item: u32,
    ) -> Outcome<Vec<u32>> {
        let work = |items: Vec<u32>| async move {
            assert!(!items.contains(&13), "a bad number");
            items.iter().map(|_| Ok(items.clone())).collect()
        };
        coalesce.run("numbers", item, work).await
    }

    #[tokio::test]
    async fn calls_at_one_time_share_a_batch_of_bounded_size() {
        let coalesce = Coalesce::new(false, |queued| queued.min(2));
        let outcomes = join_all((1..=5).map(|item| run(&coalesce, item))).await;
        let batches: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
        assert_eq!(
            batches,
            [vec![1, 2], vec![1, 2], vec![3, 4], vec![3, 4], vec![5]]
        );
    }

    #[tokio::test]
    async fn cancelled_callers_are_skipped() {
        let coalesce = Coalesce::new(true, |queued| queued);
        let cancelled = futures::poll!(Box::pin(run(&coalesce, 1)));
        assert!(cancelled.is_pending());
        assert_eq!(run(&coalesce, 2).await.unwrap(), [2]);
    }

    #[tokio::test]
    async fn a_panic_fails_its_batch_only() {
        let coalesce = Coalesce::new(true, |queued| queued);
        let (first, second) = tokio::join!(run(&coalesce, 13), run(&coalesce, 1));
        assert!(first.is_err() && second.is_err());
        assert_eq!(run(&coalesce, 2).await.unwrap(), [2]);
    }
}
