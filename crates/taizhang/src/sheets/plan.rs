//! The calls that make a record what its row tells: its creation, the steps to its state, the entries
//! of its lists.

use std::collections::{BTreeMap, VecDeque};

use prost::Message;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, ReflectMessage,
    Value,
};
use prost_types::Any;
use taizhang_contracts::batch::BatchCall;

use super::cells::Shape;
use super::columns::{Column, dotted, get, put};
use super::hints;
use super::record::Record;
use super::steps::{Entry, Fill, Route, Step};

/// What is said of a cell that does not go with the state.
const NOT_SO: &str = "与状态不符，不能填写";

/// A cell that keeps a row from being loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    /// Its column; the whole row if none.
    pub column: Option<usize>,
    /// What is wrong, in Chinese.
    pub why: String,
}

/// One call of a row.
#[derive(Debug, Clone)]
pub struct Call {
    /// The step that it is; none if it creates the record.
    pub step: Option<usize>,
    /// The call.
    pub call: BatchCall,
}
/// The calls that make a record what its row tells, by the shortest way that the row can fill.
///
/// # Errors
/// The cell that says otherwise, or that is missing.
pub fn plan(record: &Record, row: &DynamicMessage, name: &str) -> Result<Vec<Call>, Bad> {
    let create = Call {
        step: None,
        call: create(record, row, name),
    };
    let Some(machine) = &record.machine else {
        let walk = Walk::new(record, row, name, &[])?;
        return walk.finish(vec![create], "");
    };
    let told = told_state(record, row);
    let state = told.as_ref().map_or(machine.initial, |(name, _)| name);
    let mut first = None;
    for route in record.routes.iter().filter(|route| route.to == state) {
        match follow(record, row, name, route, create.clone()) {
            Ok(calls) => return Ok(calls),
            Err(bad) => first = first.or(Some(bad)),
        }
    }
    Err(first.unwrap_or_else(|| {
        let term = told.map(|(_, term)| term).unwrap_or_default();
        Bad {
            column: record.state_column(),
            why: format!("不能直接导入为“{term}”"),
        }
    }))
}

/// The state that a row tells, by its name and its term.
fn told_state(record: &Record, row: &DynamicMessage) -> Option<(String, String)> {
    let column = record.columns.get(record.state_column()?)?;
    let Shape::Choice(values) = &column.shape else {
        return None;
    };
    let number = column.get(row)?.as_enum_number()?;
    let mut values = values.iter();
    let (_, name, term) = values.find(|(value, ..)| *value == number)?;
    Some((name.clone(), term.clone()))
}

fn follow(
    record: &Record,
    row: &DynamicMessage,
    name: &str,
    route: &Route,
    create: Call,
) -> Result<Vec<Call>, Bad> {
    let initial = record
        .machine
        .as_ref()
        .map_or("", |machine| machine.initial);
    let mut walk = Walk::new(record, row, name, &route.steps)?;
    let mut calls = vec![create];
    let mut state = initial;
    for step in &route.steps {
        calls.extend(walk.add(state));
        calls.push(walk.take(*step)?);
        if let Some(to) = record.steps.get(*step).and_then(|step| step.to) {
            state = to;
        }
    }
    let calls = walk.finish(calls, state)?;
    // A way that leaves out what the row tells is not the one that the record went.
    match record
        .columns
        .iter()
        .position(|column| untold(record, row, route, column))
    {
        Some(column) => Err(Bad {
            column: Some(column),
            why: NOT_SO.into(),
        }),
        None => Ok(calls),
    }
}

/// Whether a row has something in a column that no method of a route is told.
fn untold(record: &Record, row: &DynamicMessage, route: &Route, column: &Column) -> bool {
    let told = |step: &Step| step.tells(&column.path);
    let mut steps = route.steps.iter().filter_map(|i| record.steps.get(*i));
    column.set_by_methods
        && !column.is_state()
        && column.get(row).is_some_and(|value| is_given(&value))
        && !steps.any(told)
        // Whatever adds to a list was called, or the list would have been left over.
        && !record.steps.iter().any(|step| step.entry.is_some() && told(step))
}

/// A record on its way.
struct Walk<'r> {
    record: &'r Record,
    row: &'r DynamicMessage,
    name: &'r str,
    /// What is still to be added to each list.
    lists: BTreeMap<String, VecDeque<Value>>,
    /// The day of each step.
    days: BTreeMap<usize, Value>,
}

impl<'r> Walk<'r> {
    fn new(
        record: &'r Record,
        row: &'r DynamicMessage,
        name: &'r str,
        route: &[usize],
    ) -> Result<Self, Bad> {
        let mut lists = BTreeMap::new();
        for entry in record.steps.iter().filter_map(|step| step.entry.as_ref()) {
            let value = row.get_field(&entry.list);
            let values = value.as_list().unwrap_or_default();
            let values: VecDeque<_> = values.iter().cloned().collect();
            lists.insert(entry.list.name().to_owned(), values);
        }
        Ok(Self {
            days: days(record, row, route, &lists)?,
            record,
            row,
            name,
            lists,
        })
    }

    /// Adds to the lists what can be added in this state.
    fn add(&mut self, state: &str) -> Vec<Call> {
        let mut calls = Vec::new();
        for (i, step) in self.record.steps.iter().enumerate() {
            let Some(entry) = step.entry.as_ref().filter(|_| step.to.is_none()) else {
                continue;
            };
            if !step.from.contains(&state) && self.record.machine.is_some() {
                continue;
            }
            let list = self.lists.get_mut(entry.list.name());
            let list = list.map(std::mem::take).unwrap_or_default();
            let (last, others): (Vec<_>, Vec<_>) = list.into_iter().partition(is_final);
            for value in others {
                let mut request = self.request(step);
                entry.fill(&mut request, value);
                calls.push(called(Some(i), step, &request));
            }
            self.lists.insert(entry.list.name().to_owned(), last.into());
        }
        calls
    }

    /// Takes the record on.
    fn take(&mut self, i: usize) -> Result<Call, Bad> {
        let Some(step) = self.record.steps.get(i) else {
            return Err(self.missing(&[]));
        };
        let mut request = self.request(step);
        let list = step.entry.as_ref();
        let last = list.and_then(|entry| self.lists.get_mut(entry.list.name())?.pop_back());
        if let (Some(entry), Some(last)) = (list, last) {
            entry.fill(&mut request, last);
        } else {
            for fill in &step.fills {
                let value = match get(self.row, &fill.from) {
                    Some(value) if is_given(&value) => Some(value),
                    _ if is_day(fill) => self.days.get(&i).cloned(),
                    _ => None,
                };
                match value {
                    Some(value) if !fill.again || fill.required || came_about(&value) => {
                        put(&mut request, &fill.to, value);
                    }
                    None if fill.required => return Err(self.missing(&fill.from)),
                    _ => {}
                }
            }
        }
        if let Some(whole) = list.and_then(|entry| entry.whole.as_ref())
            && let Value::Message(entry) = request.get_field_mut(whole)
            && entry.descriptor().get_field_by_name(hints::FINAL).is_some()
        {
            entry.set_field_by_name(hints::FINAL, Value::Bool(true));
        }
        Ok(called(Some(i), step, &request))
    }

    /// Adds what is left; everything must have found its place.
    fn finish(mut self, mut calls: Vec<Call>, state: &str) -> Result<Vec<Call>, Bad> {
        calls.extend(self.add(state));
        match self.lists.iter().find(|(_, list)| !list.is_empty()) {
            None => Ok(calls),
            Some((list, _)) => Err(Bad {
                column: self.record.column_of(list),
                why: NOT_SO.into(),
            }),
        }
    }

    fn request(&self, step: &Step) -> DynamicMessage {
        let mut request = DynamicMessage::new(step.method.input());
        request.set_field_by_name("name", Value::String(self.name.to_owned()));
        request
    }

    fn missing(&self, path: &[FieldDescriptor]) -> Bad {
        missing(self.record, self.row, path)
    }
}

impl Entry {
    fn fill(&self, request: &mut DynamicMessage, value: Value) {
        match (&self.whole, value) {
            (Some(whole), value) => request.set_field(whole, value),
            (None, Value::Message(entry)) => {
                for (part, to) in &self.parts {
                    if entry.has_field(part) {
                        request.set_field(to, entry.get_field(part).into_owned());
                    }
                }
            }
            _ => {}
        }
    }
}

/// The day of each step of a route. One that the row leaves open is that of the step before it, or
/// else of the one after it; but the day of the last one is what the record is counted by.
fn days(
    record: &Record,
    row: &DynamicMessage,
    route: &[usize],
    lists: &BTreeMap<String, VecDeque<Value>>,
) -> Result<BTreeMap<usize, Value>, Bad> {
    let mut days = BTreeMap::new();
    let mut open = Vec::new();
    let mut before = None;
    for (at, i) in route.iter().enumerate() {
        let step = record.steps.get(*i);
        let fill = step.and_then(|step| step.fills.iter().find(|fill| is_day(fill)));
        let Some(fill) = fill else { continue };
        let listed = step.and_then(|step| lists.get(step.entry.as_ref()?.list.name()));
        match get(row, &fill.from) {
            Some(day) => {
                for i in open.drain(..) {
                    days.insert(i, day.clone());
                }
                days.insert(*i, day.clone());
                before = Some(day);
            }
            // The entry has its own.
            None if listed.is_some_and(|list| !list.is_empty()) => {}
            None if at + 1 == route.len() => return Err(missing(record, row, &fill.from)),
            None => match &before {
                Some(day) => {
                    days.insert(*i, day.clone());
                }
                None => open.push(*i),
            },
        }
    }
    Ok(days)
}

fn missing(record: &Record, row: &DynamicMessage, path: &[FieldDescriptor]) -> Bad {
    let state = told_state(record, row).map(|(_, term)| term);
    let column = record.column_of(&dotted(path));
    let header = column.and_then(|i| record.columns.get(i));
    let header = header.map_or("", |column| column.header.as_str());
    Bad {
        column: column.or(record.state_column()),
        why: format!("状态为“{}”时必须填写{header}", state.unwrap_or_default()),
    }
}

/// The call that creates a record, without what only methods set.
fn create(record: &Record, row: &DynamicMessage, name: &str) -> BatchCall {
    let mut body = row.clone();
    let columns = record.columns.iter().filter(|column| column.set_by_methods);
    for field in columns.filter_map(|column| column.path.first()) {
        body.clear_field(field);
    }
    let mut request = DynamicMessage::new(record.create.input());
    let mut parts = name.rsplitn(3, '/');
    let id = parts.next().unwrap_or_default();
    let parent = parts.nth(1).unwrap_or_default();
    request.set_field_by_name("parent", Value::String(parent.to_owned()));
    let id_field = format!("{}_id", record.field.name());
    request.set_field_by_name(&id_field, Value::String(id.to_owned()));
    request.set_field(&record.field, Value::Message(body));
    batch_call(&record.create, &request)
}

fn called(step: Option<usize>, of: &Step, request: &DynamicMessage) -> Call {
    Call {
        step,
        call: batch_call(&of.method, request),
    }
}

fn batch_call(method: &MethodDescriptor, request: &DynamicMessage) -> BatchCall {
    let service = method.parent_service();
    BatchCall {
        method: format!("{}/{}", service.full_name(), method.name()),
        request: Some(Any {
            type_url: format!("type.googleapis.com/{}", method.input().full_name()),
            value: request.encode_to_vec(),
        }),
    }
}

fn is_day(fill: &Fill) -> bool {
    let day = |kind: Kind| {
        let message = kind.as_message().map(MessageDescriptor::full_name);
        message == Some("taizhang.common.v1.Date")
    };
    fill.to.last().is_some_and(|field| day(field.kind()))
}

fn is_given(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty(),
        Value::List(entries) => !entries.is_empty(),
        Value::EnumNumber(number) | Value::I32(number) => *number != 0,
        Value::I64(number) => *number != 0,
        Value::Bool(value) => *value,
        _ => true,
    }
}

/// Whether an entry says that it is the last one.
fn is_final(value: &Value) -> bool {
    says(value, hints::FINAL)
}

/// Whether a list tells what came about.
fn came_about(value: &Value) -> bool {
    let entries = value.as_list().unwrap_or_default();
    entries.iter().any(|entry| says(entry, hints::CAME_ABOUT))
}

fn says(value: &Value, what: &str) -> bool {
    let says = value.as_message().and_then(|m| m.get_field_by_name(what));
    says.and_then(|value| value.as_bool()).unwrap_or(false)
}
