//! Imports a spreadsheet in batches, and no row twice.
//!
//! A record's id comes from its row, so importing the same file again gives the same ids. A batch is
//! written as a whole or not at all. Before a batch is sent, its first record is looked up; only if it
//! exists are the others looked up too, and those that exist are left out.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use chrono_tz::Tz;
use futures::future::try_join_all;
use prost::Message;
use sha2::{Digest, Sha256};
use taizhang_client::AuthorizedChannel;
use taizhang_contracts::Office;
use taizhang_contracts::batch::BatchWriteRequest;
use taizhang_contracts::batch::batch_service_client::BatchServiceClient;
use tokio::sync::mpsc;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::bad_rows::{BadRow, BadRows, Outcome};
use crate::cells::OfficeContext;
use crate::list::{list, message_of};
use crate::prepare::{Header, PreparedRow, Preparer, bad_row, names};
use crate::read;
use crate::sheet::Sheet;

/// The most calls of a batch.
const MAX_CALLS: usize = 1000;

/// The most bytes that the responses of a batch are estimated to have.
const MAX_BYTES: usize = 1 << 21;

/// After this many bad rows the import stops.
const MAX_BAD: u64 = 1000;

/// How often a call is retried.
const RETRIES: u32 = 8;

/// How many ids one filter may have.
const IDS_PER_FILTER: usize = 25;

/// How many rows are prepared ahead.
const AHEAD: usize = 2000;

/// What to import, and where to.
pub struct Options {
    /// The spreadsheet.
    pub file: PathBuf,
    /// The kind of record.
    pub sheet: Sheet,
    /// The office's id.
    pub office: String,
    /// A channel to the service that keeps the records.
    pub channel: AuthorizedChannel,
    /// The time zone of the office.
    pub zone: Tz,
    /// Validates only, and writes nothing.
    pub dry_run: bool,
    /// The file of bad rows.
    pub result: PathBuf,
    /// The most rows of a batch.
    pub batch: usize,
}

/// Imports a spreadsheet; `progress` is told how many rows are done, of how many. Once `stop` is set,
/// it ends after the batch that is being written.
///
/// # Errors
/// If the file or its header can't be read, or the service can't be reached or refuses the caller.
/// Bad rows are not an error; see [`Outcome`].
pub async fn run(
    options: Options,
    stop: Arc<AtomicBool>,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> anyhow::Result<Outcome> {
    let office = Office::from_id(&options.office).context("--office 应为单位编号，如 demo")?;
    let context = OfficeContext {
        office: office.to_string(),
        zone: options.zone,
    };
    let sheet = Arc::new(options.sheet);
    let total = read::count(&options.file)?;
    let (sender, mut rows) = mpsc::channel(AHEAD);
    let reading = {
        let (sheet, file, context) = (sheet.clone(), options.file, context.clone());
        std::thread::spawn(move || prepare(&sheet, &file, context, &sender))
    };
    let mut import = Import {
        header: None,
        bad_rows: BadRows::new(&options.result)?,
        outcome: Outcome::default(),
        office: context.office,
        dry_run: options.dry_run,
        channel: options.channel,
        sheet,
    };
    let mut batch = Batch::default();
    while let Some(next) = rows.recv().await {
        match next {
            Next::Header(header) => import.header = Some(header),
            Next::Bad(row) => import.bad(&row)?,
            Next::Prepared(row) => {
                if !batch.has_room(&row, options.batch) {
                    import.import(std::mem::take(&mut batch).rows).await?;
                    let done = import.outcome;
                    progress(done.imported + done.existing + done.bad, total);
                }
                batch.add(row);
            }
        }
        if stop.load(Ordering::Relaxed) || import.outcome.bad >= MAX_BAD {
            import.outcome.stopped = true;
            return Ok(import.outcome);
        }
    }
    match reading.join() {
        Ok(read) => read?,
        Err(_) => bail!("读取文件时出错"),
    }
    import.import(batch.rows).await?;
    progress(total, total);
    Ok(import.outcome)
}

/// What the thread that reads the file sends.
enum Next {
    Header(Header),
    Prepared(PreparedRow),
    Bad(BadRow),
}

/// Reads a file and sends its header and its rows.
fn prepare(
    sheet: &Sheet,
    file: &Path,
    context: OfficeContext,
    to: &mpsc::Sender<Next>,
) -> anyhow::Result<()> {
    let mut preparer: Option<Preparer<'_>> = None;
    let mut refused = None;
    read::rows(file, |row| match &mut preparer {
        Some(preparer) => {
            let next = match preparer.prepare(row) {
                Ok(row) => Next::Prepared(row),
                Err(bad) => Next::Bad(bad),
            };
            to.blocking_send(next).is_ok()
        }
        None => match Header::read(sheet, &row) {
            Ok(header) => {
                preparer = Some(Preparer::new(sheet, header.clone(), context.clone()));
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
        None if preparer.is_none() => bail!("文件 {} 是空的", file.display()),
        None => Ok(()),
    }
}

/// Rows that are written together.
#[derive(Default)]
struct Batch {
    rows: Vec<PreparedRow>,
    calls: usize,
    bytes: usize,
}

impl Batch {
    fn has_room(&self, row: &PreparedRow, max_rows: usize) -> bool {
        self.rows.is_empty()
            || self.rows.len() < max_rows
                && self.calls + row.calls.len() <= MAX_CALLS
                && self.bytes + row.bytes * row.calls.len() <= MAX_BYTES
    }

    fn add(&mut self, row: PreparedRow) {
        self.calls += row.calls.len();
        self.bytes += row.bytes * row.calls.len();
        self.rows.push(row);
    }
}

/// An import that is under way.
struct Import {
    sheet: Arc<Sheet>,
    header: Option<Header>,
    channel: AuthorizedChannel,
    office: String,
    dry_run: bool,
    bad_rows: BadRows,
    outcome: Outcome,
}

/// Why a batch was refused.
enum Refusal {
    /// These rows are bad.
    Bad(Vec<BadRow>),
    /// The record of the row with this index exists already.
    Exists(usize),
    /// The batch is too large.
    TooLarge,
    /// Something that concerns all rows, such as a missing scope.
    Fatal,
}

impl Import {
    fn bad(&mut self, row: &BadRow) -> anyhow::Result<()> {
        self.outcome.bad += 1;
        self.bad_rows.write(row)
    }

    /// Imports rows, without those that exist already and those that are bad.
    async fn import(&mut self, rows: Vec<PreparedRow>) -> anyhow::Result<()> {
        let mut batches = vec![rows];
        while let Some(mut rows) = batches.pop() {
            let first_exists = match rows.get(..1) {
                None => continue,
                Some(first) => !self.existing(first).await?.is_empty(),
            };
            if first_exists {
                self.drop_existing(&mut rows).await?;
            }
            while !rows.is_empty() {
                let Err(status) = self.write(&rows).await else {
                    self.outcome.imported += rows.len() as u64;
                    break;
                };
                match self.refusal(&status, &rows) {
                    Refusal::Bad(bad) => {
                        let lines: HashSet<u64> = bad.iter().map(|row| row.line).collect();
                        rows.retain(|row| !lines.contains(&row.row.line));
                        for row in &bad {
                            self.bad(row)?;
                        }
                    }
                    Refusal::Exists(i) => {
                        let before = rows.len();
                        self.drop_existing(&mut rows).await?;
                        if rows.len() == before {
                            let row = rows.remove(i.min(before.saturating_sub(1)));
                            let bad = self.bad_whole(&row, &status);
                            self.bad(&bad)?;
                        }
                    }
                    Refusal::TooLarge if rows.len() > 1 => {
                        let half = rows.split_off(rows.len() / 2);
                        batches.push(half);
                        batches.push(std::mem::take(&mut rows));
                    }
                    Refusal::TooLarge => {
                        let bad = self.bad_whole(&rows.remove(0), &status);
                        self.bad(&bad)?;
                    }
                    Refusal::Fatal => bail!("{}", message_of(&status)),
                }
            }
        }
        Ok(())
    }

    async fn drop_existing(&mut self, rows: &mut Vec<PreparedRow>) -> anyhow::Result<()> {
        let existing = self.existing(rows).await?;
        let before = rows.len();
        rows.retain(|row| {
            let original = row.original_name.as_ref();
            !existing.contains(&row.name) && !original.is_some_and(|name| existing.contains(name))
        });
        self.outcome.existing += (before - rows.len()) as u64;
        Ok(())
    }

    /// The names of the records of these rows that exist, deleted ones too.
    async fn existing(&self, rows: &[PreparedRow]) -> anyhow::Result<HashSet<String>> {
        let names_of = |row: &PreparedRow| [Some(row.name.clone()), row.original_name.clone()];
        let ids: Vec<_> = rows.iter().flat_map(names_of).flatten().collect();
        let pages = ids.chunks(IDS_PER_FILTER).map(|ids| async move {
            let ids = ids.iter().filter_map(|name| name.rsplit('/').next());
            let ids: Vec<_> = ids.map(|id| format!("id=\"{id}\"")).collect();
            let filter = ids.join(" OR ");
            let page = || list(&self.channel, &self.sheet, &self.office, &filter, true, "");
            let (records, _) = retry(page).await?;
            Ok::<_, Status>(names(&records))
        });
        let found = try_join_all(pages).await;
        let found = found.map_err(|status| anyhow::anyhow!("{}", message_of(&status)))?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn write(&self, rows: &[PreparedRow]) -> Result<(), Status> {
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
        retry(|| {
            let (mut client, batch) = (client.clone(), batch.clone());
            async move { client.batch_write(batch).await }
        })
        .await
        .map(drop)
    }

    /// Why a batch was refused, and which of its rows are to blame.
    fn refusal(&self, status: &Status, rows: &[PreparedRow]) -> Refusal {
        let info = status.get_details_error_info();
        let reason = info.as_ref().map_or("", |info| info.reason.as_str());
        let call = info.as_ref().and_then(|info| info.metadata.get("call"));
        let culprit = call.and_then(|call| find(rows, call.parse().ok()?));
        if let (Code::AlreadyExists, Some((i, _))) = (status.code(), culprit) {
            return Refusal::Exists(i);
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
        match culprit.and_then(|(i, step)| Some((rows.get(i)?, step))) {
            // A missing scope concerns the caller, although a call is named.
            Some((row, step)) if reason != "SCOPE_MISSING" => {
                let rules = status.get_details_precondition_failure();
                let rules = rules.map(|rules| rules.violations).unwrap_or_default();
                let subject = rules.first().map_or("", |rule| rule.subject.as_str());
                let reason = message_of(status);
                // The text after `calls[17]：`.
                let reason = reason
                    .split_once('：')
                    .map_or(reason.as_str(), |(_, reason)| reason);
                let mut bad = self.bad_row(row, step, subject, reason.to_owned());
                if let Some(resource) = status.get_details_resource_info()
                    && let Some(named) = self.naming(row, &resource.resource_name)
                {
                    bad = self.bad_at(row, Some(named), reason.to_owned());
                }
                Refusal::Bad(vec![bad])
            }
            _ => Refusal::Fatal,
        }
    }

    /// The row of a bad call. `path` is the field of its request that is to blame; empty if none is.
    fn bad_row(&self, row: &PreparedRow, call: usize, path: &str, reason: String) -> BadRow {
        let sheet = &self.sheet;
        let step = row.calls.get(call).and_then(|call| call.step);
        let step = step.and_then(|step| sheet.steps.get(step));
        let own = path.strip_prefix(sheet.field.name());
        let own = own.and_then(|path| path.strip_prefix('.'));
        let (column, reason) = match step {
            None => (own.and_then(|path| sheet.column_of(path)), reason),
            Some(step) => {
                let source = step.source(path);
                let column = source.and_then(|source| sheet.column_of(&source));
                let column = column.or(own.and_then(|path| sheet.column_of(path)));
                let label = step.label(sheet.machine.as_ref());
                (
                    column.or(sheet.state_column()),
                    format!("{label}：{reason}"),
                )
            }
        };
        self.bad_at(row, column, reason)
    }

    fn bad_at(&self, row: &PreparedRow, column: Option<usize>, reason: String) -> BadRow {
        match &self.header {
            Some(header) => bad_row(&self.sheet, header, &row.row, column, reason),
            // Not reached: the header comes before the first row.
            None => BadRow {
                line: row.row.line,
                cells: Vec::new(),
            },
        }
    }

    /// The index of the sheet's column in which a row names another record.
    fn naming(&self, row: &PreparedRow, name: &str) -> Option<usize> {
        let id = name.rsplit('/').next().filter(|_| name != row.name)?;
        let id = id.strip_prefix("r-").unwrap_or(id);
        self.header.as_ref()?.naming(&row.row, id)
    }

    fn bad_whole(&self, row: &PreparedRow, status: &Status) -> BadRow {
        self.bad_row(row, 0, "", message_of(status))
    }
}

/// The index of the row that a call of a batch belongs to, and the call's index among its calls.
fn find(rows: &[PreparedRow], call: usize) -> Option<(usize, usize)> {
    let mut left = call;
    for (i, row) in rows.iter().enumerate() {
        if left < row.calls.len() {
            return Some((i, left));
        }
        left -= row.calls.len();
    }
    None
}

/// The index of the call, and the field of its request, in a path such as
/// `calls[17].request.meeting.title`.
fn within_call(path: &str) -> Option<(usize, &str)> {
    let rest = path.strip_prefix("calls[")?;
    let (call, rest) = rest.split_once(']')?;
    let rest = rest.strip_prefix(".request").unwrap_or(rest);
    Some((call.parse().ok()?, rest.trim_start_matches('.')))
}

/// The request id of a batch, from a digest of its content.
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

/// Makes a call, and retries it with a growing delay while it fails for a transient reason.
async fn retry<T, F: Future<Output = Result<T, Status>>>(
    call: impl Fn() -> F,
) -> Result<T, Status> {
    let mut tries = 0;
    loop {
        match call().await {
            Err(status) if tries < RETRIES && is_transient(&status) => {
                tokio::time::sleep(Duration::from_millis(200 << tries.min(5))).await;
                tries += 1;
            }
            answered => return answered,
        }
    }
}

fn is_transient(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded | Code::Aborted
    )
}
