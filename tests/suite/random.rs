//! Random ledgers of every service, generated from the descriptors: records of every kind, which
//! random methods take from state to state. Checks the invariants that hold for any ledger.
//!
//! `TAIZHANG_TEST_SEED` repeats a run.

mod coverage;
mod idempotency;
mod lists;
mod office;
pub mod record_methods;

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
use crate::served_methods::{self, ServedMethod};
use coverage::Coverage;
use office::Office;
use record_methods::RecordMethods;

on_each_database!(a_random_ledger_keeps_all_invariants);

/// The number of offices that are filled concurrently.
const OFFICES: usize = 2;

/// Methods that never succeed on a random ledger, and why.
const NEVER: &[(&str, &str)] = &[];

fn is_excused(at: &ServedMethod) -> bool {
    NEVER
        .iter()
        .any(|(method, _)| *method == at.method.full_name())
}

/// The state that all offices share.
struct Ledgers<'a> {
    suite: &'a Suite,
    token: String,
    kinds: Vec<RecordMethods>,
    databases: BTreeMap<&'static str, Database>,
    coverage: Mutex<Coverage>,
}

async fn a_random_ledger_keeps_all_invariants(suite: Suite) {
    check_after(&suite, async |_| {}).await;
}

/// Writes random ledgers, applies `change`, and checks the invariants.
pub async fn check_after(suite: &Suite, change: impl AsyncFnOnce(&[&str])) {
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
        kinds: RecordMethods::all(),
        databases,
        coverage: Mutex::default(),
    };
    let mut offices: Vec<Office<'_>> = (seed..)
        .zip(&offices)
        .map(|(seed, name)| Office::of(&ledgers, name.clone(), seed))
        .collect();
    join_all(offices.iter_mut().map(Office::fill)).await;
    change(&names).await;
    join_all(offices.iter().map(Office::check_retries)).await;
    join_all(offices.iter().map(Office::check_figures)).await;
    ledgers.coverage().assert_complete(&ledgers.kinds);
    let lists = offices.iter_mut().enumerate();
    let lists = lists.map(|(i, office)| office.check_lists(i));
    let came: usize = join_all(lists).await.into_iter().sum();
    assert!(
        came > 20,
        "only {came} records were created while lists were read"
    );
    for role in ROLES {
        let report = suite.audit(role.name).await;
        assert_eq!(report.findings, [], "{}", role.name);
    }
}

/// Writes random records into one office, in so many rounds.
pub async fn write_records(suite: &Suite, office: &str, rounds: usize) {
    let mut databases = BTreeMap::new();
    for role in ROLES {
        databases.insert(role.name, suite.database(role.name).await);
    }
    let ledgers = Ledgers {
        suite,
        token: suite.every_scope_in(&[office]),
        kinds: RecordMethods::all(),
        databases,
        coverage: Mutex::default(),
    };
    let seed = rand::random_range(0..1_000_000);
    println!("seed {seed}");
    let mut office = Office::of(&ledgers, office.to_owned(), seed);
    for _ in 0..rounds {
        office.round().await;
    }
}

impl Ledgers<'_> {
    fn coverage(&self) -> MutexGuard<'_, Coverage> {
        self.coverage.lock().unwrap()
    }

    /// Whether some method that writes a kind of record has succeeded fewer than three times.
    fn lacks(&self, methods: &RecordMethods) -> bool {
        let coverage = self.coverage();
        methods
            .writing()
            .any(|at| !is_excused(at) && coverage.successes(at) < 3)
    }

    async fn ask(
        &self,
        at: &ServedMethod,
        request: DynamicMessage,
    ) -> Result<DynamicMessage, Status> {
        at.call_with(self.suite, &self.token, request).await
    }

    /// Makes a call as the only one of a batch, if a batch can call it.
    async fn ask_in_a_batch(
        &self,
        at: &ServedMethod,
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
            Err(status) => match served_methods::violations(&status).as_slice() {
                [bad] if bad.field == "calls[0].method" => self.ask(at, request.clone()).await,
                _ => Err(status),
            },
        }
    }
}
