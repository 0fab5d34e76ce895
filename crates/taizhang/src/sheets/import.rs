//! Loads a spreadsheet in batches, never a row twice.
//!
//! A record's id comes from its row, so the same file gives the same ids. A batch is all or nothing.
//! What is there already is asked for before a batch is sent, and only where its first row is there.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use chrono_tz::Tz;
use futures::future::try_join_all;
use prost::Message;
use sha2::{Digest, Sha256};
use taizhang_contracts::Office;
use taizhang_contracts::batch::BatchWriteRequest;
use taizhang_contracts::batch::batch_service_client::BatchServiceClient;
use tokio::sync::mpsc;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::cells::Place;
use super::prepare::{Header, Preparing, Ready, bad_row, names};
use super::read;
use super::record::Record;
use super::report::{BadRow, Outcome, Report};
use super::wire;
use crate::client::{Bearing, Running};

/// The most calls of a batch.
const MOST_CALLS: usize = 1000;

/// The most bytes of the answers of a batch, as far as they are known beforehand.
const MOST_BYTES: usize = 1 << 21;

/// After so many bad rows the rest is not looked at.
const MOST_BAD: u64 = 1000;

/// A call that was lost is made again so often.
const TRIES: u32 = 8;

/// So many ids fit into one filter.
const IDS_AT_ONCE: usize = 25;

/// So many rows are ready beforehand.
const AHEAD: usize = 2000;

/// What is to be loaded, and where to.
pub struct Options {
    /// The spreadsheet.
    pub file: PathBuf,
    /// The kind of record.
    pub record: Record,
    /// The office's id.
    pub office: String,
    /// The suite.
    pub running: Running,
    /// Where its offices are.
    pub zone: Tz,
    /// Only says what would be bad.
    pub dry_run: bool,
    /// Where the bad rows are told.
    pub result: PathBuf,
    /// The most rows of a batch.
    pub batch: usize,
}

/// Loads a spreadsheet; `progress` is told how many rows are done, of how many.
///
/// # Errors
/// If the file or its header can't be read, or the suite can't be reached or refuses the caller.
/// Bad rows are no error; see [`Outcome`].
pub async fn run(
    options: Options,
    stop: Arc<AtomicBool>,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> anyhow::Result<Outcome> {
    let office = Office::from_id(&options.office).context("--office 应为单位编号，如 demo")?;
    let place = Place {
        office: office.to_string(),
        zone: options.zone,
    };
    let channel = options.running.channel(options.record.role)?;
    let record = Arc::new(options.record);
    let total = read::count(&options.file)?;
    let (sender, mut rows) = mpsc::channel(AHEAD);
    let reading = {
        let (record, file, place) = (record.clone(), options.file, place.clone());
        std::thread::spawn(move || prepare(&record, &file, place, &sender))
    };
    let mut loading = Loading {
        header: None,
        report: Report::new(&options.result)?,
        outcome: Outcome::default(),
        office: place.office,
        dry_run: options.dry_run,
        channel,
        record,
    };
    let mut batch = Batch::default();
    while let Some(next) = rows.recv().await {
        match next {
            Next::Header(header) => loading.header = Some(header),
            Next::Bad(row) => loading.bad(&row)?,
            Next::Ready(row) => {
                if !batch.has_room(&row, options.batch) {
                    loading.load(std::mem::take(&mut batch).rows).await?;
                    let done = loading.outcome;
                    progress(done.loaded + done.there + done.bad, total);
                }
                batch.add(row);
            }
        }
        if stop.load(Ordering::Relaxed) || loading.outcome.bad >= MOST_BAD {
            loading.outcome.stopped = true;
            return Ok(loading.outcome);
        }
    }
    match reading.join() {
        Ok(read) => read?,
        Err(_) => bail!("读取文件时出错"),
    }
    loading.load(batch.rows).await?;
    progress(total, total);
    Ok(loading.outcome)
}

/// What comes from the file.
enum Next {
    Header(Header),
    Ready(Ready),
    Bad(BadRow),
}

fn prepare(
    record: &Record,
    file: &std::path::Path,
    place: Place,
    to: &mpsc::Sender<Next>,
) -> anyhow::Result<()> {
    let mut preparing: Option<Preparing<'_>> = None;
    let mut refused = None;
    read::rows(file, |row| match &mut preparing {
        Some(preparing) => {
            let next = match preparing.ready(row) {
                Ok(ready) => Next::Ready(ready),
                Err(bad) => Next::Bad(bad),
            };
            to.blocking_send(next).is_ok()
        }
        None => match Header::read(record, &row) {
            Ok(header) => {
                preparing = Some(Preparing::new(record, header.clone(), place.clone()));
                to.blocking_send(Next::Header(header)).is_ok()
            }
            Err(error) => {
                refused = Some(error);
                false
            }
        },
    })?;
    match refused {
        Some(error) => Err(error),
        None if preparing.is_none() => bail!("文件 {} 是空的", file.display()),
        None => Ok(()),
    }
}

#[derive(Default)]
struct Batch {
    rows: Vec<Ready>,
    calls: usize,
    bytes: usize,
}

impl Batch {
    fn has_room(&self, row: &Ready, most_rows: usize) -> bool {
        self.rows.is_empty()
            || self.rows.len() < most_rows
                && self.calls + row.calls.len() <= MOST_CALLS
                && self.bytes + row.bytes * row.calls.len() <= MOST_BYTES
    }

    fn add(&mut self, row: Ready) {
        self.calls += row.calls.len();
        self.bytes += row.bytes * row.calls.len();
        self.rows.push(row);
    }
}

struct Loading {
    record: Arc<Record>,
    header: Option<Header>,
    channel: Bearing,
    office: String,
    dry_run: bool,
    report: Report,
    outcome: Outcome,
}

/// What a refusal of a batch says.
enum Refusal {
    /// These rows are bad.
    Bad(Vec<BadRow>),
    /// Some record is there already.
    There(usize),
    /// The batch is too large.
    TooLarge,
    /// It is about the batch as a whole.
    Fatal,
}

impl Loading {
    fn bad(&mut self, row: &BadRow) -> anyhow::Result<()> {
        self.outcome.bad += 1;
        self.report.tell(row)
    }

    /// Loads some rows: those that are not there, without those that are bad.
    async fn load(&mut self, rows: Vec<Ready>) -> anyhow::Result<()> {
        let mut open = vec![rows];
        while let Some(mut rows) = open.pop() {
            let first_is_there = match rows.get(..1) {
                None => continue,
                Some(first) => !self.there(first).await?.is_empty(),
            };
            if first_is_there {
                self.drop_there(&mut rows).await?;
            }
            while !rows.is_empty() {
                let Err(status) = self.write(&rows).await else {
                    self.outcome.loaded += rows.len() as u64;
                    break;
                };
                match self.judge(&status, &rows) {
                    Refusal::Bad(bad) => {
                        let lines: HashSet<u64> = bad.iter().map(|row| row.line).collect();
                        rows.retain(|row| !lines.contains(&row.row.line));
                        for row in &bad {
                            self.bad(row)?;
                        }
                    }
                    Refusal::There(i) => {
                        let before = rows.len();
                        self.drop_there(&mut rows).await?;
                        if rows.len() == before {
                            let row = rows.remove(i.min(before.saturating_sub(1)));
                            let bad = self.bad_whole(&row, &status);
                            self.bad(&bad)?;
                        }
                    }
                    Refusal::TooLarge if rows.len() > 1 => {
                        let half = rows.split_off(rows.len() / 2);
                        open.push(half);
                        open.push(std::mem::take(&mut rows));
                    }
                    Refusal::TooLarge => {
                        let bad = self.bad_whole(&rows.remove(0), &status);
                        self.bad(&bad)?;
                    }
                    Refusal::Fatal => bail!("{}", told(&status)),
                }
            }
        }
        Ok(())
    }

    async fn drop_there(&mut self, rows: &mut Vec<Ready>) -> anyhow::Result<()> {
        let there = self.there(rows).await?;
        let before = rows.len();
        rows.retain(|row| {
            let was = row.was.as_ref().is_some_and(|was| there.contains(was));
            !was && !there.contains(&row.name)
        });
        self.outcome.there += (before - rows.len()) as u64;
        Ok(())
    }

    /// The names of those records of some rows that there are, also if they are deleted.
    async fn there(&self, rows: &[Ready]) -> anyhow::Result<HashSet<String>> {
        let names_of = |row: &Ready| [Some(row.name.clone()), row.was.clone()];
        let ids: Vec<_> = rows.iter().flat_map(names_of).flatten().collect();
        let pages = ids.chunks(IDS_AT_ONCE).map(|ids| async move {
            let ids = ids.iter().filter_map(|name| name.rsplit('/').next());
            let ids: Vec<_> = ids.map(|id| format!("id=\"{id}\"")).collect();
            let filter = ids.join(" OR ");
            let list = || wire::list(&self.channel, &self.record, &self.office, &filter, true, "");
            let (records, _) = again(list).await?;
            Ok::<_, Status>(names(&records))
        });
        let found = try_join_all(pages).await;
        let found = found.map_err(|status| anyhow::anyhow!("{}", told(&status)))?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn write(&self, rows: &[Ready]) -> Result<(), Status> {
        let calls = rows.iter().flat_map(|row| &row.calls);
        let mut batch = BatchWriteRequest {
            parent: self.office.clone(),
            calls: calls.map(|call| call.call.clone()).collect(),
            request_id: String::new(),
            validate_only: self.dry_run,
        };
        batch.request_id = request_id(&batch);
        let client =
            BatchServiceClient::new(self.channel.clone()).max_decoding_message_size(16 << 20);
        again(|| {
            let (mut client, batch) = (client.clone(), batch.clone());
            async move { client.batch_write(batch).await }
        })
        .await
        .map(drop)
    }

    fn judge(&self, status: &Status, rows: &[Ready]) -> Refusal {
        let info = status.get_details_error_info();
        let reason = info.as_ref().map_or("", |info| info.reason.as_str());
        let call = info.as_ref().and_then(|info| info.metadata.get("call"));
        let place = call.and_then(|call| find(rows, call.parse().ok()?));
        if let (Code::AlreadyExists, Some((i, _))) = (status.code(), place) {
            return Refusal::There(i);
        }
        let violations = status.get_details_bad_request();
        let violations = violations
            .map(|bad| bad.field_violations)
            .unwrap_or_default();
        let mut bad: BTreeMap<usize, BadRow> = BTreeMap::new();
        for violation in &violations {
            let Some((call, path)) = within_call(&violation.field) else {
                continue;
            };
            let Some((i, step)) = find(rows, call) else {
                continue;
            };
            let Some(row) = rows.get(i) else { continue };
            let one = self.bad_row(row, step, path, violation.description.clone());
            bad.entry(i)
                .and_modify(|all| all.cells.extend(one.cells.iter().cloned()))
                .or_insert(one);
        }
        if !bad.is_empty() {
            return Refusal::Bad(bad.into_values().collect());
        }
        if violations
            .iter()
            .any(|violation| violation.field == "calls")
            || status.code() == Code::OutOfRange
        {
            return Refusal::TooLarge;
        }
        match place.and_then(|(i, step)| Some((rows.get(i)?, step))) {
            // What is said of a call may still be about the caller.
            Some((row, step)) if reason != "SCOPE_MISSING" => {
                let rules = status.get_details_precondition_failure();
                let rules = rules.map(|rules| rules.violations).unwrap_or_default();
                let subject = rules.first().map_or("", |rule| rule.subject.as_str());
                let why = told(status);
                // After `calls[17]：`.
                let why = why.split_once('：').map_or(why.as_str(), |(_, why)| why);
                let mut bad = self.bad_row(row, step, subject, why.to_owned());
                if let Some(resource) = status.get_details_resource_info()
                    && let Some(named) = self.naming(row, &resource.resource_name)
                {
                    bad = self.bad_at(row, Some(named), why.to_owned());
                }
                Refusal::Bad(vec![bad])
            }
            _ => Refusal::Fatal,
        }
    }

    /// The row of a bad call, by the field of its request that is to blame, if one is.
    fn bad_row(&self, row: &Ready, call: usize, path: &str, why: String) -> BadRow {
        let record = &self.record;
        let step = row.calls.get(call).and_then(|call| call.step);
        let step = step.and_then(|step| record.steps.get(step));
        let own = path.strip_prefix(record.field.name());
        let own = own.and_then(|path| path.strip_prefix('.'));
        let (column, why) = match step {
            None => (own.and_then(|path| record.column_of(path)), why),
            Some(step) => {
                let source = step.source(path);
                let column = source.and_then(|source| record.column_of(&source));
                let column = column.or(own.and_then(|path| record.column_of(path)));
                let label = step.label(record.machine.as_ref());
                (column.or(record.state_column()), format!("{label}：{why}"))
            }
        };
        self.bad_at(row, column, why)
    }

    fn bad_at(&self, row: &Ready, column: Option<usize>, why: String) -> BadRow {
        match &self.header {
            Some(header) => bad_row(&self.record, header, &row.row, column, why),
            // There is a header before the first row.
            None => BadRow {
                line: row.row.line,
                cells: Vec::new(),
            },
        }
    }

    /// The column in which a row names another record.
    fn naming(&self, row: &Ready, name: &str) -> Option<usize> {
        let id = name.rsplit('/').next().filter(|_| name != row.name)?;
        let id = id.strip_prefix("r-").unwrap_or(id);
        self.header.as_ref()?.naming(&row.row, id)
    }

    fn bad_whole(&self, row: &Ready, status: &Status) -> BadRow {
        self.bad_row(row, 0, "", told(status))
    }
}

/// The row of a call of a batch, and which one of its calls it is.
fn find(rows: &[Ready], call: usize) -> Option<(usize, usize)> {
    let mut left = call;
    for (i, row) in rows.iter().enumerate() {
        if left < row.calls.len() {
            return Some((i, left));
        }
        left -= row.calls.len();
    }
    None
}

/// The call and the field of its request in a path such as `calls[17].request.meeting.title`.
fn within_call(path: &str) -> Option<(usize, &str)> {
    let rest = path.strip_prefix("calls[")?;
    let (call, rest) = rest.split_once(']')?;
    let rest = rest.strip_prefix(".request").unwrap_or(rest);
    Some((call.parse().ok()?, rest.trim_start_matches('.')))
}

/// An id of a batch that comes from what is in it.
fn request_id(batch: &BatchWriteRequest) -> String {
    let digest = Sha256::digest(batch.encode_to_vec());
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(digest.iter()) {
        *to = *from;
    }
    // A name-based UUID; see RFC 9562, 5.5.
    uuid::Builder::from_sha1_bytes(bytes)
        .into_uuid()
        .to_string()
}

/// Makes a call, and makes it again while it is lost on the way or comes at a bad time.
async fn again<T, F: Future<Output = Result<T, Status>>>(
    call: impl Fn() -> F,
) -> Result<T, Status> {
    let mut tries = 0;
    loop {
        match call().await {
            Err(status) if tries < TRIES && is_passing(&status) => {
                tokio::time::sleep(Duration::from_millis(200 << tries.min(5))).await;
                tries += 1;
            }
            answered => return answered,
        }
    }
}

fn is_passing(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded | Code::Aborted
    )
}

/// What a refusal tells a person.
pub(super) fn told(status: &Status) -> String {
    match status.get_details_localized_message() {
        Some(localized) => localized.message,
        None => format!("{}（{:?}）", status.message(), status.code()),
    }
}
