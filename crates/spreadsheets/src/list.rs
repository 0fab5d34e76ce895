//! Lists records, and the message of a refusal.

use prost_reflect::{DynamicMessage, Value};
use taizhang_client::{AuthorizedChannel, unary};
use tonic::Status;
use tonic_types::StatusExt;

use crate::sheet::Sheet;

/// One page of the records of an office, and the token of the next page; empty on the last one.
pub(crate) async fn list(
    channel: &AuthorizedChannel,
    sheet: &Sheet,
    office: &str,
    filter: &str,
    show_deleted: bool,
    page_token: &str,
) -> Result<(Vec<Value>, String), Status> {
    let mut request = DynamicMessage::new(sheet.list.input());
    request.set_field_by_name("parent", Value::String(office.to_owned()));
    request.set_field_by_name("page_size", Value::I32(1000));
    request.set_field_by_name("filter", Value::String(filter.to_owned()));
    request.set_field_by_name("page_token", Value::String(page_token.to_owned()));
    request.set_field_by_name("show_deleted", Value::Bool(show_deleted));
    let mut page = unary(channel, &sheet.list, request).await?;
    let mut records = Vec::new();
    let mut next = String::new();
    for (field, value) in page.take_fields() {
        match value {
            Value::List(entries) if field.kind().as_message() == Some(&sheet.message) => {
                records = entries;
            }
            Value::String(token) if field.name() == "next_page_token" => next = token,
            _ => {}
        }
    }
    Ok((records, next))
}

/// The message of a refusal for a person, in Chinese if the service gave one.
pub(crate) fn message_of(status: &Status) -> String {
    match status.get_details_localized_message() {
        Some(localized) => localized.message,
        None => format!("{}（{:?}）", status.message(), status.code()),
    }
}
