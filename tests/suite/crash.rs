//! Crash safety: the server is killed repeatedly during writes. Nothing acknowledged is lost, nothing
//! is written twice, and numbers have no gaps.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use futures::future::join_all;
use prost_reflect::{DynamicMessage, Value};
use rand::SeedableRng;
use rand::rngs::StdRng;
use taizhang::roles::ROLES;
use taizhang_contracts::meetings::*;
use taizhang_contracts::supervision::*;
use taizhang_ledger::Clock;
use taizhang_runtime::Config;
use tokio::sync::{mpsc, watch};
use tokio::task::block_in_place;
use tonic::{Code, Status};

use crate::harness::{OFFICE, Suite, reason};
use crate::random::record_methods::RecordMethods;
use crate::random_messages::{MessageGenerator, Names};
use crate::records::*;
use crate::served_methods::{self, ServedMethod};
use crate::server::Server;

on_each_database!(acknowledged_writes_survive_kills_and_are_written_once);

const KILLS: u64 = 50;
const WRITERS: usize = 12;
/// The most acknowledgements before a server is killed.
const MOST_ACKNOWLEDGED: u64 = 24;
/// The longest time without an acknowledgement before the test fails.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// A call that creates one record, with a unique title or id.
#[derive(Clone)]
enum Call {
    Meeting(Box<CreateMeetingRequest>),
    Matter(Box<CreateMatterRequest>),
    /// A random record of another kind: its method, the request, and the record's name.
    Any(ServedMethod, DynamicMessage, String),
}

impl Call {
    fn new(writer: usize, n: usize) -> Self {
        let title = format!("{writer}-{n}");
        let request_id = request_id();
        if n % 3 == 2 {
            return Self::any(writer, n, request_id);
        }
        if n.is_multiple_of(2) {
            // Every other meeting has an id given by the caller.
            let meeting_id = if n.is_multiple_of(4) {
                format!("m{title}")
            } else {
                String::new()
            };
            Self::Meeting(Box::new(CreateMeetingRequest {
                meeting_id,
                request_id,
                ..new_meeting(meeting(&title))
            }))
        } else {
            Self::Matter(Box::new(CreateMatterRequest {
                request_id,
                ..new_matter(matter(&title))
            }))
        }
    }

    fn any(writer: usize, n: usize, request_id: String) -> Self {
        let others = |k: &RecordMethods| !["meetings", "matters"].contains(&k.kind.collection());
        let kinds: Vec<RecordMethods> = RecordMethods::all()
            .into_iter()
            .filter(|k| k.create.is_some() && others(k))
            .collect();
        let methods = &kinds[(writer + n) % kinds.len()];
        let create = methods.create.clone().unwrap();
        let mut draw = MessageGenerator {
            rng: &mut StdRng::seed_from_u64((writer * 10_000 + n) as u64),
            names: &Names::new(),
            density: 0.3,
            at: "2022-01-01T00:00:00Z".parse().unwrap(),
            stride: 10,
        };
        let resource = draw.message(&methods.resource);
        let id = format!("w{writer}-{n}");
        let mut request = DynamicMessage::new(create.method.input());
        let name = create.resource_field().unwrap();
        for (field, value) in [
            ("parent", OFFICE.to_owned()),
            ("request_id", request_id),
            (&format!("{}_id", name.name()), id.clone()),
        ] {
            request.set_field_by_name(field, Value::String(value));
        }
        request.set_field(&name, Value::Message(resource));
        let name = served_methods::name(&methods.resource, OFFICE, &id);
        Self::Any(create, request, name)
    }

    fn title(&self) -> String {
        match self {
            Self::Any(_, _, name) => name.clone(),
            Self::Meeting(request) => request.meeting.as_ref().unwrap().title.clone(),
            Self::Matter(request) => request.matter.as_ref().unwrap().title.clone(),
        }
    }

    /// Makes the call; `None` if a rule refuses it.
    async fn make(&self, server: &Clients) -> Result<Option<Created>, Status> {
        let api = &server.api;
        Ok(Some(match self.clone() {
            Self::Meeting(request) => Created::from(api.create_meeting(*request).await?),
            Self::Matter(request) => Created::from(api.create_matter(*request).await?),
            Self::Any(create, request, _) => {
                match create
                    .call_with(&server.suite, &server.token, request)
                    .await
                {
                    Ok(record) => Created::any(&record),
                    Err(status) if REFUSED.contains(&status.code()) => return Ok(None),
                    Err(status) => return Err(status),
                }
            }
        }))
    }
}

/// The codes with which a rule refuses a random record.
const REFUSED: [Code; 3] = [
    Code::InvalidArgument,
    Code::FailedPrecondition,
    Code::NotFound,
];

/// The parts of an answer that are compared with the stored record.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Created {
    name: String,
    /// The number of a matter.
    number: Option<i32>,
    /// The creation time of a random record, whose other fields may depend on other records.
    made: Option<String>,
}

impl Created {
    fn any(record: &DynamicMessage) -> Self {
        let name = record.get_field_by_name("name").unwrap();
        let made = record.get_field_by_name("create_time").unwrap();
        Self {
            name: name.as_str().unwrap().to_owned(),
            number: None,
            made: Some(made.to_string()),
        }
    }
}

impl From<Meeting> for Created {
    fn from(meeting: Meeting) -> Self {
        Self {
            name: meeting.name,
            number: None,
            made: None,
        }
    }
}

impl From<Matter> for Created {
    fn from(matter: Matter) -> Self {
        Self {
            name: matter.name,
            number: Some(matter.number),
            made: None,
        }
    }
}

/// A finished call: its answer, or `None` if it never got one.
#[derive(Debug)]
struct Done {
    title: String,
    answer: Option<Created>,
}

/// Clients of one server.
struct Clients {
    api: Api,
    suite: Suite,
    token: String,
}

/// The running server: its generation, and clients of it.
type Running = (u64, Arc<Clients>);

/// The calls of one writer.
#[derive(Debug, Default)]
struct Log {
    done: Vec<Done>,
    /// How many calls were interrupted by a kill.
    interrupted: usize,
}

/// Creates one record after another. An interrupted call is retried on the next server with the same
/// request id; every third is given up.
async fn writer(
    id: usize,
    mut running: watch::Receiver<Running>,
    acknowledged: mpsc::UnboundedSender<u64>,
    stop: Arc<AtomicBool>,
) -> Log {
    let mut log = Log::default();
    let mut alive = 1;
    let mut last = None;
    'calls: for n in 0.. {
        if stop.load(Relaxed) {
            break;
        }
        let call = Call::new(id, n);
        let answer = loop {
            let next =
                tokio::time::timeout(LONGEST_SILENCE, running.wait_for(|(n, _)| *n >= alive));
            let (generation, clients) = match next.await {
                Ok(next) => next.unwrap().clone(),
                Err(_) => panic!("writer {id} lost its connection to a running server: {last:?}"),
            };
            match call.make(&clients).await {
                Ok(None) => continue 'calls,
                Ok(Some(answer)) => {
                    // After the last kill there is no receiver.
                    let _ = acknowledged.send(generation);
                    break Some(answer);
                }
                Err(status) if may_retry(&status) => {}
                Err(status) => {
                    // The connection failed: an error of the server would have a reason. Or the port
                    // was taken by another test's server, which has another key.
                    let why = reason(&status);
                    assert!(matches!(why.as_str(), "" | "TOKEN_INVALID"), "{status:?}");
                    log.interrupted += 1;
                    alive = generation + 1;
                    last = Some((generation, status));
                    if log.interrupted.is_multiple_of(3) {
                        break None;
                    }
                }
            }
        };
        log.done.push(Done {
            title: call.title(),
            answer,
        });
    }
    log
}

/// Kills one server after another during writes; returns the writers' logs.
async fn kill_again_and_again(config: &Config, file: &Path, token: &str) -> Vec<Log> {
    let clients = |server: &Server| {
        let suite = Suite::elsewhere(config, server.addresses.clone());
        Arc::new(Clients {
            api: Api::with(&suite, token),
            suite,
            token: token.to_owned(),
        })
    };
    let mut server = block_in_place(|| Server::start(file, &[]));
    let (tell, running) = watch::channel((1, clients(&server)));
    #[expect(
        clippy::disallowed_methods,
        reason = "an unbounded channel is fine in a test"
    )]
    let (acknowledged, mut count) = mpsc::unbounded_channel();
    let stop = Arc::new(AtomicBool::new(false));
    let write = |id| {
        tokio::spawn(writer(
            id,
            running.clone(),
            acknowledged.clone(),
            stop.clone(),
        ))
    };
    let writers: Vec<_> = (0..WRITERS).map(write).collect();
    for generation in 1..=KILLS {
        // Counts the acknowledgements of this server only.
        let mut left = 1 + uuid::Uuid::new_v4().as_u128() as u64 % MOST_ACKNOWLEDGED;
        while left > 0 {
            let next = tokio::time::timeout(LONGEST_SILENCE, count.recv()).await;
            let next = next.unwrap_or_else(|_| panic!("server {generation} acknowledges nothing"));
            left -= u64::from(next.unwrap() == generation);
        }
        server.kill();
        server = block_in_place(|| Server::start(file, &[]));
        tell.send((generation + 1, clients(&server))).unwrap();
    }
    // The last server runs until every writer has its answer.
    stop.store(true, Relaxed);
    join_all(writers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

async fn acknowledged_writes_survive_kills_and_are_written_once(suite: Suite) {
    let (config, file, token) = (
        suite.config.clone(),
        suite.config_file(),
        suite.every_scope(),
    );
    // Only the killed servers use the databases.
    suite.stop().await;
    let logs = kill_again_and_again(&config, &file, &token).await;
    let interrupted: usize = logs.iter().map(|log| log.interrupted).sum();
    assert!(
        interrupted as u64 > KILLS,
        "{interrupted} calls were interrupted"
    );

    let suite = Suite::with(&config, Clock::system()).await;
    let api = Api::of(&suite);
    let mut stored: HashMap<String, Vec<Created>> = HashMap::new();
    let mut numbers = Vec::new();
    let mut request = ListMeetingsRequest {
        parent: OFFICE.into(),
        page_size: 1000,
        ..Default::default()
    };
    loop {
        let page = api
            .meetings
            .clone()
            .list_meetings(request.clone())
            .await
            .unwrap()
            .into_inner();
        for meeting in page.meetings {
            stored
                .entry(meeting.title.clone())
                .or_default()
                .push(meeting.into());
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let mut request = ListMattersRequest {
        parent: OFFICE.into(),
        page_size: 1000,
        ..Default::default()
    };
    loop {
        let page = api
            .matters
            .clone()
            .list_matters(request.clone())
            .await
            .unwrap()
            .into_inner();
        for matter in page.matters {
            numbers.push(matter.number);
            stored
                .entry(matter.title.clone())
                .or_default()
                .push(matter.into());
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }

    // The random records, by the name in the request.
    let (mut random, mut kinds) = (0, BTreeSet::new());
    let names = logs.iter().flat_map(|log| &log.done);
    let names = names.filter(|done| done.title.starts_with(OFFICE));
    for Done { title, .. } in names {
        let collection = title.split('/').nth(2).unwrap();
        let all = RecordMethods::all();
        let methods = all
            .iter()
            .find(|k| k.kind.collection() == collection)
            .unwrap();
        let mut request = DynamicMessage::new(methods.get.method.input());
        request.set_field_by_name("name", Value::String(title.clone()));
        match methods.get.call_with(&suite, &token, request).await {
            Ok(record) => {
                random += 1;
                kinds.insert(collection.to_owned());
                stored.insert(title.clone(), vec![Created::any(&record)]);
            }
            Err(status) => assert_eq!(status.code(), Code::NotFound, "{title}: {status:?}"),
        }
    }
    println!("{random} random records: {kinds:?}");
    assert!(kinds.len() >= 8, "{kinds:?}");

    let records: usize = stored.values().map(Vec::len).sum();
    let (mut acknowledged, mut given_up, mut written) = (0, 0, 0);
    for done in logs.into_iter().flat_map(|log| log.done) {
        let found = stored.remove(&done.title).unwrap_or_default();
        match done.answer {
            Some(answer) => {
                acknowledged += 1;
                assert_eq!(found, [answer], "{}", done.title);
            }
            None => {
                given_up += 1;
                written += found.len();
                assert!(found.len() <= 1, "{}: {found:?}", done.title);
            }
        }
    }
    println!(
        "{KILLS} kills under {interrupted} calls; {acknowledged} calls acknowledged, {given_up} given up, \
         of these {written} written"
    );
    assert_eq!(stored, HashMap::new(), "records that no writer created");
    assert!(
        acknowledged as u64 > KILLS && given_up > 0,
        "{acknowledged} {given_up}"
    );

    let last = numbers.len() as i32;
    assert_eq!(
        numbers.iter().copied().collect::<BTreeSet<_>>(),
        (1..=last).collect()
    );
    let mut entries = 0;
    for role in ROLES {
        let report = suite.audit(role.name).await;
        assert_eq!(report.findings, []);
        entries += report.offices.first().map_or(0, |office| office.1);
    }
    assert_eq!(entries, records as i64);
}
