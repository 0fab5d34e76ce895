//! The contracts that every service serves: history and statistics.

use std::sync::Arc;

use prost_reflect::{DynamicMessage, ReflectMessage, SerializeOptions};
use sea_orm::{DbErr, QueryResult};
use taizhang_contracts::common::Period;
use taizhang_contracts::history::history_service_server::{HistoryService, HistoryServiceServer};
use taizhang_contracts::history::{
    FieldChange, HistoryEntry, ListHistoryRequest, ListHistoryResponse,
};
use taizhang_contracts::name::split;
use taizhang_contracts::rules::page_limit;
use taizhang_contracts::statistics::statistics_service_server::{
    StatisticsService, StatisticsServiceServer,
};
use taizhang_contracts::statistics::{
    GatherFiguresRequest, GatherFiguresResponse, ListEvidenceRequest, ListEvidenceResponse,
    ListIndicatorsRequest, ListIndicatorsResponse,
};
use taizhang_contracts::{Context, Error, Result, Violations, date, descriptors};
use tonic::{Request, Response, Status};

use crate::database::refusal;
use crate::figures::{self, Days, Indicator};
use crate::{Kind, Ledger, Moment, page, sql};

/// Serves the history of a service's records.
pub struct History<S> {
    ledger: Ledger<S>,
    kinds: Arc<[Kind]>,
}

impl<S: 'static> History<S> {
    /// The server of the history of these kinds of record.
    pub fn server(ledger: Ledger<S>, kinds: &[Kind]) -> HistoryServiceServer<Self> {
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
            Some([sea_orm::Value::BigInt(Some(version))]) => *version,
            _ => 0,
        };
        let limit = page_limit(q.page_size);
        let statement = sql::record_history(
            self.ledger.backend(),
            &context.office,
            (kind.collection, id),
            after,
            limit + 1,
        );
        let rows = self
            .ledger
            .database
            .reader
            .all(statement)
            .await
            .map_err(refusal)?;
        if rows.is_empty() && after == 0 {
            return Err(Error::not_found(kind.message, q.name.as_str()));
        }
        let more = rows.len() as u64 > limit;
        let shown = rows.len() - usize::from(more);
        let entries = rows
            .iter()
            .take(shown)
            .map(|row| entry(row, &q.name, kind.message))
            .collect::<Result<Vec<_>, _>>()
            .map_err(refusal)?;
        let position = [(after + shown as i64).into()];
        let next_page_token = if more {
            page::token(&self.ledger.key, &binding, &position)
        } else {
            String::new()
        };
        Ok(ListHistoryResponse {
            entries,
            next_page_token,
        })
    }
}

#[tonic::async_trait]
impl<S: 'static> HistoryService for History<S> {
    async fn list_history(
        &self,
        request: Request<ListHistoryRequest>,
    ) -> Result<Response<ListHistoryResponse>, Status> {
        let (context, request) = Context::enter(request)?;
        Ok(Response::new(self.list(&context, &request).await?))
    }
}

fn entry(row: &QueryResult, record: &str, message: &str) -> Result<HistoryEntry, DbErr> {
    let after: Vec<u8> = row.try_get("", "body")?;
    let before: Option<Vec<u8>> = row.try_get("", "before")?;
    let mac: Vec<u8> = row.try_get("", "mac")?;
    let request_id: Option<String> = row.try_get("", "request_id")?;
    Ok(HistoryEntry {
        sequence: row.try_get("", "seq")?,
        record: record.to_owned(),
        method: row.try_get("", "method")?,
        caller: row.try_get("", "caller")?,
        time: Some(date::timestamp(row.try_get("", "time")?)),
        changes: changes(message, &before.unwrap_or_default(), &after),
        request_id: request_id.unwrap_or_default(),
        digest: hex::encode(mac),
    })
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

/// One field of a message as JSON; empty if it holds nothing.
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

/// Serves a service's indicators.
pub struct Statistics<S> {
    ledger: Ledger<S>,
    indicators: Arc<[Indicator<S>]>,
}

impl<S: 'static> Statistics<S> {
    /// The server of these indicators.
    pub fn server(
        ledger: Ledger<S>,
        indicators: Vec<Indicator<S>>,
    ) -> StatisticsServiceServer<Self> {
        StatisticsServiceServer::new(Self {
            ledger,
            indicators: indicators.into(),
        })
    }

    fn find(&self, id: &str) -> Option<&Indicator<S>> {
        self.indicators
            .iter()
            .find(|indicator| indicator.id() == id)
    }

    async fn gather(
        &self,
        context: &Context,
        q: &GatherFiguresRequest,
    ) -> Result<GatherFiguresResponse> {
        let days = days(q.period.as_ref(), self.ledger.moment())?;
        let mut wanted: Vec<&Indicator<S>> = Vec::new();
        let mut v = Violations::default();
        for (i, id) in q.indicators.iter().enumerate() {
            match self.find(id) {
                Some(indicator) => wanted.push(indicator),
                None => v.item("indicators", i, |v| unknown(v, id)),
            }
        }
        v.finish()?;
        if q.indicators.is_empty() {
            wanted = self.indicators.iter().collect();
        }
        figures::gather(&self.ledger, context, days, &wanted).await
    }

    async fn evidence(
        &self,
        context: &Context,
        q: &ListEvidenceRequest,
    ) -> Result<ListEvidenceResponse> {
        let days = days(q.period.as_ref(), self.ledger.moment())?;
        let mut v = Violations::default();
        let indicator = self.find(&q.indicator);
        if indicator.is_none() {
            v.within("indicator", |v| unknown(v, &q.indicator));
        }
        v.finish()?;
        let Some(indicator) = indicator else {
            return Ok(ListEvidenceResponse::default());
        };
        figures::evidence(&self.ledger, &context.office, days, indicator, q).await
    }
}

fn unknown(v: &mut Violations, id: &str) {
    v.add(
        "",
        format!("没有指标{id}"),
        format!("there is no indicator {id}"),
    );
}

fn days(period: Option<&Period>, at: Moment) -> Result<Days> {
    let (first, last) = period
        .and_then(Period::days)
        .ok_or_else(|| Violations::of("period", "必填", "is required"))?;
    let today = at.today();
    Ok(Days { first, last, today })
}

#[tonic::async_trait]
impl<S: 'static> StatisticsService for Statistics<S> {
    async fn list_indicators(
        &self,
        request: Request<ListIndicatorsRequest>,
    ) -> Result<Response<ListIndicatorsResponse>, Status> {
        Context::enter(request)?;
        let indicators = self.indicators.iter().map(Indicator::message).collect();
        Ok(Response::new(ListIndicatorsResponse { indicators }))
    }

    async fn gather_figures(
        &self,
        request: Request<GatherFiguresRequest>,
    ) -> Result<Response<GatherFiguresResponse>, Status> {
        let (context, request) = Context::enter(request)?;
        Ok(Response::new(self.gather(&context, &request).await?))
    }

    async fn list_evidence(
        &self,
        request: Request<ListEvidenceRequest>,
    ) -> Result<Response<ListEvidenceResponse>, Status> {
        let (context, request) = Context::enter(request)?;
        Ok(Response::new(self.evidence(&context, &request).await?))
    }
}
