//! What comes in at one time is done together.
//!
//! A statement costs the database and us more than the row that it is about. While one is under
//! way, whatever comes in for the same purpose gathers; the next statement takes it all. Nothing
//! waits for what has not arrived yet.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sea_orm::DbErr;
use tokio::sync::oneshot;

/// What is answered to each item.
type Answer<A> = Result<A, DbErr>;

/// An item that waits, and who waits for its answer.
type Waiting<I, A> = (I, oneshot::Sender<Answer<A>>);

/// What waits while something is under way, by what it is for.
#[derive(Debug)]
pub(super) struct Gather<K, I, A> {
    /// Of so many that wait, how many are done together: at least one.
    take: fn(usize) -> usize,
    /// Whether calls that have arrived already, and not been read yet, come along: worth it where a
    /// statement is short.
    patient: bool,
    waiting: Mutex<HashMap<K, Vec<Waiting<I, A>>>>,
}

impl<K, I, A> Gather<K, I, A>
where
    K: Copy + Eq + Hash + Send + 'static,
    I: Send + 'static,
    A: Send + 'static,
{
    pub(super) fn new(patient: bool, take: fn(usize) -> usize) -> Arc<Self> {
        Arc::new(Self {
            take,
            patient,
            waiting: Mutex::default(),
        })
    }

    /// The answer to an item; `work` answers several in their order.
    pub(super) async fn ask<W, F>(self: &Arc<Self>, purpose: K, item: I, work: W) -> Answer<A>
    where
        W: Fn(Vec<I>) -> F + Send + 'static,
        F: Future<Output = Vec<Answer<A>>> + Send + 'static,
    {
        let (answer, told) = oneshot::channel();
        let begin = {
            let mut waiting = self.waiting();
            let begin = !waiting.contains_key(&purpose);
            waiting.entry(purpose).or_default().push((item, answer));
            begin
        };
        if begin {
            // Not part of this call, which may be dropped: others wait for it too.
            tokio::spawn(self.clone().run(purpose, work));
        }
        let gone = |_| DbErr::Custom("a statement was dropped".into());
        told.await.map_err(gone)?
    }

    /// Does what waits until nothing does.
    async fn run<W, F>(self: Arc<Self>, purpose: K, work: W)
    where
        W: Fn(Vec<I>) -> F,
        F: Future<Output = Vec<Answer<A>>>,
    {
        let _cleared = Cleared(&self, purpose);
        loop {
            if self.patient {
                tokio::task::yield_now().await;
            }
            let Some(taken) = self.next(purpose) else {
                return;
            };
            let (items, waiting): (Vec<I>, Vec<_>) = taken.into_iter().unzip();
            let answers = work(items).await;
            for (answer, waits) in answers.into_iter().zip(waiting) {
                // Who gave up waiting is not told.
                let _ = waits.send(answer);
            }
        }
    }

    fn next(&self, purpose: K) -> Option<Vec<Waiting<I, A>>> {
        let mut waiting = self.waiting();
        let items = waiting.get_mut(&purpose)?;
        // Nothing is begun for a caller who has gone.
        items.retain(|(_, answer)| !answer.is_closed());
        if items.is_empty() {
            waiting.remove(&purpose);
            return None;
        }
        let taken = (self.take)(items.len());
        Some(items.drain(..taken).collect())
    }
}

impl<K, I, A> Gather<K, I, A> {
    fn waiting(&self) -> MutexGuard<'_, HashMap<K, Vec<Waiting<I, A>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets go of what waits if the work panics, lest it wait for ever.
struct Cleared<'a, K: Eq + Hash, I, A>(&'a Gather<K, I, A>, K);

impl<K: Eq + Hash, I, A> Drop for Cleared<'_, K, I, A> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.waiting().remove(&self.1);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use futures::future::join_all;

    use super::*;

    /// Answers every item with all that it was done with.
    async fn ask(gather: &Arc<Gather<&'static str, u32, Vec<u32>>>, item: u32) -> Answer<Vec<u32>> {
        let work = |items: Vec<u32>| async move {
            assert!(!items.contains(&13), "a bad number");
            items.iter().map(|_| Ok(items.clone())).collect()
        };
        gather.ask("numbers", item, work).await
    }

    #[tokio::test]
    async fn what_comes_in_at_one_time_is_done_together_and_no_more_than_wanted() {
        let gather = Gather::new(false, |waiting| waiting.min(2));
        let answers = join_all((1..=5).map(|item| ask(&gather, item))).await;
        let done: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(
            done,
            [vec![1, 2], vec![1, 2], vec![3, 4], vec![3, 4], vec![5]]
        );
    }

    #[tokio::test]
    async fn nothing_is_begun_for_who_has_gone() {
        let gather = Gather::new(true, |waiting| waiting);
        let gone = futures::poll!(Box::pin(ask(&gather, 1)));
        assert!(gone.is_pending());
        assert_eq!(ask(&gather, 2).await.unwrap(), [2]);
    }

    #[tokio::test]
    async fn a_panic_ends_no_others_work_for_good() {
        let gather = Gather::new(true, |waiting| waiting);
        let (first, second) = tokio::join!(ask(&gather, 13), ask(&gather, 1));
        assert!(first.is_err() && second.is_err());
        assert_eq!(ask(&gather, 2).await.unwrap(), [2]);
    }
}
