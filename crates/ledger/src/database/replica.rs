//! A read replica: a streaming standby of PostgreSQL, for late reads.
//!
//! Once a second the primary's WAL position and the position that the standby has replayed are
//! compared, which gives an upper bound of the standby's lag. If the lag is too large, or the standby
//! is unreachable or not one of this primary, late reads go to the primary.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};
use taizhang_contracts::{Error, Reason, Result};
use tokio::time::{sleep, timeout};

use super::{Connections, Database, common, postgres, refusal};

/// The largest lag of a replica that is read from.
const OLDEST: Duration = Duration::from_secs(10);
/// The interval of the lag probe, and its timeout.
const LOOK: Duration = Duration::from_secs(1);

/// The state of a replica at the first probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is a standby of this primary.
    Good,
    /// It is not a standby of this primary.
    Other,
    /// It can't be reached.
    Away,
}

/// A standby and its lag.
#[derive(Debug)]
pub(super) struct Replica {
    connections: Connections,
    service: &'static str,
    /// Everything committed before this moment is replayed; `None` while it must not be read.
    holds: Mutex<Option<Instant>>,
}

impl Replica {
    fn holds(&self) -> MutexGuard<'_, Option<Instant>> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The upper bound of its lag; `None` if it must not be read.
    fn age(&self) -> Option<Duration> {
        let age = self.holds().map(|since| since.elapsed());
        age.filter(|age| *age <= OLDEST)
    }

    fn count(&self, from: &'static str) {
        metrics::counter!("taizhang_late_reads_total", "service" => self.service, "from" => from)
            .increment(1);
    }

    /// Handles a failed read: an error if the deadline has passed, else the primary is read.
    fn failed(&self, error: DbErr) -> Result<()> {
        let error: Error = refusal(error);
        match error.reason() {
            Reason::DeadlineExceeded => return Err(error),
            // Not read until the next successful probe.
            Reason::Unavailable => *self.holds() = None,
            // Such as a conflict with recovery, or a table that is not replicated yet.
            _ => {}
        }
        Ok(())
    }
}

impl Database {
    /// Adds a standby for late reads; returns its state too. Metrics are labelled with the service's
    /// name.
    ///
    /// # Errors
    /// If the URL can't be used.
    pub async fn with_replica(
        mut self,
        service: &'static str,
        url: &str,
        pool: u32,
        statement_timeout: Duration,
    ) -> Result<(Self, Standing), DbErr> {
        let mut options = common(url, pool);
        // A standby that is unreachable now may come up later.
        options.connect_lazy(true);
        let replica = Arc::new(Replica {
            connections: postgres(options, pool, Some(statement_timeout)).await?,
            service,
            holds: Mutex::default(),
        });
        let mut watcher = Watcher {
            primary: self.writer.clone(),
            replica: Arc::downgrade(&replica),
            ahead: VecDeque::new(),
        };
        let standing = watcher.look(&replica).await;
        tokio::spawn(watcher.watch());
        self.replica = Some(replica);
        Ok((self, standing))
    }

    /// A late read: on the replica if its lag is small enough, else, or if that fails, on the
    /// primary. `read` gets the connections and the upper bound of the lag.
    pub(crate) async fn read_late<T, F>(
        &self,
        read: impl Fn(Connections, Duration) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T, DbErr>>,
    {
        let primary = || read(self.reader.clone(), Duration::ZERO);
        let Some(replica) = &self.replica else {
            return primary().await.map_err(refusal);
        };
        if let Some(age) = replica.age() {
            match read(replica.connections.clone(), age).await {
                Ok(found) => {
                    replica.count("replica");
                    return Ok(found);
                }
                Err(error) => replica.failed(error)?,
            }
        }
        replica.count("primary");
        primary().await.map_err(refusal)
    }

    /// All rows of a query, as a late read.
    pub(crate) async fn late_rows(&self, query: Statement) -> Result<Vec<QueryResult>> {
        self.read_late(|on, _| {
            let query = query.clone();
            async move { on.query_all_raw(query).await }
        })
        .await
    }
}

/// The identity of a database and its WAL position.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    database: String,
    log: Option<i64>,
}

/// Measures the lag of the replica.
struct Watcher {
    primary: Connections,
    replica: Weak<Replica>,
    /// Earlier positions of the primary that the replica has not replayed yet.
    ahead: VecDeque<(Instant, i64)>,
}

impl Watcher {
    /// Probes until the replica is dropped.
    async fn watch(mut self) {
        let mut was_good = false;
        while let Some(replica) = self.replica.upgrade() {
            self.look(&replica).await;
            let age = replica.age();
            let behind = replica.holds().map(|since| since.elapsed());
            let behind = behind.map_or(f64::INFINITY, |behind| behind.as_secs_f64());
            metrics::gauge!("taizhang_replica_behind_seconds", "service" => replica.service)
                .set(behind);
            match (was_good, age.is_some()) {
                (true, false) => tracing::warn!(
                    service = replica.service,
                    "the replica is unreachable or too far behind; late reads go to the primary"
                ),
                (false, true) => {
                    tracing::info!(service = replica.service, "late reads go to the replica");
                }
                _ => {}
            }
            was_good = age.is_some();
            drop(replica);
            sleep(LOOK).await;
        }
    }

    async fn look(&mut self, replica: &Replica) -> Standing {
        let now = Instant::now();
        let primary = place(&self.primary, "pg_current_wal_flush_lsn()").await;
        let standby = place(&replica.connections, REPLAYED).await;
        let Some(standby) = standby else {
            return Standing::Away;
        };
        let Some(primary) = primary else {
            // The lag is unknown; the replica is read only while the last one measured is small enough.
            return Standing::Good;
        };
        let (Some(log), Some(replayed), true) = (
            primary.log,
            standby.log,
            primary.database == standby.database,
        ) else {
            *replica.holds() = None;
            return Standing::Other;
        };
        self.ahead.push_back((now, log));
        if let Some(moment) = reached(&mut self.ahead, replayed) {
            *replica.holds() = Some(moment);
        }
        Standing::Good
    }
}

/// The last moment whose WAL position has been replayed. Removes the replayed positions, and those
/// older than [`OLDEST`].
fn reached(ahead: &mut VecDeque<(Instant, i64)>, replayed: i64) -> Option<Instant> {
    let mut last = None;
    while let Some((moment, log)) = ahead.front().copied() {
        if log <= replayed {
            last = Some(moment);
        } else if moment.elapsed() <= OLDEST {
            break;
        }
        ahead.pop_front();
    }
    last
}

/// The position that a standby has replayed; null once it was promoted, since it has diverged then.
const REPLAYED: &str = "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() END";

/// The identity and WAL position of a database; `None` on an error or timeout.
async fn place(on: &Connections, log: &str) -> Option<Place> {
    let sql = format!(
        "SELECT system_identifier::text || '/' || current_database(), ({log} - '0/0')::bigint \
         FROM pg_control_system()"
    );
    let ask = on.query_one_raw(Statement::from_string(DbBackend::Postgres, sql));
    let row = timeout(LOOK, ask).await.ok()?.ok()??;
    Some(Place {
        database: row.try_get_by_index(0).ok()?,
        log: row.try_get_by_index(1).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_replayed_position_is_found() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut ahead = VecDeque::from([(at(0), 10), (at(1), 10), (at(2), 30)]);
        assert_eq!(reached(&mut ahead, 9), None);
        assert_eq!(reached(&mut ahead, 29), Some(at(1)));
        assert_eq!(ahead, [(at(2), 30)]);
        assert_eq!(reached(&mut ahead, 30), Some(at(2)));
        assert_eq!(reached(&mut ahead, 99), None);
    }

    #[test]
    fn positions_that_are_too_old_are_removed() {
        let Some(long_ago) = Instant::now().checked_sub(OLDEST * 2) else {
            return;
        };
        let mut ahead = VecDeque::from([(long_ago, 10), (Instant::now(), 20)]);
        assert_eq!(reached(&mut ahead, 9), None);
        assert_eq!(ahead.len(), 1);
    }
}
