//! `HistoryService`, one implementation for all services.

use std::sync::Arc;

use prost_reflect::{DynamicMessage, ReflectMessage, SerializeOptions};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Value};
use taizhang_contracts::history::history_service_server::{
    HistoryService as Api, HistoryServiceServer,
};
use taizhang_contracts::history::{
    FieldChange, HistoryEntry, ListHistoryRequest, ListHistoryResponse,
};
use taizhang_contracts::name::split;
use taizhang_contracts::rules::page_limit;
use taizhang_contracts::{Context, Error, Result, Violations, date, descriptors};
use tonic::{Request, Response, Status};

use crate::database::refusal;
use crate::history;
use crate::{Ledger, RecordKind, page};

/// Serves the history of a service's records.
pub struct HistoryService {
    ledger: Ledger,
    kinds: Arc<[RecordKind]>,
}

impl HistoryService {
    /// The server of the history of these kinds of record.
    pub fn server(ledger: Ledger, kinds: &[RecordKind]) -> HistoryServiceServer<Self> {
        HistoryServiceServer::new(Self {
            ledger,
            kinds: kinds.into(),
        })
    }

    async fn list(&self, context: &Context, q: &ListHistoryRequest) -> Result<ListHistoryResponse> {
        let (kind, id) = split(&q.name)
            .and_then(|(_, collection, id)| {
                let kind = self.kinds.iter().find(|k| k.collection == collection)?;
                let id = if kind.singleton { kind.collection } else { id? };
                Some((kind, id))
            })
            .ok_or_else(|| {
                Violations::of(
                    "name",
                    "不是本服务的记录",
                    "is not a record of this service",
                )
            })?;
        let binding = ["history", q.name.as_str()];
        let after = match page::position(&self.ledger.key, &binding, &q.page_token)?.as_deref() {
            Some([Value::BigInt(Some(version))]) => *version,
            _ => 0,
        };
        let limit = page_limit(q.page_size);
        // The version before the first one of the page is read too, to compare with.
        let versions = history::Entity::find()
            .filter(history::Column::Office.eq(context.office.id()))
            .filter(history::Column::Collection.eq(kind.collection))
            .filter(history::Column::Id.eq(id))
            .filter(history::Column::Version.gte(after))
            .order_by_asc(history::Column::Version)
            .limit(limit + 2)
            .all(&self.ledger.database.reader);
        let mut versions = versions.await.map_err(refusal)?.into_iter().peekable();
        let mut before = versions
            .next_if(|entry| entry.version <= after)
            .map(|entry| entry.body)
            .unwrap_or_default();
        if versions.peek().is_none() && after == 0 {
            return Err(Error::not_found(kind.message, q.name.as_str()));
        }
        let mut entries = Vec::new();
        let mut last = after;
        while entries.len() as u64 != limit
            && let Some(version) = versions.next()
        {
            last = version.version;
            entries.push(entry(&version, &before, &q.name, kind.message));
            before = version.body;
        }
        let next_page_token = match versions.peek() {
            Some(_) => page::token(&self.ledger.key, &binding, &[last.into()]),
            None => String::new(),
        };
        Ok(ListHistoryResponse {
            entries,
            next_page_token,
        })
    }
}

#[tonic::async_trait]
impl Api for HistoryService {
    async fn list_history(
        &self,
        request: Request<ListHistoryRequest>,
    ) -> Result<Response<ListHistoryResponse>, Status> {
        let (context, request) = Context::enter(request)?;
        Ok(Response::new(self.list(&context, &request).await?))
    }
}

fn entry(entry: &history::Model, before: &[u8], record: &str, message: &str) -> HistoryEntry {
    HistoryEntry {
        sequence: entry.seq,
        record: record.to_owned(),
        method: entry.method.clone(),
        caller: entry.caller.clone(),
        time: Some(date::timestamp(entry.time)),
        changes: changes(message, before, &entry.body),
        request_id: entry.request_id.clone().unwrap_or_default(),
        digest: hex::encode(&entry.mac),
    }
}

/// The fields in which two versions of a record differ, as JSON.
fn changes(message: &str, before: &[u8], after: &[u8]) -> Vec<FieldChange> {
    let Some(descriptor) = descriptors::pool().get_message_by_name(message) else {
        return Vec::new();
    };
    let decode = |bytes| DynamicMessage::decode(descriptor.clone(), bytes).ok();
    let (Some(before), Some(after)) = (decode(before), decode(after)) else {
        return Vec::new();
    };
    descriptor
        .fields()
        .filter(|field| !matches!(field.name(), "etag" | "update_time"))
        .filter(|field| before.get_field(field) != after.get_field(field))
        .map(|field| FieldChange {
            field: field.name().to_owned(),
            from: json(&before, &field),
            to: json(&after, &field),
        })
        .collect()
}

/// One field of a message as JSON; empty if it is not set.
fn json(message: &DynamicMessage, field: &prost_reflect::FieldDescriptor) -> String {
    if !message.has_field(field) {
        return String::new();
    }
    let mut alone = DynamicMessage::new(message.descriptor());
    alone.set_field(field, message.get_field(field).into_owned());
    let options = SerializeOptions::new().use_proto_field_name(true);
    alone
        .serialize_with_options(serde_json::value::Serializer, &options)
        .ok()
        .and_then(|json| json.get(field.name()).map(ToString::to_string))
        .unwrap_or_default()
}
