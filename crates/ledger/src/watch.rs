//! Following the changes of a kind of record. The history is the feed: its numbers have no gaps and
//! are given in the order of the commits, so whoever has seen one entry has seen all before it.
//!
//! A commit of this process wakes those who wait for the office's news; what other processes
//! commit is seen at the next look.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream, StreamExt};
use sea_orm::{DbErr, QueryResult, Value};
use taizhang_contracts::{Changed, Context, Error, Resource, Result, Stopping, Until, Watch, date};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tonic::{Request, Response, Status};

use crate::database::refusal;
use crate::ledger::Ledger;
use crate::record::Record;
use crate::{page, sql};

/// How many changes are read at once, and so held for a reader that is slow.
const PAGE: u64 = 50;
/// How long one waits for the news of other processes.
const POLL: Duration = Duration::from_secs(1);
/// How long before the end of the call's time the stream ends, at the most.
const MARGIN: Duration = Duration::from_millis(500);

/// The messages of a stream that one call answers.
pub type Messages<T> = BoxStream<'static, Result<T, Status>>;

impl<S: 'static> Ledger<S> {
    /// Each change after the token once and in order, until the call's time is nearly over or the
    /// service stops. The first and the last message only tell where one stands.
    ///
    /// # Errors
    /// Those of [`Context::enter`]; INVALID_PAGE_TOKEN.
    pub async fn watch<Q: Watch>(
        &self,
        request: Request<Q>,
    ) -> Result<Response<Messages<Q::Response>>, Status>
    where
        Q::Resource: Record<S>,
    {
        let stopping = request.extensions().get::<Stopping>().cloned();
        let (context, request) = Context::enter(request)?;
        let watcher = Watcher::<S, Q>::new(self.clone(), context, &request, stopping)?;
        let messages = stream::try_unfold(watcher, async |mut watcher| {
            let message = watcher.next().await?;
            Ok(message.map(|message| (message, watcher)))
        });
        Ok(Response::new(messages.boxed()))
    }
}

/// Where a watcher is in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begins,
    Follows,
    Ended,
}

/// One who follows.
struct Watcher<S, Q: Watch> {
    ledger: Ledger<S>,
    context: Context,
    stage: Stage,
    /// The last entry that the reader needs no more.
    after: i64,
    page: VecDeque<(i64, Changed<Q::Resource>)>,
    news: watch::Receiver<()>,
    end: Option<Instant>,
    stopping: Option<Stopping>,
    request: PhantomData<fn() -> Q>,
}

impl<S: 'static, Q: Watch> Watcher<S, Q>
where
    Q::Resource: Record<S>,
{
    fn new(
        ledger: Ledger<S>,
        context: Context,
        request: &Q,
        stopping: Option<Stopping>,
    ) -> Result<Self> {
        let binding = binding::<Q::Resource>(&context);
        let after = page::position(&ledger.key, &binding, request.resume_token())?;
        let after = match after.as_deref() {
            Some([Value::BigInt(Some(seq))]) => *seq,
            _ => 0,
        };
        let end = context.until.and_then(early);
        Ok(Self {
            news: ledger.heads.of(&context.office).news.subscribe(),
            ledger,
            context,
            stage: Stage::Begins,
            after,
            page: VecDeque::new(),
            end,
            stopping,
            request: PhantomData,
        })
    }

    async fn next(&mut self) -> Result<Option<Q::Response>> {
        match self.stage {
            Stage::Ended => return Ok(None),
            Stage::Begins => {
                self.stage = Stage::Follows;
                return Ok(Some(Q::heartbeat(self.token())));
            }
            Stage::Follows => {}
        }
        loop {
            if self.is_over() {
                self.stage = Stage::Ended;
                return Ok(Some(Q::heartbeat(self.token())));
            }
            if let Some((seq, change)) = self.page.pop_front() {
                self.after = seq;
                return Ok(Some(Q::change(change, self.token())));
            }
            // What is committed while we read is news afterwards.
            self.news.mark_unchanged();
            self.read().await?;
            if self.page.is_empty() {
                self.wait().await;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.end.is_some_and(|end| end <= Instant::now())
            || self.stopping.as_ref().is_some_and(Stopping::has_come)
    }

    /// Reads the next changes, or else learns that up to the last entry there are none.
    async fn read(&mut self) -> Result<()> {
        let (ledger, office) = (&self.ledger, &self.context.office);
        let reader = &ledger.database.reader;
        let head = sql::last_entry(ledger.backend(), office);
        let head = reader.one(head).await.map_err(refusal)?;
        let head = head.map(|row| row.try_get_by_index(0)).transpose();
        let head: i64 = head.map_err(refusal)?.unwrap_or(0);
        if head <= self.after {
            return Ok(());
        }
        let statement = sql::changes(
            ledger.backend(),
            office,
            <Q::Resource as Resource>::COLLECTION,
            (self.after, head),
            PAGE,
        );
        let rows = reader.all(statement).await.map_err(refusal)?;
        let mut entries = Vec::new();
        let mut records = Vec::new();
        for row in &rows {
            let entry = Entry::of(row).map_err(refusal)?;
            let record = <Q::Resource as prost::Message>::decode(entry.body.as_slice());
            let record = record.map_err(Error::internal)?;
            entries.push(entry);
            records.push(record);
        }
        ledger.show(office, &mut records).await?;
        if records.is_empty() {
            self.after = head;
        }
        self.page = entries
            .into_iter()
            .zip(records)
            .map(|(entry, record)| entry.tell(record))
            .collect();
        Ok(())
    }

    /// Until there may be something to read, or the end has come.
    async fn wait(&mut self) {
        let look = Instant::now() + POLL;
        let wake = self.end.map_or(look, |end| end.min(look));
        let stopping = &mut self.stopping;
        let stopped = async {
            match stopping {
                Some(stopping) => stopping.wait().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.news.changed() => {}
            () = sleep_until(wake) => {}
            () = stopped => {}
        }
    }

    fn token(&self) -> String {
        let binding = binding::<Q::Resource>(&self.context);
        page::token(&self.ledger.key, &binding, &[self.after.into()])
    }
}

/// What a token belongs to: what is followed, and in which office.
fn binding<R: Resource>(context: &Context) -> [&str; 3] {
    ["watch", R::TYPE, context.office.id()]
}

/// A little before the call's time is over, so that the last message still arrives.
fn early(until: Until) -> Option<Instant> {
    until.0.checked_sub(MARGIN.min(until.remaining() / 4))
}

/// One entry of the history as it is told.
struct Entry {
    seq: i64,
    time: DateTime<Utc>,
    caller: String,
    method: String,
    body: Vec<u8>,
}

impl Entry {
    fn of(row: &QueryResult) -> Result<Self, DbErr> {
        Ok(Self {
            seq: row.try_get("", "seq")?,
            time: row.try_get("", "time")?,
            caller: row.try_get("", "caller")?,
            method: row.try_get("", "method")?,
            body: row.try_get("", "body")?,
        })
    }

    fn tell<R>(self, record: R) -> (i64, Changed<R>) {
        let change = Changed {
            record,
            method: self.method,
            time: date::timestamp(self.time),
            caller: self.caller,
        };
        (self.seq, change)
    }
}
