//! Calls whose messages are known only from a descriptor.

use prost_reflect::{DynamicMessage, MethodDescriptor, Value};
use tonic::{Request, Status};

use super::record::Record;
use crate::client::{Bearing, Dynamic};

/// One page of a list, and where the next one begins; empty at the end.
pub(super) async fn list(
    channel: &Bearing,
    record: &Record,
    office: &str,
    filter: &str,
    show_deleted: bool,
    page_token: &str,
) -> Result<(Vec<Value>, String), Status> {
    let mut request = DynamicMessage::new(record.list.input());
    request.set_field_by_name("parent", Value::String(office.to_owned()));
    request.set_field_by_name("page_size", Value::I32(1000));
    request.set_field_by_name("filter", Value::String(filter.to_owned()));
    request.set_field_by_name("page_token", Value::String(page_token.to_owned()));
    request.set_field_by_name("show_deleted", Value::Bool(show_deleted));
    let mut page = call(channel, &record.list, request).await?;
    let mut records = Vec::new();
    let mut next = String::new();
    for (field, value) in page.take_fields() {
        match value {
            Value::List(entries) if field.kind().as_message() == Some(&record.message) => {
                records = entries;
            }
            Value::String(token) if field.name() == "next_page_token" => next = token,
            _ => {}
        }
    }
    Ok((records, next))
}

async fn call(
    channel: &Bearing,
    method: &MethodDescriptor,
    message: DynamicMessage,
) -> Result<DynamicMessage, Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client
        .ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let service = method.parent_service();
    let path = format!("/{}/{}", service.full_name(), method.name());
    let path = path.parse().map_err(|_| Status::internal("bad path"))?;
    let codec = Dynamic(method.output());
    let answer = client.unary(Request::new(message), path, codec).await?;
    Ok(answer.into_inner())
}
