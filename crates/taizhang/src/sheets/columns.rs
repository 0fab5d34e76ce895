//! The columns of a kind of record, from the descriptor of its message.

use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, Value};

use super::cells::{Place, Shape};
use super::terms;

/// Between the terms of a message and of its field.
const OF: &str = "·";

/// Fields that the service sets for every record.
const COMMON: &[&str] = &["create_time", "update_time", "delete_time", "etag"];

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    /// What stands above it: the office's terms, such as `来源·来源类型`.
    pub header: String,
    /// The field, from the record inwards.
    pub path: Vec<FieldDescriptor>,
    /// What its cells hold.
    pub shape: Shape,
    /// Whether every row must fill it in.
    pub required: bool,
    /// Whether only methods set it, not who creates the record.
    pub set_by_methods: bool,
}

impl Column {
    /// The field's path, such as `source.kind`.
    pub fn dotted(&self) -> String {
        dotted(&self.path)
    }

    /// Whether it is the state.
    pub fn is_state(&self) -> bool {
        matches!(self.path.as_slice(), [field] if field.name() == "state")
    }

    /// The value in a record; none where there is nothing to show.
    pub fn get(&self, record: &DynamicMessage) -> Option<Value> {
        get(record, &self.path)
    }

    /// What its cell shows of a record.
    pub fn show(&self, record: &DynamicMessage, place: &Place) -> String {
        let value = self.get(record);
        value.map_or_else(String::new, |value| self.shape.show(&value, place))
    }

    /// Puts a value into a record.
    pub fn put(&self, record: &mut DynamicMessage, value: Value) {
        put(record, &self.path, value);
    }
}

/// The columns of a record. `reached` tells whether a row can say what stands in a field that only
/// methods set.
pub(super) fn columns(
    record: &MessageDescriptor,
    collection: &str,
    reached: &dyn Fn(&[FieldDescriptor]) -> bool,
) -> Vec<Column> {
    let mut columns = Vec::new();
    for field in record.fields() {
        let term = terms::of_field(&field);
        match field.name() {
            name if COMMON.contains(&name) => {}
            "name" => columns.push(Column {
                header: "编号".into(),
                path: vec![field],
                shape: Shape::Id(collection.to_owned()),
                required: false,
                set_by_methods: false,
            }),
            _ => add(&mut columns, vec![field], term, true, reached),
        }
    }
    columns
}

fn add(
    columns: &mut Vec<Column>,
    path: Vec<FieldDescriptor>,
    term: String,
    required: bool,
    reached: &dyn Fn(&[FieldDescriptor]) -> bool,
) {
    let Some(field) = path.last() else { return };
    let rule = terms::rule(field);
    let set_by_methods = path.iter().any(|field| terms::rule(field).output_only);
    if set_by_methods && !reached(&path) {
        return;
    }
    let required = required && rule.required && !set_by_methods;
    if let Some(shape) = Shape::of(field) {
        let header = match &shape {
            Shape::Money => format!("{}（元）", term.trim_end_matches("，分")),
            _ => term,
        };
        columns.push(Column {
            header,
            path,
            shape,
            required,
            set_by_methods,
        });
    } else if let Some(message) = field.kind().as_message().filter(|_| !field.is_list()) {
        for inner in message.fields() {
            let term = format!("{term}{OF}{}", terms::of_field(&inner));
            let path = path.iter().cloned().chain([inner]).collect();
            add(columns, path, term, required, reached);
        }
    }
}

/// A path of fields, such as `source.kind`.
pub(super) fn dotted(path: &[FieldDescriptor]) -> String {
    let names: Vec<_> = path.iter().map(FieldDescriptor::name).collect();
    names.join(".")
}

/// The value at a path; none if a message or a day on the way is not there.
pub(super) fn get(record: &DynamicMessage, path: &[FieldDescriptor]) -> Option<Value> {
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

/// Puts a value at a path, and the messages on the way.
pub(super) fn put(record: &mut DynamicMessage, path: &[FieldDescriptor], value: Value) {
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
                put(inner, rest, value);
            }
        }
    }
}
