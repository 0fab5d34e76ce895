//! The random ledger of one office, as it is written.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use prost_reflect::{DynamicMessage, ReflectMessage, Value};
use prost_types::FieldMask;
use rand::prelude::*;
use taizhang_ledger::Clock;
use tonic::Status;
use tonic_types::StatusExt;

use super::Ledgers;
use super::kept::Kept;
use crate::draw::{Draw, Names, instants};
use crate::figures;
use crate::records::request_id;
use crate::walk::{self, Walked};

/// At least so many records are created in an office, of all kinds together.
const RECORDS: usize = 70;

/// So many rounds more there may be until every method has succeeded a few times.
const MORE_ROUNDS: usize = 100;

/// A call is made at most so often, each time amended after a refusal.
const TRIES: usize = 8;

/// A record is drawn at most so often until one can be created.
const CREATIONS: usize = 4;

/// One in so many calls is made in every way that must write once or not at all; so is each method
/// that was not yet.
const LOOKED_AT: u32 = 12;

/// One in so many calls is the only one of a batch.
const BATCHED: u32 = 4;

/// The ledger of one office.
pub(super) struct Office<'a> {
    pub(super) ledgers: &'a Ledgers<'a>,
    pub(super) name: String,
    rng: StdRng,
    /// Its records, by their collections.
    live: Names,
    deleted: Names,
    /// Calls that were made in every way, and their answers.
    pub(super) answered: Vec<(Walked, DynamicMessage, DynamicMessage)>,
}

impl<'a> Office<'a> {
    pub(super) fn of(ledgers: &'a Ledgers<'a>, name: String, seed: u64) -> Self {
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

    pub(super) async fn walk(&mut self) {
        let rounds = (RECORDS / self.ledgers.kept.len()).max(3);
        for round in 0..rounds + MORE_ROUNDS {
            let more = round >= rounds;
            if more
                && !self
                    .ledgers
                    .kept
                    .iter()
                    .any(|kept| self.ledgers.lacks(kept))
            {
                return;
            }
            for kept in &self.ledgers.kept {
                // What has all that it needs goes on too: others may refer to it.
                if more && !self.ledgers.lacks(kept) && self.rng.random_bool(0.7) {
                    continue;
                }
                // The more methods, the more records, so that each comes into its turn.
                for _ in 0..=kept.custom.len() / 4 {
                    self.one_more(kept).await;
                }
            }
        }
    }

    /// Some records of every kind.
    pub(super) async fn round(&mut self) {
        for kept in &self.ledgers.kept {
            for _ in 0..=kept.custom.len() / 4 {
                self.one_more(kept).await;
            }
        }
    }

    /// Creates a record of a kind and takes it on, and some others too.
    async fn one_more(&mut self, kept: &Kept) {
        if let Some(create) = &kept.create {
            self.create(kept, create).await;
        }
        for at in &kept.of_office {
            let mut request = self
                .draw(Clock::system().now(), 1.0, 10)
                .message(&at.method.input());
            request.set_field_by_name("parent", Value::String(self.name.clone()));
            request.set_field_by_name("request_id", Value::String(request_id()));
            request.set_field_by_name("validate_only", Value::Bool(false));
            let answer = self.ledgers.ask(at, request).await;
            self.ledgers.seen().note(kept, at, &answer);
            if let Ok(record) = answer {
                self.keep(kept, &record);
            }
        }
        let steps = self.rng.random_range(0..=kept.custom.len() + 1);
        for step in 0..steps + 3 {
            self.step(kept, step < steps).await;
        }
    }

    pub(super) async fn create(&mut self, kept: &Kept, create: &Walked) -> Option<DynamicMessage> {
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
        let record = self.get(kept, &name).await;
        let Some(at) = self.chosen(kept, &record) else {
            return;
        };
        let since = self.since(&record);
        let request = self.request(at, &name, &record, since);
        // A refusal is fine.
        let _ = self.call(kept, at, request, since).await;
    }

    pub(super) async fn get(&self, kept: &Kept, name: &str) -> DynamicMessage {
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
        let seen = self.ledgers.seen();
        let lacks = |at: &&Walked| seen.successes(at) == 0;
        let standard = match self.rng.random_range(0..40) {
            0 => kept.delete.as_ref(),
            1..6 => kept.update.as_ref(),
            6..12 => kept.delete.as_ref().filter(lacks),
            _ => None,
        };
        if standard.is_some() {
            return standard;
        }
        let anyway = self.rng.random_bool(0.05);
        let fitting = kept.custom.iter();
        let fitting: Vec<&Walked> = fitting
            .filter(|at| anyway || seen.fits(at, record))
            .collect();
        // What never succeeded has the best chance, then what was called least.
        if self.rng.random_bool(0.4) {
            let worst = |at: &&Walked| (seen.successes(at) > 0, seen.calls(at));
            return fitting.into_iter().min_by_key(worst);
        }
        let any = fitting.choose(&mut self.rng).copied();
        any.or(kept.update.as_ref().filter(|_| kept.custom.is_empty()))
    }

    /// A request to change a record.
    pub(super) fn request(
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
    pub(super) async fn call(
        &mut self,
        kept: &Kept,
        at: &Walked,
        mut request: DynamicMessage,
        since: DateTime<Utc>,
    ) -> Result<DynamicMessage, Status> {
        let mut left = TRIES;
        loop {
            left -= 1;
            request.set_field_by_name("request_id", Value::String(request_id()));
            let method = at.method.full_name();
            let new = !self.ledgers.seen().looked_at.contains(method);
            let answer = if new || self.rng.random_ratio(1, LOOKED_AT) {
                self.every_way(kept, at, &request).await
            } else if self.rng.random_ratio(1, BATCHED) {
                self.ledgers.ask_in_a_batch(at, &self.name, &request).await
            } else {
                self.ledgers.ask(at, request.clone()).await
            };
            self.ledgers.seen().note(kept, at, &answer);
            let status = match answer {
                Ok(record) => {
                    self.keep(kept, &record);
                    return Ok(record);
                }
                Err(status) => status,
            };
            let bad = walk::violations(&status);
            if left == 0 || bad.is_empty() && !self.mended(kept, &mut request, &status, since).await
            {
                return Err(status);
            }
            for mut refused in bad {
                let field = refused.field.strip_prefix("calls[0].request.");
                if let Some(field) = field.map(str::to_owned) {
                    refused.field = field;
                }
                self.draw(since, 0.5, 10).amend(&mut request, &refused);
            }
        }
    }

    /// Mends the fields for which a rule refuses a call about a record: those of the request are
    /// drawn anew, a little earlier; those of the record are emptied or drawn anew. Gives whether it
    /// could.
    async fn mended(
        &mut self,
        kept: &Kept,
        request: &mut DynamicMessage,
        status: &Status,
        since: DateTime<Utc>,
    ) -> bool {
        let Some(update) = &kept.update else {
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
        let anew = self.draw(earlier, 1.0, 1).message(&request.descriptor());
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
        let drawn = self.draw(since, 1.0, 10).message(&kept.resource);
        let mut record = DynamicMessage::new(kept.resource.clone());
        for path in paths.iter().filter(|path| drawn.has_field_by_name(path)) {
            // What a list lacks is seldom drawn; an empty one often suits.
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
        let mut message = DynamicMessage::new(walk::message_of(&mask));
        let paths = paths.into_iter().collect();
        message.transcode_from(&FieldMask { paths }).unwrap();
        change.set_field(&mask, Value::Message(message));
        request.clear_field_by_name("etag");
        self.ledgers.ask(update, change).await.is_ok()
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
    pub(super) async fn figures(&self) {
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
                    assert_eq!(gone, None, "{indicator} counts what is deleted");
                    counted += records.len();
                    self.ledgers.seen().note_counted(indicator, records.len());
                }
            }
            assert!(counted > 0, "{}: a source counted nothing", self.name);
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
        let now = Clock::system().now();
        let told = instants(record).into_iter().filter(|at| *at <= now);
        told.choose(&mut self.rng)
            .unwrap_or_else(|| self.some_time())
    }
}
