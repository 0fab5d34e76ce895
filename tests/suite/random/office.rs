//! Writes the random ledger of one office.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use prost_reflect::{DynamicMessage, ReflectMessage, Value};
use prost_types::FieldMask;
use rand::prelude::*;
use taizhang_ledger::Clock;
use tonic::Status;
use tonic_types::StatusExt;

use super::Ledgers;
use super::record_methods::RecordMethods;
use crate::figures;
use crate::random_messages::{MessageGenerator, Names, instants};
use crate::records::request_id;
use crate::served_methods::{self, ServedMethod};

/// The least number of records created in an office, of all kinds together.
const RECORDS: usize = 70;

/// The most additional rounds until every method has succeeded three times.
const MORE_ROUNDS: usize = 100;

/// The most attempts of a call, with its refused fields generated anew before each.
const TRIES: usize = 8;

/// The most attempts to create a record.
const CREATIONS: usize = 4;

/// One in so many calls is checked for idempotency, as is each method that was not yet.
const CHECKED: u32 = 12;

/// One in so many calls is made by a batch.
const BATCHED: u32 = 4;

/// The ledger of one office.
pub(super) struct Office<'a> {
    pub(super) ledgers: &'a Ledgers<'a>,
    pub(super) name: String,
    rng: StdRng,
    /// Its records, by their collections.
    live: Names,
    deleted: Names,
    /// Calls that were checked for idempotency, and their answers.
    pub(super) answered: Vec<(ServedMethod, DynamicMessage, DynamicMessage)>,
}

impl<'a> Office<'a> {
    pub(super) fn of(ledgers: &'a Ledgers<'a>, name: String, seed: u64) -> Self {
        let singletons = ledgers
            .kinds
            .iter()
            .filter(|methods| methods.kind.is_singleton());
        let live = singletons.map(|methods| {
            let name = served_methods::name(&methods.resource, &name, "");
            (methods.kind.collection().to_owned(), vec![name])
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

    pub(super) async fn fill(&mut self) {
        let rounds = (RECORDS / self.ledgers.kinds.len()).max(3);
        for round in 0..rounds + MORE_ROUNDS {
            let more = round >= rounds;
            if more
                && !self
                    .ledgers
                    .kinds
                    .iter()
                    .any(|methods| self.ledgers.lacks(methods))
            {
                return;
            }
            for methods in &self.ledgers.kinds {
                // Complete kinds get more records too, since others may refer to them.
                if more && !self.ledgers.lacks(methods) && self.rng.random_bool(0.7) {
                    continue;
                }
                // Kinds with more methods get more records, so that each method is called.
                for _ in 0..=methods.custom.len() / 4 {
                    self.add_record(methods).await;
                }
            }
        }
    }

    /// Some records of every kind.
    pub(super) async fn round(&mut self) {
        for methods in &self.ledgers.kinds {
            for _ in 0..=methods.custom.len() / 4 {
                self.add_record(methods).await;
            }
        }
    }

    /// Creates a record and calls methods on it and on others of its kind.
    async fn add_record(&mut self, methods: &RecordMethods) {
        if let Some(create) = &methods.create {
            self.create(methods, create).await;
        }
        for at in &methods.of_office {
            let mut request = self
                .generator(Clock::system().now(), 1.0, 10)
                .message(&at.method.input());
            request.set_field_by_name("parent", Value::String(self.name.clone()));
            request.set_field_by_name("request_id", Value::String(request_id()));
            request.set_field_by_name("validate_only", Value::Bool(false));
            let answer = self.ledgers.ask(at, request).await;
            self.ledgers.coverage().note(methods, at, &answer);
            if let Ok(record) = answer {
                self.keep(methods, &record);
            }
        }
        let steps = self.rng.random_range(0..=methods.custom.len() + 1);
        for step in 0..steps + 3 {
            self.step(methods, step < steps).await;
        }
    }

    pub(super) async fn create(
        &mut self,
        methods: &RecordMethods,
        create: &ServedMethod,
    ) -> Option<DynamicMessage> {
        for _ in 0..CREATIONS {
            let at = self.some_time();
            let density = self.density();
            let resource = self.generator(at, density, 60).message(&methods.resource);
            let mut request = DynamicMessage::new(create.method.input());
            request.set_field_by_name("parent", Value::String(self.name.clone()));
            request.set_field(&create.resource_field().unwrap(), Value::Message(resource));
            match self.call(methods, create, request, at).await {
                Ok(record) => return Some(record),
                // A record that it refers to is missing or in the wrong state.
                Err(_) => continue,
            }
        }
        None
    }

    /// Calls a method that changes a record, the newest one or any.
    async fn step(&mut self, methods: &RecordMethods, newest: bool) {
        let collection = methods.kind.collection();
        let deleted = !newest && self.rng.random_bool(0.4);
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
        let record = self.get(methods, &name).await;
        let Some(at) = self.choose_method(methods, &record) else {
            return;
        };
        let since = self.since(&record);
        let request = self.request(at, &name, &record, since);
        // It may be refused.
        let _ = self.call(methods, at, request, since).await;
    }

    pub(super) async fn get(&self, methods: &RecordMethods, name: &str) -> DynamicMessage {
        let mut request = DynamicMessage::new(methods.get.method.input());
        request.set_field_by_name("name", Value::String(name.into()));
        let answer = self.ledgers.ask(&methods.get, request).await;
        answer.unwrap_or_else(|status| panic!("{name}: {status:?}"))
    }

    /// A method that may be allowed in the record's state, as far as known.
    fn choose_method<'k>(
        &mut self,
        methods: &'k RecordMethods,
        record: &DynamicMessage,
    ) -> Option<&'k ServedMethod> {
        if record.has_field_by_name("delete_time") {
            return methods.undelete.as_ref();
        }
        let coverage = self.ledgers.coverage();
        let lacks = |at: &&ServedMethod| coverage.successes(at) == 0;
        let standard = match self.rng.random_range(0..40) {
            0 => methods.delete.as_ref(),
            1..6 => methods.update.as_ref(),
            6..12 => methods.delete.as_ref().filter(lacks),
            _ => None,
        };
        if standard.is_some() {
            return standard;
        }
        let anyway = self.rng.random_bool(0.05);
        let fitting = methods.custom.iter();
        let fitting: Vec<&ServedMethod> = fitting
            .filter(|at| anyway || coverage.fits(at, record))
            .collect();
        // Prefers a method that never succeeded, then the one called least.
        if self.rng.random_bool(0.4) {
            let worst = |at: &&ServedMethod| (coverage.successes(at) > 0, coverage.calls(at));
            return fitting.into_iter().min_by_key(worst);
        }
        let any = fitting.choose(&mut self.rng).copied();
        any.or(methods
            .update
            .as_ref()
            .filter(|_| methods.custom.is_empty()))
    }

    /// A request to change a record.
    pub(super) fn request(
        &mut self,
        at: &ServedMethod,
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
        let mut generator = self.generator(since, density, 10);
        let Some(field) = at.resource_field() else {
            let mut request = generator.message(&at.method.input());
            request.set_field_by_name("name", Value::String(name.into()));
            request.set_field_by_name("etag", etag);
            return request;
        };
        let mut changed = generator.message(&record.descriptor());
        for field in record
            .descriptor()
            .fields()
            .filter(|f| served_methods::rule(f).immutable)
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
            let mut message = DynamicMessage::new(served_methods::message_of(&mask));
            message.transcode_from(&FieldMask { paths }).unwrap();
            request.set_field(&mask, Value::Message(message));
        }
        at.set_name(&mut request, name);
        request
    }

    /// Makes a call; generates refused fields anew and tries again.
    pub(super) async fn call(
        &mut self,
        methods: &RecordMethods,
        at: &ServedMethod,
        mut request: DynamicMessage,
        since: DateTime<Utc>,
    ) -> Result<DynamicMessage, Status> {
        let mut left = TRIES;
        loop {
            left -= 1;
            request.set_field_by_name("request_id", Value::String(request_id()));
            let method = at.method.full_name();
            let new = !self.ledgers.coverage().checked.contains(method);
            let answer = if new || self.rng.random_ratio(1, CHECKED) {
                self.check_idempotency(methods, at, &request).await
            } else if self.rng.random_ratio(1, BATCHED) {
                self.ledgers.ask_in_a_batch(at, &self.name, &request).await
            } else {
                self.ledgers.ask(at, request.clone()).await
            };
            self.ledgers.coverage().note(methods, at, &answer);
            let status = match answer {
                Ok(record) => {
                    self.keep(methods, &record);
                    return Ok(record);
                }
                Err(status) => status,
            };
            let bad = served_methods::violations(&status);
            if left == 0
                || bad.is_empty()
                    && !self
                        .fix_precondition(methods, &mut request, &status, since)
                        .await
            {
                return Err(status);
            }
            for mut refused in bad {
                let field = refused.field.strip_prefix("calls[0].request.");
                if let Some(field) = field.map(str::to_owned) {
                    refused.field = field;
                }
                self.generator(since, 0.5, 10)
                    .redraw(&mut request, &refused);
            }
        }
    }

    /// Fixes the fields for which a rule refused a call: those of the request are generated anew, with
    /// earlier days; those of the record are cleared or generated anew by an update. Returns whether
    /// there was something to fix and it succeeded.
    async fn fix_precondition(
        &mut self,
        methods: &RecordMethods,
        request: &mut DynamicMessage,
        status: &Status,
        since: DateTime<Utc>,
    ) -> bool {
        let Some(update) = &methods.update else {
            return false;
        };
        let of_record = update.resource_field().unwrap();
        let refused = status.get_details_precondition_failure();
        let refused = refused
            .map(|failure| failure.violations)
            .unwrap_or_default();
        let mut paths: BTreeSet<String> = refused
            .iter()
            .filter_map(|violation| violation.subject.split_once('.'))
            .filter(|(record, _)| *record == of_record.name())
            .filter_map(|(_, path)| path.split(['.', '[']).next())
            .map(str::to_owned)
            .collect();
        if paths.is_empty() || !request.has_field_by_name("name") {
            return false;
        }
        let name = request.get_field_by_name("name").unwrap().into_owned();
        let earlier = since - TimeDelta::days(self.rng.random_range(0..30));
        let anew = self
            .generator(earlier, 1.0, 1)
            .message(&request.descriptor());
        paths.retain(|path| {
            let Some(field) = request.descriptor().get_field_by_name(path) else {
                return true;
            };
            request.set_field(&field, anew.get_field(&field).into_owned());
            false
        });
        if paths.is_empty() {
            return true;
        }
        let drawn = self.generator(since, 1.0, 10).message(&methods.resource);
        let mut record = DynamicMessage::new(methods.resource.clone());
        for path in paths.iter().filter(|path| drawn.has_field_by_name(path)) {
            // A generated list seldom meets the rule; an empty one often does.
            let list = drawn
                .descriptor()
                .get_field_by_name(path)
                .unwrap()
                .is_list();
            if self.rng.random_bool(if list { 0.2 } else { 0.9 }) {
                let field = drawn.get_field_by_name(path).unwrap().into_owned();
                record.set_field_by_name(path, field);
            }
        }
        record.set_field_by_name("name", name);
        let mut change = DynamicMessage::new(update.method.input());
        change.set_field(&of_record, Value::Message(record));
        let mask = update.field("update_mask").unwrap();
        let mut message = DynamicMessage::new(served_methods::message_of(&mask));
        let paths = paths.into_iter().collect();
        message.transcode_from(&FieldMask { paths }).unwrap();
        change.set_field(&mask, Value::Message(message));
        request.clear_field_by_name("etag");
        self.ledgers.ask(update, change).await.is_ok()
    }

    /// Adds a written record to the live or deleted names.
    fn keep(&mut self, methods: &RecordMethods, record: &DynamicMessage) {
        let name = record.get_field_by_name("name").unwrap();
        let name = name.as_str().unwrap();
        let collection = methods.kind.collection();
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

    /// Checks the figures of all time, of a year, and of its months.
    pub(super) async fn check_figures(&self) {
        let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
        let deleted: BTreeSet<&String> = self.deleted.values().flatten().collect();
        for source in figures::sources(self.ledgers.suite, &self.ledgers.token) {
            let mut counted = 0;
            for period in [
                (day(1, 1, 1), day(9999, 12, 31)),
                (day(2022, 1, 1), day(2022, 12, 31)),
            ] {
                let behind = figures::check(&source, &self.name, period, |_| None).await;
                for (indicator, records) in behind {
                    let gone = records.iter().find(|record| deleted.contains(record));
                    assert_eq!(gone, None, "{indicator} counts a deleted record");
                    counted += records.len();
                    self.ledgers
                        .coverage()
                        .note_counted(indicator, records.len());
                }
            }
            assert!(counted > 0, "{}: a source counted nothing", self.name);
            figures::check_months(&source, &self.name, 2022).await;
        }
    }

    fn generator(&mut self, at: DateTime<Utc>, density: f64, stride: i64) -> MessageGenerator<'_> {
        MessageGenerator {
            rng: &mut self.rng,
            names: &self.live,
            density,
            at,
            stride,
        }
    }

    /// The share of optional fields that are set.
    fn density(&mut self) -> f64 {
        *[0.1, 0.5, 0.9, 1.0].choose(&mut self.rng).unwrap()
    }

    /// A random time within three years.
    fn some_time(&mut self) -> DateTime<Utc> {
        let first: DateTime<Utc> = "2021-06-01T00:00:00Z".parse().unwrap();
        first + TimeDelta::minutes(self.rng.random_range(0..3 * 365 * 24 * 60))
    }

    /// A time at which a record may be changed: one of its own times that is not in the future.
    fn since(&mut self, record: &DynamicMessage) -> DateTime<Utc> {
        let now = Clock::system().now();
        let told = instants(record).into_iter().filter(|at| *at <= now);
        told.choose(&mut self.rng)
            .unwrap_or_else(|| self.some_time())
    }
}
