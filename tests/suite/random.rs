//! A random ledger of every service, made only from what the descriptors say: records of every kind,
//! taken by random methods from state to state. What holds of every ledger must hold of it.
//!
//! `TAIZHANG_TEST_SEED` repeats a run.

pub mod kept;
mod lists;
mod office;
mod once;
mod seen;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use futures::future::join_all;
use prost::Message;
use prost_reflect::DynamicMessage;
use prost_types::Any;
use taizhang::roles::ROLES;
use taizhang_contracts::batch::batch_service_client::BatchServiceClient;
use taizhang_contracts::batch::{BatchCall, BatchWriteRequest};
use taizhang_ledger::Database;
use tonic::Status;
use tonic::service::interceptor::InterceptedService;

use crate::harness::{Bearer, Suite};
use crate::walk::{self, Walked};
use kept::Kept;
use office::Office;
use seen::Seen;

on_each_database!(what_holds_of_every_ledger_holds_of_a_random_one);

/// How many offices are walked, side by side.
const OFFICES: usize = 2;

/// Methods that no random ledger brings to success, and why.
const NEVER: &[(&str, &str)] = &[];

fn is_excused(at: &Walked) -> bool {
    NEVER
        .iter()
        .any(|(method, _)| *method == at.method.full_name())
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
    holds_after(&suite, async |_| {}).await;
}

/// Writes random ledgers, does something to them, and looks whether they hold what they must.
pub async fn holds_after(suite: &Suite, change: impl AsyncFnOnce(&[&str])) {
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
        suite,
        token: suite.every_scope_in(&names),
        kept: Kept::all(),
        databases,
        seen: Mutex::default(),
    };
    let mut offices: Vec<Office<'_>> = (seed..)
        .zip(&offices)
        .map(|(seed, name)| Office::of(&ledgers, name.clone(), seed))
        .collect();
    join_all(offices.iter_mut().map(Office::walk)).await;
    change(&names).await;
    join_all(offices.iter().map(Office::retries)).await;
    join_all(offices.iter().map(Office::figures)).await;
    ledgers.seen().assert_went_far(&ledgers.kept);
    let lists = offices.iter_mut().enumerate();
    let lists = lists.map(|(i, office)| office.lists(i));
    let came: usize = join_all(lists).await.into_iter().sum();
    assert!(came > 20, "only {came} records came while lists were read");
    for role in ROLES {
        let report = suite.audit(role.name).await;
        assert_eq!(report.findings, [], "{}", role.name);
    }
}

/// Writes a random ledger into one office, in so many rounds.
pub async fn written(suite: &Suite, office: &str, rounds: usize) {
    let mut databases = BTreeMap::new();
    for role in ROLES {
        databases.insert(role.name, suite.database(role.name).await);
    }
    let ledgers = Ledgers {
        suite,
        token: suite.every_scope_in(&[office]),
        kept: Kept::all(),
        databases,
        seen: Mutex::default(),
    };
    let seed = rand::random_range(0..1_000_000);
    println!("seed {seed}");
    let mut office = Office::of(&ledgers, office.to_owned(), seed);
    for _ in 0..rounds {
        office.round().await;
    }
}

impl Ledgers<'_> {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// Whether a method that writes a kind of record has not succeeded a few times.
    fn lacks(&self, kept: &Kept) -> bool {
        let seen = self.seen();
        kept.writing()
            .any(|at| !is_excused(at) && seen.successes(at) < 3)
    }

    async fn ask(&self, at: &Walked, request: DynamicMessage) -> Result<DynamicMessage, Status> {
        at.call_with(self.suite, &self.token, request).await
    }

    /// The same as the only call of a batch, if a batch can call it.
    async fn ask_in_a_batch(
        &self,
        at: &Walked,
        office: &str,
        request: &DynamicMessage,
    ) -> Result<DynamicMessage, Status> {
        let mut inner = request.clone();
        inner.clear_field_by_name("request_id");
        let id = request.get_field_by_name("request_id").unwrap();
        let call = BatchCall {
            method: at.path().trim_start_matches('/').into(),
            request: Some(Any {
                type_url: format!("type.googleapis.com/{}", at.method.input().full_name()),
                value: inner.encode_to_vec(),
            }),
        };
        let batch = BatchWriteRequest {
            parent: office.into(),
            calls: vec![call],
            request_id: id.as_str().unwrap().into(),
            validate_only: false,
        };
        let bearing = Bearer::of(&self.token).unwrap();
        let channel = self.suite.shared_channel(at.role.name);
        let mut client = BatchServiceClient::new(InterceptedService::new(channel, bearing));
        match client.batch_write(batch).await {
            Ok(answers) => {
                let answer = &answers.into_inner().answers[0];
                let bytes = answer.value.as_slice();
                Ok(DynamicMessage::decode(at.method.output(), bytes).unwrap())
            }
            Err(status) => match walk::violations(&status).as_slice() {
                [bad] if bad.field == "calls[0].method" => self.ask(at, request.clone()).await,
                _ => Err(status),
            },
        }
    }
}
