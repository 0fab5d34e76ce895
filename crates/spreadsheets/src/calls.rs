//! The calls that create the record of a row, take it to its state, and add the entries of its lists.

use std::collections::{BTreeMap, VecDeque};

use prost::Message;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, ReflectMessage,
    Value,
};
use prost_types::Any;
use taizhang_contracts::batch::BatchCall;

use crate::cells::CellType;
use crate::columns::{Column, dotted, get, set};
use crate::hints;
use crate::sheet::Sheet;
use crate::steps::{Entry, Fill, Route, Step};

/// The error of a cell that does not go with the state.
const WRONG_STATE: &str = "与状态不符，不能填写";

/// A cell that keeps a row from being imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CellError {
    /// The index of its column in the sheet; `None` for the whole row.
    pub(crate) column: Option<usize>,
    /// What is wrong, in Chinese.
    pub(crate) reason: String,
}

/// One call of a row.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The index of its step in the sheet; `None` if the call creates the record.
    pub(crate) step: Option<usize>,
    /// The call.
    pub(crate) call: BatchCall,
}

/// The calls that turn a row into a record of this name, by the shortest route for which the row has
/// everything. `row` is the record's message as the cells have filled it in.
///
/// # Errors
/// The cell that no route uses, or that is missing.
pub(crate) fn calls(
    sheet: &Sheet,
    row: &DynamicMessage,
    name: &str,
) -> Result<Vec<Call>, CellError> {
    let create = Call {
        step: None,
        call: create(sheet, row, name),
    };
    let Some(machine) = &sheet.machine else {
        let builder = Builder::new(sheet, row, name, &[])?;
        return builder.finish(vec![create], "");
    };
    let given = given_state(sheet, row);
    let state = given.as_ref().map_or(machine.initial, |(name, _)| name);
    let mut first = None;
    for route in sheet.routes.iter().filter(|route| route.to == state) {
        match follow(sheet, row, name, route, create.clone()) {
            Ok(calls) => return Ok(calls),
            Err(bad) => first = first.or(Some(bad)),
        }
    }
    Err(first.unwrap_or_else(|| {
        let term = given.map(|(_, term)| term).unwrap_or_default();
        CellError {
            column: sheet.state_column(),
            reason: format!("不能直接导入为“{term}”"),
        }
    }))
}

/// The state that a row gives: its name and its term.
fn given_state(sheet: &Sheet, row: &DynamicMessage) -> Option<(String, String)> {
    let column = sheet.columns.get(sheet.state_column()?)?;
    let CellType::Choice(values) = &column.cell_type else {
        return None;
    };
    let number = column.get(row)?.as_enum_number()?;
    let mut values = values.iter();
    let (_, name, term) = values.find(|(value, ..)| *value == number)?;
    Some((name.clone(), term.clone()))
}

fn follow(
    sheet: &Sheet,
    row: &DynamicMessage,
    name: &str,
    route: &Route,
    create: Call,
) -> Result<Vec<Call>, CellError> {
    let initial = sheet.machine.as_ref().map_or("", |machine| machine.initial);
    let mut builder = Builder::new(sheet, row, name, &route.steps)?;
    let mut calls = vec![create];
    let mut state = initial;
    for step in &route.steps {
        calls.extend(builder.add_entries(state));
        calls.push(builder.step(*step)?);
        if let Some(to) = sheet.steps.get(*step).and_then(|step| step.to) {
            state = to;
        }
    }
    let calls = builder.finish(calls, state)?;
    // If the route ignores something that the row gives, the record went another route.
    match sheet
        .columns
        .iter()
        .position(|column| is_ignored(sheet, row, route, column))
    {
        Some(column) => Err(CellError {
            column: Some(column),
            reason: WRONG_STATE.into(),
        }),
        None => Ok(calls),
    }
}

/// Whether a row gives something that no step of a route takes.
fn is_ignored(sheet: &Sheet, row: &DynamicMessage, route: &Route, column: &Column) -> bool {
    let takes = |step: &Step| step.takes(&column.path);
    let mut steps = route.steps.iter().filter_map(|i| sheet.steps.get(*i));
    column.set_by_methods
        && !column.is_state()
        && column.get(row).is_some_and(|value| is_given(&value))
        && !steps.any(takes)
        // Entries of a list that nothing adds are an error of their own.
        && !sheet.steps.iter().any(|step| step.entry.is_some() && takes(step))
}

/// Builds the calls of one record along a route.
struct Builder<'r> {
    sheet: &'r Sheet,
    row: &'r DynamicMessage,
    name: &'r str,
    /// The entries that are still to be added to each list.
    lists: BTreeMap<String, VecDeque<Value>>,
    /// The day of each step, by its index.
    days: BTreeMap<usize, Value>,
}

impl<'r> Builder<'r> {
    fn new(
        sheet: &'r Sheet,
        row: &'r DynamicMessage,
        name: &'r str,
        route: &[usize],
    ) -> Result<Self, CellError> {
        let mut lists = BTreeMap::new();
        for entry in sheet.steps.iter().filter_map(|step| step.entry.as_ref()) {
            let value = row.get_field(&entry.list);
            let values = value.as_list().unwrap_or_default();
            let values: VecDeque<_> = values.iter().cloned().collect();
            lists.insert(entry.list.name().to_owned(), values);
        }
        Ok(Self {
            days: days(sheet, row, route, &lists)?,
            sheet,
            row,
            name,
            lists,
        })
    }

    /// The calls that add to the lists what can be added in this state.
    fn add_entries(&mut self, state: &str) -> Vec<Call> {
        let mut calls = Vec::new();
        for (i, step) in self.sheet.steps.iter().enumerate() {
            let Some(entry) = step.entry.as_ref().filter(|_| step.to.is_none()) else {
                continue;
            };
            if !step.from.contains(&state) && self.sheet.machine.is_some() {
                continue;
            }
            let list = self.lists.get_mut(entry.list.name());
            let list = list.map(std::mem::take).unwrap_or_default();
            let (last, others): (Vec<_>, Vec<_>) = list.into_iter().partition(is_final);
            for value in others {
                let mut request = self.request(step);
                entry.fill(&mut request, value);
                calls.push(step_call(Some(i), step, &request));
            }
            self.lists.insert(entry.list.name().to_owned(), last.into());
        }
        calls
    }

    /// The call of a step.
    fn step(&mut self, i: usize) -> Result<Call, CellError> {
        let Some(step) = self.sheet.steps.get(i) else {
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
                    Some(value)
                        if !fill.is_set_on_create || fill.required || is_present(&value) =>
                    {
                        set(&mut request, &fill.to, value);
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
        Ok(step_call(Some(i), step, &request))
    }

    /// Adds the calls for the entries that are left; in this state all must find a method.
    fn finish(mut self, mut calls: Vec<Call>, state: &str) -> Result<Vec<Call>, CellError> {
        calls.extend(self.add_entries(state));
        match self.lists.iter().find(|(_, list)| !list.is_empty()) {
            None => Ok(calls),
            Some((list, _)) => Err(CellError {
                column: self.sheet.column_of(list),
                reason: WRONG_STATE.into(),
            }),
        }
    }

    fn request(&self, step: &Step) -> DynamicMessage {
        let mut request = DynamicMessage::new(step.method.input());
        request.set_field_by_name("name", Value::String(self.name.to_owned()));
        request
    }

    fn missing(&self, path: &[FieldDescriptor]) -> CellError {
        missing(self.sheet, self.row, path)
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

/// The day of each step of a route. If the row does not give it, it is that of the step before, or
/// else of the one after. The day of the last step must be given: figures count the record by it.
fn days(
    sheet: &Sheet,
    row: &DynamicMessage,
    route: &[usize],
    lists: &BTreeMap<String, VecDeque<Value>>,
) -> Result<BTreeMap<usize, Value>, CellError> {
    let mut days = BTreeMap::new();
    let mut without = Vec::new();
    let mut before = None;
    for (at, i) in route.iter().enumerate() {
        let step = sheet.steps.get(*i);
        let fill = step.and_then(|step| step.fills.iter().find(|fill| is_day(fill)));
        let Some(fill) = fill else { continue };
        let listed = step.and_then(|step| lists.get(step.entry.as_ref()?.list.name()));
        match get(row, &fill.from) {
            Some(day) => {
                for i in without.drain(..) {
                    days.insert(i, day.clone());
                }
                days.insert(*i, day.clone());
                before = Some(day);
            }
            // The entry has a day of its own.
            None if listed.is_some_and(|list| !list.is_empty()) => {}
            None if at + 1 == route.len() => return Err(missing(sheet, row, &fill.from)),
            None => match &before {
                Some(day) => {
                    days.insert(*i, day.clone());
                }
                None => without.push(*i),
            },
        }
    }
    Ok(days)
}

fn missing(sheet: &Sheet, row: &DynamicMessage, path: &[FieldDescriptor]) -> CellError {
    let state = given_state(sheet, row).map(|(_, term)| term);
    let column = sheet.column_of(&dotted(path));
    let header = column.and_then(|i| sheet.columns.get(i));
    let header = header.map_or("", |column| column.header.as_str());
    CellError {
        column: column.or(sheet.state_column()),
        reason: format!("状态为“{}”时必须填写{header}", state.unwrap_or_default()),
    }
}

/// The call that creates a record, without its output-only fields.
fn create(sheet: &Sheet, row: &DynamicMessage, name: &str) -> BatchCall {
    let mut body = row.clone();
    let columns = sheet.columns.iter().filter(|column| column.set_by_methods);
    for field in columns.filter_map(|column| column.path.first()) {
        body.clear_field(field);
    }
    let mut request = DynamicMessage::new(sheet.create.input());
    let mut parts = name.rsplitn(3, '/');
    let id = parts.next().unwrap_or_default();
    let parent = parts.nth(1).unwrap_or_default();
    request.set_field_by_name("parent", Value::String(parent.to_owned()));
    let id_field = format!("{}_id", sheet.field.name());
    request.set_field_by_name(&id_field, Value::String(id.to_owned()));
    request.set_field(&sheet.field, Value::Message(body));
    batch_call(&sheet.create, &request)
}

fn step_call(step: Option<usize>, of: &Step, request: &DynamicMessage) -> Call {
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

/// Whether an entry is marked as the final one.
fn is_final(value: &Value) -> bool {
    is_true(value, hints::FINAL)
}

/// Whether any entry of a list is marked as present.
fn is_present(value: &Value) -> bool {
    let entries = value.as_list().unwrap_or_default();
    entries.iter().any(|entry| is_true(entry, hints::PRESENT))
}

fn is_true(value: &Value, field: &str) -> bool {
    let value = value.as_message().and_then(|m| m.get_field_by_name(field));
    value.and_then(|value| value.as_bool()).unwrap_or(false)
}

#[cfg(test)]
mod tests;
