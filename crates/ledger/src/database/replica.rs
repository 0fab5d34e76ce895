//! A read replica: a standby of the database that PostgreSQL keeps in step, a little behind.
//!
//! Once a second we ask the database how far its log is, and the standby how far it has come. So it
//! is known for each moment how old the standby's state may be at the most. One that is too old,
//! away, or a standby of something else is not asked: the database itself answers then.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};
use taizhang_contracts::{Error, Reason, Result};
use tokio::time::{sleep, timeout};

use super::{Connections, Database, common, postgres, refusal};

/// How old what is read from a replica may be at the most.
const OLDEST: Duration = Duration::from_secs(10);
/// How often we look how far it is, and how long a look may take.
const LOOK: Duration = Duration::from_secs(1);

/// How a replica stood when it was first looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is a standby of the database.
    Good,
    /// It is no standby of this database.
    Other,
    /// It can't be reached.
    Away,
}

/// A standby, for reading.
#[derive(Debug)]
pub(super) struct Replica {
    connections: Connections,
    service: &'static str,
    /// What was committed before this moment is there; `None` while it is not asked.
    holds: Mutex<Option<Instant>>,
}

impl Replica {
    fn holds(&self) -> MutexGuard<'_, Option<Instant>> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How old its state is at the most; `None` if it must not be asked.
    fn age(&self) -> Option<Duration> {
        let age = self.holds().map(|since| since.elapsed());
        age.filter(|age| *age <= OLDEST)
    }

    fn count(&self, from: &'static str) {
        metrics::counter!("taizhang_late_reads_total", "service" => self.service, "from" => from)
            .increment(1);
    }

    /// What a failed read means: the time is over, or the database itself is to be asked.
    fn failed(&self, error: DbErr) -> Result<()> {
        let error: Error = refusal(error);
        match error.reason() {
            Reason::DeadlineExceeded => return Err(error),
            // Until the next look finds it.
            Reason::Unavailable => *self.holds() = None,
            // Such as rows that it had to give up while we read, or a table not there yet.
            _ => {}
        }
        Ok(())
    }
}

impl Database {
    /// The same database with a standby for what may be read a little late, and how that stands.
    /// Metrics tell of it under the service's name.
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
        // One that is away now may come.
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

    /// Reads what may be a little late: on the replica if there is one that is good and answers,
    /// else where everything is read. `read` is told how old the state may be.
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

    /// All rows of a query, a little late if there is a replica.
    pub(crate) async fn late_rows(&self, query: Statement) -> Result<Vec<QueryResult>> {
        self.read_late(|on, _| {
            let query = query.clone();
            async move { on.query_all_raw(query).await }
        })
        .await
    }
}

/// How far a database's log is, and which database it is.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    database: String,
    log: Option<i64>,
}

/// Looks how far the replica is.
struct Watcher {
    primary: Connections,
    replica: Weak<Replica>,
    /// How far the database's log was at some moments, as far as the replica is not there.
    ahead: VecDeque<(Instant, i64)>,
}

impl Watcher {
    /// Looks until the replica is needed no more.
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
                    "the replica is away or too far behind; the primary answers for it"
                ),
                (false, true) => {
                    tracing::info!(service = replica.service, "the replica answers");
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
            // How far it is behind can't be told. It was found to be good, or it is not asked.
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

/// The last moment whose place in the log has been replayed. It and those before are done with, and
/// so are those that are too old to be of use.
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

/// How far a standby has come; null once it was promoted, since a promoted standby has diverged.
const REPLAYED: &str = "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() END";

/// Which database it is, and how far its log is; `None` if it does not say so in time.
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
    fn a_replica_holds_what_was_committed_before_the_last_place_that_it_reached() {
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
    fn places_that_are_too_old_are_forgotten() {
        let Some(long_ago) = Instant::now().checked_sub(OLDEST * 2) else {
            return;
        };
        let mut ahead = VecDeque::from([(long_ago, 10), (Instant::now(), 20)]);
        assert_eq!(reached(&mut ahead, 9), None);
        assert_eq!(ahead.len(), 1);
    }
}
