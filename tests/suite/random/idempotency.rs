//! Idempotency: `validate_only`, two identical calls at the same time, a retry, and another request
//! with the same request id.

use std::borrow::Cow;

use futures::future::join_all;
use prost_reflect::{DynamicMessage, Value};
use tonic::{Code, Status};

use super::office::Office;
use super::record_methods::RecordMethods;
use crate::harness::reason;
use crate::records::{may_retry, query};
use crate::served_methods::ServedMethod;

impl Office<'_> {
    /// Makes a call in every way that must write at most once: with `validate_only`; twice at the
    /// same time; again after its answer; and another request with its request id.
    pub(super) async fn check_idempotency(
        &mut self,
        methods: &RecordMethods,
        at: &ServedMethod,
        request: &DynamicMessage,
    ) -> Result<DynamicMessage, Status> {
        let ledgers = self.ledgers;
        let ask = |request: &DynamicMessage| ledgers.ask(at, request.clone());
        let before = self.row_counts(methods).await;
        let mut asked = request.clone();
        asked.set_field_by_name("validate_only", Value::Bool(true));
        let asked = ask(&asked).await;
        assert_eq!(
            self.row_counts(methods).await,
            before,
            "{at} wrote with validate_only"
        );

        let (one, other) = tokio::join!(ask(request), ask(request));
        let answer = match (one, other) {
            (Ok(one), Ok(other)) => {
                assert_eq!(one, other, "{at} twice at the same time");
                Ok(one)
            }
            (Ok(record), Err(lost)) | (Err(lost), Ok(record)) => {
                assert!(may_retry(&lost), "{at} twice at the same time: {lost:?}");
                Ok(record)
            }
            (Err(status), Err(_)) => Err(status),
        };
        let code =
            |answer: &Result<_, Status>| answer.as_ref().err().map(|s| (s.code(), reason(s)));
        assert_eq!(
            code(&asked),
            code(&answer),
            "{at}: validate_only differs for {request}"
        );
        let after = self.row_counts(methods).await;
        let Ok(record) = answer else {
            assert_eq!(after, before, "{at} failed and wrote");
            return answer;
        };
        assert_ne!(after, before, "{at} succeeded and wrote nothing");

        let again = ask(request).await;
        assert_eq!(again.as_ref().ok(), Some(&record), "{at} again: {again:?}");
        let refused = ask(&self.different_request(at, request)).await.unwrap_err();
        let reused = (Code::InvalidArgument, "REQUEST_ID_REUSED".to_owned());
        assert_eq!(
            (refused.code(), reason(&refused)),
            reused,
            "{at}: {refused:?}"
        );
        assert_eq!(self.row_counts(methods).await, after, "{at} wrote again");
        let name = record.get_field_by_name("name").unwrap();
        let stored = self.get(methods, name.as_str().unwrap()).await;
        assert_eq!(
            stored, record,
            "{at} returned another record than it stored"
        );
        let done = (at.clone(), request.clone(), record.clone());
        self.answered.push(done);
        let mut coverage = self.ledgers.coverage();
        coverage.checked.insert(at.method.full_name().to_owned());
        Ok(record)
    }

    /// A late retry returns the version that its call wrote, and writes nothing.
    pub(super) async fn check_retries(&self) {
        let before = self.all_row_counts().await;
        for (at, request, first) in &self.answered {
            let again = self.ledgers.ask(at, request.clone()).await;
            let again = again.unwrap_or_else(|status| panic!("{at} later: {status:?}"));
            // Fields that depend on the time of reading may differ.
            for field in ["name", "etag", "update_time"] {
                let told = |record: &DynamicMessage| {
                    let value = record.get_field_by_name(field);
                    value.map(Cow::into_owned)
                };
                assert_eq!(told(&again), told(first), "{at} later");
            }
        }
        assert_eq!(self.all_row_counts().await, before);
    }

    async fn all_row_counts(&self) -> Vec<(i64, i64)> {
        join_all(
            self.ledgers
                .kinds
                .iter()
                .map(|methods| self.row_counts(methods)),
        )
        .await
    }

    /// A request that differs from `request`.
    fn different_request(&self, at: &ServedMethod, request: &DynamicMessage) -> DynamicMessage {
        let mut other = request.clone();
        let another = Value::String("another-1".into());
        let Some(field) = at.resource_field() else {
            other.set_field_by_name("etag", another);
            return other;
        };
        let id = format!("{}_id", field.name());
        if at.field(&id).is_some() {
            other.set_field_by_name(&id, another);
        } else {
            let resource = other.get_field_mut(&field).as_message_mut().unwrap();
            resource.set_field_by_name("etag", another);
        }
        other
    }

    /// The number of records and of history entries of the office in the service.
    async fn row_counts(&self, methods: &RecordMethods) -> (i64, i64) {
        let (_, office) = self.name.split_once('/').unwrap();
        let count =
            |table: &str| format!("(SELECT COUNT(*) FROM {table} WHERE office = '{office}')");
        let records: Vec<String> = methods
            .role
            .kinds
            .iter()
            .map(|kind| count(kind.table()))
            .collect();
        let sql = format!("SELECT {}, {}", records.join(" + "), count("history"));
        let rows = query(&self.ledgers.databases[methods.role.name], &sql).await;
        let number = |i| rows[0].try_get_by_index(i).unwrap();
        (number(0), number(1))
    }
}
