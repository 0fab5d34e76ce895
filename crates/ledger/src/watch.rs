//! Following the changes of a kind of record. The history is the feed: its numbers have no gaps and
//! are given in the order of the commits, so whoever has seen one entry has seen all before it.
//!
//! A commit of this process wakes the streams of its office; what other processes commit is seen at
//! the next poll.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Value};
use taizhang_contracts::{Changed, Context, Office, Result, Stopping, Until, Watch, date};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tonic::{Request, Response, Status};

use crate::behavior::{Behavior, show};
use crate::database::refusal;
use crate::history;
use crate::ledger::{Ledger, decode};
use crate::page;
use crate::record_kind::RecordKind;

/// The number of changes read at once, and so buffered for a slow reader.
const PAGE: u64 = 50;
/// How often a stream polls for commits of other processes.
const POLL: Duration = Duration::from_secs(1);
/// How long before the call's deadline the stream ends, at the most.
const MARGIN: Duration = Duration::from_millis(500);

/// The messages of a stream that one call answers.
pub type Messages<T> = BoxStream<'static, Result<T, Status>>;

impl Ledger {
    /// Streams each change after the token once and in order, until shortly before the call's
    /// deadline or until the service stops. The first and the last message have only the position.
    ///
    /// # Errors
    /// Those of [`Context::enter`]; INVALID_PAGE_TOKEN.
    pub async fn watch<E, Q>(
        &self,
        request: Request<Q>,
    ) -> Result<Response<Messages<Q::Response>>, Status>
    where
        E: Behavior,
        Q: Watch<Resource = E::Message>,
    {
        let stopping = request.extensions().get::<Stopping>().cloned();
        let (context, request) = Context::enter(request)?;
        let feed = Feed::new(self, E::KIND, context, request.resume_token(), stopping)?;
        let watcher = Watcher::<E, Q> {
            feed,
            page: VecDeque::new(),
            request: PhantomData,
        };
        let messages = stream::try_unfold(watcher, async |mut watcher| {
            let message = watcher.next().await?;
            Ok(message.map(|message| (message, watcher)))
        });
        Ok(Response::new(messages.boxed()))
    }

    /// The next entries of a collection after one entry, in order, and the office's last entry.
    async fn entries_after(
        &self,
        office: &Office,
        collection: &str,
        after: i64,
    ) -> Result<(Vec<history::Model>, i64)> {
        let reader = &self.database.reader;
        let of_office = history::Entity::find().filter(history::Column::Office.eq(office.id()));
        let last = of_office
            .clone()
            .select_only()
            .column(history::Column::Seq)
            .order_by_desc(history::Column::Seq)
            .limit(1)
            .into_tuple::<i64>()
            .one(reader);
        let last = last.await.map_err(refusal)?.unwrap_or(0);
        if last <= after {
            return Ok((Vec::new(), after));
        }
        let entries = of_office
            .filter(history::Column::Seq.gt(after))
            .filter(history::Column::Seq.lte(last))
            .filter(history::Column::Collection.eq(collection))
            .order_by_asc(history::Column::Seq)
            .limit(PAGE)
            .all(reader);
        Ok((entries.await.map_err(refusal)?, last))
    }
}

/// The stage of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begins,
    Follows,
    Ended,
}

/// The changes of one kind of record in one office, as one stream follows them.
struct Feed {
    ledger: Ledger,
    kind: &'static RecordKind,
    context: Context,
    stage: Stage,
    /// The last entry that the reader needs no more.
    after: i64,
    commits: watch::Receiver<()>,
    end: Option<Instant>,
    stopping: Option<Stopping>,
}

impl Feed {
    fn new(
        ledger: &Ledger,
        kind: &'static RecordKind,
        context: Context,
        resume_token: &str,
        stopping: Option<Stopping>,
    ) -> Result<Self> {
        let binding = ["watch", kind.type_name, context.office.id()];
        let after = match page::position(&ledger.key, &binding, resume_token)?.as_deref() {
            Some([Value::BigInt(Some(seq))]) => *seq,
            _ => 0,
        };
        Ok(Self {
            commits: ledger.locks.of(&context.office).subscribe(),
            ledger: ledger.clone(),
            kind,
            stage: Stage::Begins,
            after,
            end: context.until.and_then(end_before),
            context,
            stopping,
        })
    }

    fn is_over(&self) -> bool {
        self.end.is_some_and(|end| end <= Instant::now())
            || self.stopping.as_ref().is_some_and(Stopping::has_come)
    }

    /// Reads the next changes; none if there are none up to the last entry.
    async fn read(&mut self) -> Result<Vec<history::Model>> {
        // A commit during the read must wake the next wait.
        self.commits.mark_unchanged();
        let office = &self.context.office;
        let collection = self.kind.collection;
        let (entries, last) = self
            .ledger
            .entries_after(office, collection, self.after)
            .await?;
        if entries.is_empty() {
            self.after = last;
        }
        Ok(entries)
    }

    /// Waits until there may be a new entry, or the stream ends.
    async fn wait(&mut self) {
        let poll = Instant::now() + POLL;
        let wake = self.end.map_or(poll, |end| end.min(poll));
        let stopping = &mut self.stopping;
        let stopped = async {
            match stopping {
                Some(stopping) => stopping.wait().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.commits.changed() => {}
            () = sleep_until(wake) => {}
            () = stopped => {}
        }
    }

    fn token(&self) -> String {
        let binding = ["watch", self.kind.type_name, self.context.office.id()];
        page::token(&self.ledger.key, &binding, &[self.after.into()])
    }
}

/// A feed and the changes that have been read from it.
struct Watcher<E: Behavior, Q> {
    feed: Feed,
    page: VecDeque<(i64, Changed<E::Message>)>,
    request: PhantomData<fn() -> Q>,
}

impl<E: Behavior, Q: Watch<Resource = E::Message>> Watcher<E, Q> {
    async fn next(&mut self) -> Result<Option<Q::Response>> {
        match self.feed.stage {
            Stage::Ended => return Ok(None),
            Stage::Begins => {
                self.feed.stage = Stage::Follows;
                return Ok(Some(Q::heartbeat(self.feed.token())));
            }
            Stage::Follows => {}
        }
        loop {
            if self.feed.is_over() {
                self.feed.stage = Stage::Ended;
                return Ok(Some(Q::heartbeat(self.feed.token())));
            }
            if let Some((seq, change)) = self.page.pop_front() {
                self.feed.after = seq;
                return Ok(Some(Q::change(change, self.feed.token())));
            }
            let entries = self.feed.read().await?;
            if entries.is_empty() {
                self.feed.wait().await;
            } else {
                self.page = self.changes(entries).await?;
            }
        }
    }

    async fn changes(
        &self,
        entries: Vec<history::Model>,
    ) -> Result<VecDeque<(i64, Changed<E::Message>)>> {
        let records = entries.iter().map(|entry| decode(&entry.body));
        let mut records = records.collect::<Result<Vec<E::Message>>>()?;
        show::<E>(&self.feed.ledger, &self.feed.context.office, &mut records).await?;
        let changes = entries.into_iter().zip(records).map(|(entry, record)| {
            let change = Changed {
                record,
                method: entry.method,
                time: date::timestamp(entry.time),
                caller: entry.caller,
            };
            (entry.seq, change)
        });
        Ok(changes.collect())
    }
}

/// The end of the stream, a little before the call's deadline, so that the last message arrives.
fn end_before(until: Until) -> Option<Instant> {
    until.0.checked_sub(MARGIN.min(until.remaining() / 4))
}
