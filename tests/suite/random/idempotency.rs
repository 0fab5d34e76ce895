//! What writes once: only asked, at one instant, again, and under the same id another request.

use std::borrow::Cow;

use futures::future::join_all;
use prost_reflect::{DynamicMessage, Value};
use tonic::{Code, Status};

use super::kept::Kept;
use super::office::Office;
use crate::harness::reason;
use crate::records::{may_retry, query};
use crate::walk::Walked;

impl Office<'_> {
    /// Makes a call in every way that must write once or not at all: only asked whether it would
    /// succeed; twice at one instant; again, once it is answered; and under its id another one.
    pub(super) async fn every_way(
        &mut self,
        kept: &Kept,
        at: &Walked,
        request: &DynamicMessage,
    ) -> Result<DynamicMessage, Status> {
        let ledgers = self.ledgers;
        let ask = |request: &DynamicMessage| ledgers.ask(at, request.clone());
        let before = self.written(kept).await;
        let mut asked = request.clone();
        asked.set_field_by_name("validate_only", Value::Bool(true));
        let asked = ask(&asked).await;
        assert_eq!(
            self.written(kept).await,
            before,
            "{at} wrote when only asked"
        );

        let (one, other) = tokio::join!(ask(request), ask(request));
        let answer = match (one, other) {
            (Ok(one), Ok(other)) => {
                assert_eq!(one, other, "{at} at one instant");
                Ok(one)
            }
            (Ok(record), Err(lost)) | (Err(lost), Ok(record)) => {
                assert!(may_retry(&lost), "{at} at one instant: {lost:?}");
                Ok(record)
            }
            (Err(status), Err(_)) => Err(status),
        };
        let code =
            |answer: &Result<_, Status>| answer.as_ref().err().map(|s| (s.code(), reason(s)));
        assert_eq!(code(&asked), code(&answer), "{at} in earnest, to {request}");
        let after = self.written(kept).await;
        let Ok(record) = answer else {
            assert_eq!(after, before, "{at} was refused and wrote");
            return answer;
        };
        assert_ne!(after, before, "{at} succeeded and wrote nothing");

        let again = ask(request).await;
        assert_eq!(again.as_ref().ok(), Some(&record), "{at} again: {again:?}");
        let refused = ask(&self.another(at, request)).await.unwrap_err();
        let reused = (Code::InvalidArgument, "REQUEST_ID_REUSED".to_owned());
        assert_eq!(
            (refused.code(), reason(&refused)),
            reused,
            "{at}: {refused:?}"
        );
        assert_eq!(self.written(kept).await, after, "{at} wrote again");
        let name = record.get_field_by_name("name").unwrap();
        let stored = self.get(kept, name.as_str().unwrap()).await;
        assert_eq!(stored, record, "{at} answered what is not stored");
        let done = (at.clone(), request.clone(), record.clone());
        self.answered.push(done);
        let mut seen = self.ledgers.seen();
        seen.looked_at.insert(at.method.full_name().to_owned());
        Ok(record)
    }

    /// Whatever happened since, a retry tells what its call did, and writes nothing.
    pub(super) async fn retries(&self) {
        let before = self.written_in_all().await;
        for (at, request, first) in &self.answered {
            let again = self.ledgers.ask(at, request.clone()).await;
            let again = again.unwrap_or_else(|status| panic!("{at} later: {status:?}"));
            // What is shown with a record may have changed; the record has not.
            for field in ["name", "etag", "update_time"] {
                let told = |record: &DynamicMessage| {
                    let value = record.get_field_by_name(field);
                    value.map(Cow::into_owned)
                };
                assert_eq!(told(&again), told(first), "{at} later");
            }
        }
        assert_eq!(self.written_in_all().await, before);
    }

    async fn written_in_all(&self) -> Vec<(i64, i64)> {
        join_all(self.ledgers.kept.iter().map(|kept| self.written(kept))).await
    }

    /// A request that differs from another one.
    fn another(&self, at: &Walked, request: &DynamicMessage) -> DynamicMessage {
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

    /// How much the service has stored of the office: records, and entries of the history.
    async fn written(&self, kept: &Kept) -> (i64, i64) {
        let (_, office) = self.name.split_once('/').unwrap();
        let count =
            |table: &str| format!("(SELECT COUNT(*) FROM {table} WHERE office = '{office}')");
        let records: Vec<String> = kept
            .role
            .kinds
            .iter()
            .map(|kind| count(kind.table()))
            .collect();
        let sql = format!("SELECT {}, {}", records.join(" + "), count("history"));
        let rows = query(&self.ledgers.databases[kept.role.name], &sql).await;
        let number = |i| rows[0].try_get_by_index(i).unwrap();
        (number(0), number(1))
    }
}
