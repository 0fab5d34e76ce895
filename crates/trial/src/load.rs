//! Makes the records of a trial over gRPC, several at a time.

use futures::{StreamExt, TryStreamExt, stream};

use crate::client::Clients;
use crate::job::Job;
use crate::records::{self, Record};

/// How many records are made at the same time.
const CONCURRENCY: usize = 16;

/// Makes the records; `progress` is told how many are done, of how many.
///
/// # Errors
/// The first refusal.
pub(crate) async fn load(
    clients: &Clients,
    jobs: &[Job<Record>],
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> anyhow::Result<()> {
    records::prepare(clients).await?;
    let mut made = stream::iter(jobs.iter().enumerate())
        .map(|(i, job)| records::make(clients.clone(), i, job))
        .buffer_unordered(CONCURRENCY);
    let mut done = 0;
    while made.try_next().await?.is_some() {
        done += 1;
        progress(done, jobs.len() as u64);
    }
    Ok(())
}
