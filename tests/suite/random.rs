//! A random ledger of every service, made only from what the descriptors say: records of every kind,
//! taken by random methods from state to state. What holds of every ledger must hold of it.
//!
//! `TAIZHANG_TEST_SEED` repeats a run.

mod lists;
mod once;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Mutex;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use futures::future::join_all;
use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage, Value};
use prost_types::FieldMask;
use rand::prelude::*;
use taizhang::roles::{ROLES, Role};
use taizhang_contracts::descriptors::pool;
use taizhang_ledger::{Database, Kind};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::draw::{Draw, Names, instants};
use crate::figures;
use crate::harness::Suite;
use crate::records::request_id;
use crate::walk::{self, Walked, told};

on_each_database!(what_holds_of_every_ledger_holds_of_a_random_one);

/// How many offices are walked, side by side.
const OFFICES: usize = 2;

/// So many times a record of each kind is created in each office, and taken on.
const ROUNDS: usize = 7;

/// So many rounds more there may be until every method has succeeded once.
const MORE_ROUNDS: usize = 40;

/// A call is made at most so often, each time amended after a refusal.
const TRIES: usize = 8;

/// A record is drawn at most so often until one can be created.
const CREATIONS: usize = 4;

/// One in so many calls is made in every way that must write once or not at all; so is each method
/// that was not yet.
const LOOKED_AT: u32 = 12;

/// Methods that no random ledger brings to success, and why.
const NEVER: &[(&str, &str)] = &[];

/// A kind of record, and the methods that write it.
struct Kept {
    role: &'static Role,
    kind: &'static Kind,
    resource: MessageDescriptor,
    create: Option<Walked>,
    get: Walked,
    list: Option<Walked>,
    update: Option<Walked>,
    delete: Option<Walked>,
    undelete: Option<Walked>,
    custom: Vec<Walked>,
}

impl Kept {
    fn of(role: &'static Role, kind: &'static Kind) -> Self {
        let resource = pool().get_message_by_name(kind.message()).unwrap();
        let name = resource.name().to_owned();
        let methods = walk::methods();
        let of_role = methods.iter().filter(|at| at.role.name == role.name);
        let named = |wanted: String| {
            let mut methods = of_role.clone();
            methods.find(|at| at.method.name() == wanted).cloned()
        };
        let list = of_role.clone().find(|at| {
            let lists = |m: MessageDescriptor| {
                let mut fields = m.fields();
                fields.any(|f| f.is_list() && f.kind().as_message() == Some(&resource))
            };
            at.field("order_by").is_some() && lists(at.method.output())
        });
        let standard =
            ["Create", "Update", "Delete", "Undelete"].map(|verb| format!("{verb}{name}"));
        let custom = of_role.clone().filter(|at| {
            let writes = at.field("validate_only").is_some() && at.method.output() == resource;
            writes && !standard.iter().any(|standard| at.method.name() == standard)
        });
        Self {
            role,
            kind,
            create: named(format!("Create{name}")),
            get: named(format!("Get{name}")).unwrap(),
            list: list.cloned(),
            update: named(format!("Update{name}")),
            delete: named(format!("Delete{name}")),
            undelete: named(format!("Undelete{name}")),
            custom: custom.cloned().collect(),
            resource,
        }
    }

    fn all() -> Vec<Self> {
        let of = |role: &'static Role| role.kinds.iter().map(move |kind| Self::of(role, kind));
        ROLES.iter().flat_map(of).collect()
    }

    fn writing(&self) -> impl Iterator<Item = &Walked> {
        let standard = [&self.create, &self.update, &self.delete, &self.undelete];
        standard.into_iter().flatten().chain(&self.custom)
    }
}

/// What came of all calls so far.
#[derive(Default)]
struct Seen {
    succeeded: BTreeMap<String, usize>,
    called: BTreeMap<String, usize>,
    refused: BTreeMap<(String, String), usize>,
    looked_at: BTreeSet<String>,
    states: BTreeMap<String, BTreeSet<String>>,
    /// The states that a method said it may be called in.
    allowed: BTreeMap<String, BTreeSet<String>>,
    /// How many records each indicator counted.
    counted: BTreeMap<String, usize>,
}

/// The ledgers of some offices, and who writes them.
struct Ledgers<'a> {
    suite: &'a Suite,
    token: String,
    kept: Vec<Kept>,
    databases: BTreeMap<&'static str, Database>,
    seen: Mutex<Seen>,
}

async fn what_holds_of_every_ledger_holds_of_a_random_one(suite: Suite) {
    let seed = std::env::var("TAIZHANG_TEST_SEED").map(|seed| seed.parse().unwrap());
    let seed: u64 = seed.unwrap_or_else(|_| rand::random_range(0..1_000_000));
    println!("TAIZHANG_TEST_SEED={seed}");
    let offices: Vec<String> = (0..OFFICES)
        .map(|i| format!("offices/random-{i}"))
        .collect();
    let names: Vec<&str> = offices.iter().map(String::as_str).collect();
    let mut databases = BTreeMap::new();
    for role in ROLES {
        databases.insert(role.name, suite.database(role.name).await);
    }
    let ledgers = Ledgers {
        suite: &suite,
        token: suite.every_scope_in(&names),
        kept: Kept::all(),
        databases,
        seen: Mutex::default(),
    };
    let mut offices: Vec<Office<'_>> = (seed..)
        .zip(offices)
        .map(|(seed, name)| Office::of(&ledgers, name, seed))
        .collect();
    join_all(offices.iter_mut().map(Office::walk)).await;
    ledgers.tell();
    ledgers.every_kind_came_far();
    join_all(offices.iter().map(Office::retries)).await;
    join_all(offices.iter().map(Office::figures)).await;
    ledgers.tell_counted();
    let lists = offices.iter_mut().enumerate();
    let lists = lists.map(|(i, office)| office.lists(i));
    let came: usize = join_all(lists).await.into_iter().sum();
    assert!(came > 20, "only {came} records came while lists were read");
    for role in ROLES {
        let report = suite.audit(role.name).await;
        assert_eq!(report.findings, [], "{}", role.name);
    }
}

impl Ledgers<'_> {
    async fn ask(&self, at: &Walked, request: DynamicMessage) -> Result<DynamicMessage, Status> {
        at.call_with(self.suite, &self.token, request).await
    }

    /// Every writing method that never succeeded.
    fn missing(&self) -> BTreeSet<String> {
        let seen = self.seen.lock().unwrap();
        let methods = self.kept.iter().flat_map(Kept::writing);
        methods
            .map(|at| at.method.full_name().to_owned())
            .filter(|method| !seen.succeeded.contains_key(method))
            .collect()
    }

    /// Prints how often each method succeeded and was refused.
    fn tell(&self) {
        let seen = self.seen.lock().unwrap();
        let mut text = String::new();
        for at in self.kept.iter().flat_map(Kept::writing) {
            let method = at.method.full_name();
            let succeeded = seen.succeeded.get(method).copied().unwrap_or_default();
            write!(text, "{succeeded:5} {method}").unwrap();
            for ((_, reason), times) in seen.refused.iter().filter(|((m, _), _)| m == method) {
                write!(text, ", {reason} {times}").unwrap();
            }
            text.push('\n');
        }
        println!("{text}");
    }

    /// Prints the indicators that counted nothing: a narrow one is met by chance only.
    fn tell_counted(&self) {
        let seen = self.seen.lock().unwrap();
        let (nothing, something): (Vec<_>, Vec<_>) =
            seen.counted.iter().partition(|(_, records)| **records == 0);
        println!("not counted: {nothing:?}");
        assert!(something.len() > nothing.len(), "{nothing:?}");
    }

    /// The test would be worth nothing if everything had been refused.
    fn every_kind_came_far(&self) {
        let excused: BTreeSet<String> = NEVER
            .iter()
            .map(|(method, _)| (*method).to_owned())
            .collect();
        assert_eq!(self.missing(), excused, "methods that never succeeded");
        let seen = self.seen.lock().unwrap();
        for kept in &self.kept {
            let states = seen.states.get(kept.kind.message());
            let states = states.unwrap_or_else(|| panic!("no {}", kept.kind.message()));
            let has_states = kept.resource.get_field_by_name("state").is_some();
            assert!(
                states.len() > usize::from(has_states),
                "{}: {states:?}",
                kept.kind.message()
            );
            for at in kept.writing() {
                let method = at.method.full_name();
                let shown = seen.looked_at.contains(method) || excused.contains(method);
                assert!(shown, "{at} was never looked at");
            }
        }
    }
}

/// The ledger of one office.
struct Office<'a> {
    ledgers: &'a Ledgers<'a>,
    name: String,
    rng: StdRng,
    /// Its records, by their collections.
    live: Names,
    deleted: Names,
    /// Calls that were made in every way, and their answers.
    answered: Vec<(Walked, DynamicMessage, DynamicMessage)>,
}

impl<'a> Office<'a> {
    fn of(ledgers: &'a Ledgers<'a>, name: String, seed: u64) -> Self {
        let singletons = ledgers.kept.iter().filter(|kept| kept.kind.is_singleton());
        let live = singletons.map(|kept| {
            let name = walk::name(&kept.resource, &name, "");
            (kept.kind.collection().to_owned(), vec![name])
        });
        Self {
            ledgers,
            live: live.collect(),
            name,
            rng: StdRng::seed_from_u64(seed),
            deleted: Names::new(),
            answered: Vec::new(),
        }
    }

    async fn walk(&mut self) {
        for round in 0..ROUNDS + MORE_ROUNDS {
            let missing = self.ledgers.missing();
            if round >= ROUNDS && missing.is_empty() {
                return;
            }
            for kept in &self.ledgers.kept {
                let done = !kept
                    .writing()
                    .any(|at| missing.contains(at.method.full_name()));
                if round >= ROUNDS && done && self.rng.random_bool(0.7) {
                    continue;
                }
                if let Some(create) = &kept.create {
                    self.create(kept, create).await;
                }
                // The newest goes on, and so do some others.
                let steps = self.rng.random_range(0..=kept.custom.len() + 1);
                for step in 0..steps + 3 {
                    self.step(kept, step < steps).await;
                }
            }
        }
    }

    async fn create(&mut self, kept: &Kept, create: &Walked) -> Option<DynamicMessage> {
        for _ in 0..CREATIONS {
            let at = self.some_time();
            let density = self.density();
            let resource = self.draw(at, density, 60).message(&kept.resource);
            let mut request = DynamicMessage::new(create.method.input());
            request.set_field_by_name("parent", Value::String(self.name.clone()));
            request.set_field(&create.resource_field().unwrap(), Value::Message(resource));
            match self.call(kept, create, request, at).await {
                Ok(record) => return Some(record),
                // What it refers to is not there, or does not suit.
                Err(_) => continue,
            }
        }
        None
    }

    /// Calls some method that changes a record, the newest one or any.
    async fn step(&mut self, kept: &Kept, newest: bool) {
        let collection = kept.kind.collection();
        let deleted = !newest && self.rng.random_bool(0.3);
        let names = if deleted { &self.deleted } else { &self.live };
        let Some(names) = names.get(collection) else {
            return;
        };
        let name = if newest {
            names.last()
        } else {
            names.choose(&mut self.rng)
        };
        let Some(name) = name.cloned() else { return };
        let record = self.get(kept, &name).await;
        let Some(at) = self.chosen(kept, &record) else {
            return;
        };
        let since = self.since(&record);
        let request = self.request(at, &name, &record, since);
        // A refusal is fine.
        let _ = self.call(kept, at, request, since).await;
    }

    async fn get(&self, kept: &Kept, name: &str) -> DynamicMessage {
        let mut request = DynamicMessage::new(kept.get.method.input());
        request.set_field_by_name("name", Value::String(name.into()));
        let answer = self.ledgers.ask(&kept.get, request).await;
        answer.unwrap_or_else(|status| panic!("{name}: {status:?}"))
    }

    /// A method that may go with the record's state, as far as that is known.
    fn chosen<'k>(&mut self, kept: &'k Kept, record: &DynamicMessage) -> Option<&'k Walked> {
        if record.has_field_by_name("delete_time") {
            return kept.undelete.as_ref();
        }
        let standard = match self.rng.random_range(0..40) {
            0 => kept.delete.as_ref(),
            1..6 => kept.update.as_ref(),
            _ => None,
        };
        if standard.is_some() {
            return standard;
        }
        let seen = self.ledgers.seen.lock().unwrap();
        let state = state(record);
        let fitting = kept.custom.iter().filter(|at| {
            let allowed = seen.allowed.get(at.method.full_name());
            allowed.is_none_or(|allowed| allowed.contains(&state))
        });
        let fitting: Vec<&Walked> = fitting.collect();
        // What never succeeded has the best chance, then what was called least.
        let times = |at: &&Walked| {
            let method = at.method.full_name();
            let called = seen.called.get(method).copied();
            (seen.succeeded.contains_key(method), called)
        };
        if self.rng.random_bool(0.4) {
            return fitting.into_iter().min_by_key(times);
        }
        let any = fitting.choose(&mut self.rng).copied();
        any.or(kept.update.as_ref())
    }

    /// A request to change a record.
    fn request(
        &mut self,
        at: &Walked,
        name: &str,
        record: &DynamicMessage,
        since: DateTime<Utc>,
    ) -> DynamicMessage {
        let given = record.get_field_by_name("etag").unwrap().into_owned();
        let etag = if self.rng.random_bool(0.5) {
            given
        } else {
            Value::String(String::new())
        };
        let density = self.density();
        let mut draw = self.draw(since, density, 10);
        let Some(field) = at.resource_field() else {
            let mut request = draw.message(&at.method.input());
            request.set_field_by_name("name", Value::String(name.into()));
            request.set_field_by_name("etag", etag);
            return request;
        };
        let mut changed = draw.message(&record.descriptor());
        for field in record
            .descriptor()
            .fields()
            .filter(|f| walk::rule(f).immutable)
        {
            match record.has_field(&field) {
                true => changed.set_field(&field, record.get_field(&field).into_owned()),
                false => changed.clear_field(&field),
            }
        }
        let mut paths: Vec<String> = changed.fields().map(|(f, _)| f.name().to_owned()).collect();
        match self.rng.random_range(0..3) {
            0 => paths.clear(),
            1 => paths = vec!["*".to_owned()],
            _ => {}
        }
        changed.set_field_by_name("etag", etag);
        let mut request = DynamicMessage::new(at.method.input());
        request.set_field(&field, Value::Message(changed));
        if !paths.is_empty() {
            let mask = at.field("update_mask").unwrap();
            let mut message = DynamicMessage::new(walk::message_of(&mask));
            message.transcode_from(&FieldMask { paths }).unwrap();
            request.set_field(&mask, Value::Message(message));
        }
        at.put_name(&mut request, name);
        request
    }

    /// Makes a call, and amends what is refused of its fields.
    async fn call(
        &mut self,
        kept: &Kept,
        at: &Walked,
        mut request: DynamicMessage,
        since: DateTime<Utc>,
    ) -> Result<DynamicMessage, Status> {
        let method = at.method.full_name().to_owned();
        let mut tries = 1;
        loop {
            request.set_field_by_name("request_id", Value::String(request_id()));
            *self
                .ledgers
                .seen
                .lock()
                .unwrap()
                .called
                .entry(method.clone())
                .or_default() += 1;
            let new = !self
                .ledgers
                .seen
                .lock()
                .unwrap()
                .looked_at
                .contains(&method);
            let answer = if new || self.rng.random_ratio(1, LOOKED_AT) {
                self.every_way(kept, at, &request).await
            } else {
                self.ledgers.ask(at, request.clone()).await
            };
            let status = match answer {
                Ok(record) => {
                    self.keep(kept, &record);
                    let mut seen = self.ledgers.seen.lock().unwrap();
                    *seen.succeeded.entry(method).or_default() += 1;
                    let states = seen.states.entry(kept.kind.message().to_owned());
                    states.or_default().insert(state(&record));
                    return Ok(record);
                }
                Err(status) => status,
            };
            let reason = told(&status, "zh-CN", at);
            let by_rule = matches!(
                status.code(),
                Code::FailedPrecondition | Code::InvalidArgument | Code::NotFound
            );
            assert!(by_rule, "{at}: {status:?} to {request}");
            let bad = walk::violations(&status);
            let allowed = status
                .get_details_error_info()
                .and_then(|info| info.metadata.get("allowed").cloned());
            {
                let mut seen = self.ledgers.seen.lock().unwrap();
                *seen.refused.entry((method.clone(), reason)).or_default() += 1;
                if let Some(allowed) = allowed {
                    let states = allowed.split(',').map(str::to_owned);
                    seen.allowed.insert(method.clone(), states.collect());
                }
            }
            if bad.is_empty() || tries == TRIES {
                return Err(status);
            }
            tries += 1;
            for refused in &bad {
                self.draw(since, 0.5, 10).amend(&mut request, refused);
            }
        }
    }

    /// Remembers a record that was written.
    fn keep(&mut self, kept: &Kept, record: &DynamicMessage) {
        let name = record.get_field_by_name("name").unwrap();
        let name = name.as_str().unwrap();
        let collection = kept.kind.collection();
        let (to, from) = match record.has_field_by_name("delete_time") {
            true => (&mut self.deleted, &mut self.live),
            false => (&mut self.live, &mut self.deleted),
        };
        if let Some(names) = from.get_mut(collection) {
            names.retain(|n| n != name);
        }
        let names = to.entry(collection.to_owned()).or_default();
        if !names.iter().any(|n| n == name) {
            names.push(name.to_owned());
        }
    }

    /// Figures over all time and over a year, with every month of it.
    async fn figures(&self) {
        let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
        let deleted: BTreeSet<&String> = self.deleted.values().flatten().collect();
        for source in figures::sources(self.ledgers.suite, &self.ledgers.token) {
            for period in [
                (day(1, 1, 1), day(9999, 12, 31)),
                (day(2022, 1, 1), day(2022, 12, 31)),
            ] {
                let behind = figures::check(&source, &self.name, period, |_| None).await;
                for (indicator, records) in behind {
                    let gone = records.iter().find(|record| deleted.contains(record));
                    assert_eq!(gone, None, "{indicator} counts what is deleted");
                    let mut seen = self.ledgers.seen.lock().unwrap();
                    *seen.counted.entry(indicator).or_default() += records.len();
                }
            }
            figures::check_months(&source, &self.name, 2022).await;
        }
    }

    fn draw(&mut self, at: DateTime<Utc>, density: f64, stride: i64) -> Draw<'_> {
        Draw {
            rng: &mut self.rng,
            names: &self.live,
            density,
            at,
            stride,
        }
    }

    /// Records are given in full, or with little more than they must have, or between.
    fn density(&mut self) -> f64 {
        *[0.1, 0.5, 0.9, 1.0].choose(&mut self.rng).unwrap()
    }

    /// Some time in three years.
    fn some_time(&mut self) -> DateTime<Utc> {
        let first: DateTime<Utc> = "2021-06-01T00:00:00Z".parse().unwrap();
        first + TimeDelta::minutes(self.rng.random_range(0..3 * 365 * 24 * 60))
    }

    /// When a record goes on: after something that it tells of, and not in the future.
    fn since(&mut self, record: &DynamicMessage) -> DateTime<Utc> {
        let now = Utc::now();
        let told = instants(record).into_iter().filter(|at| *at <= now);
        told.choose(&mut self.rng)
            .unwrap_or_else(|| self.some_time())
    }
}

/// The record's state, without the prefix of its enum; empty if it has none.
fn state(record: &DynamicMessage) -> String {
    let Some(field) = record.descriptor().get_field_by_name("state") else {
        return String::new();
    };
    let states = field.kind().as_enum().unwrap().clone();
    let number = record.get_field(&field).as_enum_number().unwrap();
    let prefix = states.get_value(0).unwrap();
    let prefix = prefix.name().trim_end_matches("UNSPECIFIED");
    let state = states.get_value(number).unwrap();
    state.name().trim_start_matches(prefix).to_owned()
}
