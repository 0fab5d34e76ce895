//! The columns of a sheet, from the descriptor of the record's message.

use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, Value};

use crate::cells::{CellType, OfficeContext};
use taizhang_contracts::terms;

/// Separates the terms of a message and of its field in a header.
const OF: &str = "·";

/// Fields that every record has and that have no column.
const COMMON: &[&str] = &["create_time", "update_time", "delete_time", "etag"];

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its header: the office's terms, such as `来源·来源类型`.
    pub header: String,
    /// The path of its field in the record.
    pub(crate) path: Vec<FieldDescriptor>,
    /// What its cells hold.
    pub cell_type: CellType,
    /// Whether it must be given in every row.
    pub(crate) required: bool,
    /// Whether the field is output-only: set by methods, not when the record is created.
    pub(crate) set_by_methods: bool,
}

impl Column {
    /// The path of its field as text, such as `source.kind`.
    pub fn dotted(&self) -> String {
        dotted(&self.path)
    }

    /// Whether it is the state.
    pub(crate) fn is_state(&self) -> bool {
        matches!(self.path.as_slice(), [field] if field.name() == "state")
    }

    /// The value in a record; `None` if the record does not have it.
    pub(crate) fn get(&self, record: &DynamicMessage) -> Option<Value> {
        get(record, &self.path)
    }

    /// The text of its cell for a record.
    pub fn show(&self, record: &DynamicMessage, context: &OfficeContext) -> String {
        let value = self.get(record);
        value.map_or_else(String::new, |value| self.cell_type.format(&value, context))
    }

    /// Sets its field in a record.
    pub(crate) fn set(&self, record: &mut DynamicMessage, value: Value) {
        set(record, &self.path, value);
    }
}

/// The columns of a kind of record. Of the output-only fields, those have a column for which
/// `is_set_by_row` holds: a method can set them to what the row says.
pub(crate) fn columns(
    record: &MessageDescriptor,
    collection: &str,
    is_set_by_row: &dyn Fn(&[FieldDescriptor]) -> bool,
) -> Vec<Column> {
    let mut columns = Vec::new();
    for field in record.fields() {
        let term = terms::of_field(&field);
        match field.name() {
            name if COMMON.contains(&name) => {}
            "name" => columns.push(Column {
                header: "编号".into(),
                path: vec![field],
                cell_type: CellType::Id(collection.to_owned()),
                required: false,
                set_by_methods: false,
            }),
            _ => add(&mut columns, vec![field], term, true, is_set_by_row),
        }
    }
    columns
}

fn add(
    columns: &mut Vec<Column>,
    path: Vec<FieldDescriptor>,
    term: String,
    required: bool,
    is_set_by_row: &dyn Fn(&[FieldDescriptor]) -> bool,
) {
    let Some(field) = path.last() else { return };
    let rule = terms::rule(field);
    let set_by_methods = path.iter().any(|field| terms::rule(field).output_only);
    if set_by_methods && !is_set_by_row(&path) {
        return;
    }
    let required = required && rule.required && !set_by_methods;
    if let Some(cell_type) = CellType::of(field) {
        let header = match &cell_type {
            CellType::Money => format!("{}（元）", term.trim_end_matches("，分")),
            _ => term,
        };
        columns.push(Column {
            header,
            path,
            cell_type,
            required,
            set_by_methods,
        });
    } else if let Some(message) = field.kind().as_message().filter(|_| !field.is_list()) {
        for inner in message.fields() {
            let term = format!("{term}{OF}{}", terms::of_field(&inner));
            let path = path.iter().cloned().chain([inner]).collect();
            add(columns, path, term, required, is_set_by_row);
        }
    }
}

/// A path of fields as text, such as `source.kind`.
pub(crate) fn dotted(path: &[FieldDescriptor]) -> String {
    let names: Vec<_> = path.iter().map(FieldDescriptor::name).collect();
    names.join(".")
}

/// The value at a path; `None` if a message on the path is not set.
pub(crate) fn get(record: &DynamicMessage, path: &[FieldDescriptor]) -> Option<Value> {
    let (field, rest) = path.split_first()?;
    let is_message = field.kind().as_message().is_some();
    if is_message && !record.has_field(field) {
        return None;
    }
    let value = record.get_field(field);
    match value.as_message() {
        Some(inner) if !rest.is_empty() => get(inner, rest),
        _ => Some(value.into_owned()),
    }
}

/// Sets the value at a path, and the messages on the path if they are not set.
pub(crate) fn set(record: &mut DynamicMessage, path: &[FieldDescriptor], value: Value) {
    match path {
        [] => {}
        [field] => record.set_field(field, value),
        [field, rest @ ..] => {
            if !record.has_field(field)
                && let Some(message) = field.kind().as_message()
            {
                let empty = DynamicMessage::new(message.clone());
                record.set_field(field, Value::Message(empty));
            }
            if let Value::Message(inner) = record.get_field_mut(field) {
                set(inner, rest, value);
            }
        }
    }
}
