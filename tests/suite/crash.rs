//! The server is killed again and again in the middle of writes, and nothing that it acknowledged
//! is lost, nothing is there twice, and no number is left out.

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

use crate::draw::{Draw, Names};
use crate::harness::{OFFICE, Suite, reason};
use crate::random::kept::Kept;
use crate::records::*;
use crate::server::Server;
use crate::walk::{self, Walked};

on_each_database!(what_was_acknowledged_survives_and_nothing_is_there_twice);

const KILLS: u64 = 50;
const WRITERS: usize = 12;
/// A server is killed after so many acknowledgements at the most.
const MOST_ACKNOWLEDGED: u64 = 24;
/// How long a server may acknowledge nothing before the test gives up.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// A call that writes one record; its title, or its id, is like no other.
#[derive(Clone)]
enum Call {
    Meeting(Box<CreateMeetingRequest>),
    Matter(Box<CreateMatterRequest>),
    /// A random record of any other kind, by its method, with an id of the writer's own.
    Any(Walked, DynamicMessage, String),
}

impl Call {
    fn new(writer: usize, n: usize) -> Self {
        let title = format!("{writer}-{n}");
        let request_id = request_id();
        if n % 3 == 2 {
            return Self::any(writer, n, request_id);
        }
        if n.is_multiple_of(2) {
            // Every other one with an id of the writer's own.
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
        let others = |k: &Kept| !["meetings", "matters"].contains(&k.kind.collection());
        let kinds: Vec<Kept> = Kept::all()
            .into_iter()
            .filter(|k| k.create.is_some() && others(k))
            .collect();
        let kept = &kinds[(writer + n) % kinds.len()];
        let create = kept.create.clone().unwrap();
        let mut draw = Draw {
            rng: &mut StdRng::seed_from_u64((writer * 10_000 + n) as u64),
            names: &Names::new(),
            density: 0.3,
            at: "2022-01-01T00:00:00Z".parse().unwrap(),
            stride: 10,
        };
        let resource = draw.message(&kept.resource);
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
        let name = walk::name(&kept.resource, OFFICE, &id);
        Self::Any(create, request, name)
    }

    fn title(&self) -> String {
        match self {
            Self::Any(_, _, name) => name.clone(),
            Self::Meeting(request) => request.meeting.as_ref().unwrap().title.clone(),
            Self::Matter(request) => request.matter.as_ref().unwrap().title.clone(),
        }
    }

    /// Makes it; gives nothing if a rule refuses it.
    async fn make(&self, server: &Clients) -> Result<Option<Answer>, Status> {
        let api = &server.api;
        Ok(Some(match self.clone() {
            Self::Meeting(request) => Answer::from(api.create_meeting(*request).await?),
            Self::Matter(request) => Answer::from(api.create_matter(*request).await?),
            Self::Any(create, request, _) => {
                match create
                    .call_with(&server.suite, &server.token, request)
                    .await
                {
                    Ok(record) => Answer::any(&record),
                    Err(status) if REFUSED.contains(&status.code()) => return Ok(None),
                    Err(status) => return Err(status),
                }
            }
        }))
    }
}

/// How a rule refuses what was drawn.
const REFUSED: [Code; 3] = [
    Code::InvalidArgument,
    Code::FailedPrecondition,
    Code::NotFound,
];

/// What is told of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    name: String,
    /// A matter's.
    number: Option<i32>,
    /// When a random one was made: what else it shows may depend on others.
    made: Option<String>,
}

impl Answer {
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

impl From<Meeting> for Answer {
    fn from(meeting: Meeting) -> Self {
        Self {
            name: meeting.name,
            number: None,
            made: None,
        }
    }
}

impl From<Matter> for Answer {
    fn from(matter: Matter) -> Self {
        Self {
            name: matter.name,
            number: Some(matter.number),
            made: None,
        }
    }
}

/// A call that is over: its answer, or that it never got one.
#[derive(Debug)]
struct Done {
    title: String,
    answer: Option<Answer>,
}

/// Clients of one server.
struct Clients {
    api: Api,
    suite: Suite,
    token: String,
}

/// The server that runs: the how manieth it is, and clients of it.
type Running = (u64, Arc<Clients>);

/// What one writer did.
#[derive(Debug, Default)]
struct Log {
    done: Vec<Done>,
    /// How often the server was killed under a call.
    interrupted: usize,
}

/// Writes one record after the other. A call that the server was killed under is made again on the
/// next one with the same request id; every third is given up.
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
                Err(_) => panic!("writer {id} lost a server that lives: {last:?}"),
            };
            match call.make(&clients).await {
                Ok(None) => continue 'calls,
                Ok(Some(answer)) => {
                    // After the last kill nobody counts any more.
                    let _ = acknowledged.send(generation);
                    break Some(answer);
                }
                Err(status) if may_retry(&status) => {}
                Err(status) => {
                    // It is the connection that failed: a refusal of ours would have its reason.
                    // Or the port was free and another test's server has it, with another key.
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

/// Kills one server after the other while writers write; gives what they did.
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
    #[expect(clippy::disallowed_methods, reason = "a test that only counts")]
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
        // Only what this server acknowledged counts.
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
    // The last one is let be until every writer has had its answer.
    stop.store(true, Relaxed);
    join_all(writers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

async fn what_was_acknowledged_survives_and_nothing_is_there_twice(suite: Suite) {
    let (config, file, token) = (
        suite.config.clone(),
        suite.config_file(),
        suite.every_scope(),
    );
    // The databases belong to the killed alone.
    suite.stop().await;
    let logs = kill_again_and_again(&config, &file, &token).await;
    let interrupted: usize = logs.iter().map(|log| log.interrupted).sum();
    assert!(
        interrupted as u64 > KILLS,
        "{interrupted} calls were interrupted"
    );

    let suite = Suite::with(&config, Clock::system()).await;
    let api = Api::of(&suite);
    let mut stored: HashMap<String, Vec<Answer>> = HashMap::new();
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

    // The random ones, each by the name that it was to have.
    let (mut random, mut kinds) = (0, BTreeSet::new());
    let names = logs.iter().flat_map(|log| &log.done);
    let names = names.filter(|done| done.title.starts_with(OFFICE));
    for Done { title, .. } in names {
        let collection = title.split('/').nth(2).unwrap();
        let all = Kept::all();
        let kept = all
            .iter()
            .find(|k| k.kind.collection() == collection)
            .unwrap();
        let mut request = DynamicMessage::new(kept.get.method.input());
        request.set_field_by_name("name", Value::String(title.clone()));
        match kept.get.call_with(&suite, &token, request).await {
            Ok(record) => {
                random += 1;
                kinds.insert(collection.to_owned());
                stored.insert(title.clone(), vec![Answer::any(&record)]);
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
    assert_eq!(stored, HashMap::new(), "written by nobody");
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
