//! By which calls a record comes into the state that its row tells. The methods come from the state
//! machines; what they are given comes from the row, by the names of the fields.

use std::collections::{BTreeMap, VecDeque};

use prost::Message;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, ReflectMessage,
    ServiceDescriptor, Value,
};
use prost_types::Any;
use taizhang_contracts::batch::BatchCall;
use taizhang_ledger::transition::Plain;

use super::cells::Shape;
use super::columns::{Column, dotted, get, put};
use super::record::Record;
use super::{hints, terms};

/// What is said of a cell that does not go with the state.
const NOT_SO: &str = "与状态不符，不能填写";

/// What every request of a method has that changes one record.
const COMMON: &[&str] = &["name", "etag", "request_id", "validate_only"];

/// A method, called in some states.
#[derive(Debug, Clone)]
pub struct Step {
    method: MethodDescriptor,
    /// Where it may be called; anywhere if there are no states.
    from: Vec<&'static str>,
    /// Where it leads; none if the state stays.
    to: Option<&'static str>,
    fills: Vec<Fill>,
    entry: Option<Entry>,
}

/// A field of a request that is filled from the record.
#[derive(Debug, Clone)]
struct Fill {
    to: Vec<FieldDescriptor>,
    from: Vec<FieldDescriptor>,
    required: bool,
    /// The record has it since it was created.
    again: bool,
}

/// A request that is one entry of a list of the record.
#[derive(Debug, Clone)]
struct Entry {
    list: FieldDescriptor,
    /// The request's field that is the entry, or the fields that its fields are.
    whole: Option<FieldDescriptor>,
    parts: Vec<(FieldDescriptor, FieldDescriptor)>,
}

/// A way to a state: steps one after another.
#[derive(Debug, Clone)]
pub struct Route {
    /// The state that it leads to.
    pub to: &'static str,
    steps: Vec<usize>,
}

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

impl Step {
    /// Whether a row tells this field to the method.
    pub(super) fn tells(&self, path: &[FieldDescriptor]) -> bool {
        let fills = |fill: &Fill| fill.from.starts_with(path) || path.starts_with(&fill.from);
        let list = self
            .entry
            .iter()
            .any(|entry| path.first() == Some(&entry.list));
        list || self.fills.iter().any(fills)
    }

    /// The record's field that a field of the request was filled from.
    pub fn source(&self, path: &str) -> Option<String> {
        if let Some(entry) = &self.entry {
            return Some(entry.list.name().to_owned());
        }
        let within = |fill: &&Fill| path.starts_with(&dotted(&fill.to));
        let fill = self.fills.iter().find(within)?;
        let rest = path.get(dotted(&fill.to).len()..).unwrap_or_default();
        Some(dotted(&fill.from) + rest)
    }

    /// What the office calls it, such as 会议召开.
    pub fn label<'m>(&self, machine: Option<&'m Plain>) -> &'m str {
        let mut rows = machine.into_iter().flat_map(|machine| &machine.rows);
        let row = rows.find(|row| row.method == self.method.name());
        row.map_or("", |row| row.label)
    }
}

/// The steps that a row can take.
pub(super) fn steps(
    record: &MessageDescriptor,
    service: &ServiceDescriptor,
    machine: Option<&Plain>,
) -> Vec<Step> {
    let mut steps = Vec::new();
    for method in service.methods().filter(|m| changes(m, record)) {
        let input = method.input();
        let own: Vec<_> = input
            .fields()
            .filter(|f| !COMMON.contains(&f.name()))
            .collect();
        let entry = entry(record, &own);
        let mut fills = Vec::new();
        let mut lacks = false;
        for field in &own {
            let found = filled(record, &method, field);
            let in_entry = entry.as_ref().is_some_and(|entry| {
                let whole = entry.whole.as_ref() == Some(field);
                whole || entry.parts.iter().any(|(_, to)| to == field)
            });
            lacks |= found.is_empty() && !in_entry && terms::rule(field).required;
            fills.extend(found);
        }
        if lacks {
            continue;
        }
        let step = Step {
            from: Vec::new(),
            to: None,
            fills,
            entry,
            method: method.clone(),
        };
        let Some(machine) = machine else {
            steps.extend(Some(step).filter(|step| step.entry.is_some()));
            continue;
        };
        let rows = machine
            .rows
            .iter()
            .filter(|row| row.method == method.name());
        // A method that leaves the state is of use only if it adds to a list.
        let rows = rows.filter(|row| row.to.is_some() || step.entry.is_some());
        steps.extend(rows.map(|row| Step {
            from: row.from.clone(),
            to: row.to,
            ..step.clone()
        }));
    }
    steps
}

/// Whether a method changes one such record by a rule of its own.
fn changes(method: &MethodDescriptor, record: &MessageDescriptor) -> bool {
    let standard = ["Update", "Delete", "Undelete"];
    let standard = standard.map(|verb| format!("{verb}{}", record.name()));
    let fields = method.input();
    let has = |name: &str| fields.get_field_by_name(name).is_some();
    method.output() == *record
        && has("name")
        && has("validate_only")
        && !standard.iter().any(|name| name == method.name())
        && !hints::NOT_TAKEN.contains(&method.name())
}

/// The list of the record that a request adds an entry to.
fn entry(record: &MessageDescriptor, own: &[FieldDescriptor]) -> Option<Entry> {
    let lists = record
        .fields()
        .filter(|f| f.is_list() && terms::rule(f).output_only);
    lists.into_iter().find_map(|list| {
        let kind = list.kind();
        let message = kind.as_message()?;
        Shape::of(&list)?;
        let whole = own
            .iter()
            .find(|f| f.kind().as_message() == Some(message) && !f.is_list());
        if let Some(whole) = whole {
            return Some(Entry {
                list: list.clone(),
                whole: Some(whole.clone()),
                parts: Vec::new(),
            });
        }
        // Its fields one by one: of the same name, or the one day.
        let parts = own.iter().map(|to| {
            let part = message.get_field_by_name(to.name());
            let day = message.get_field_by_name("date");
            let part = part.or(day.filter(|_| to.name().ends_with("_on")))?;
            same(&part, to).then(|| (part, to.clone()))
        });
        let parts: Option<Vec<_>> = parts.collect();
        let parts = parts.filter(|parts| parts.len() > 1)?;
        Some(Entry {
            list: list.clone(),
            whole: None,
            parts,
        })
    })
}

/// Where the record has what a request's field is filled with.
fn filled(
    record: &MessageDescriptor,
    method: &MethodDescriptor,
    field: &FieldDescriptor,
) -> Vec<Fill> {
    let input = method.input();
    let required = terms::rule(field).required;
    let hinted = hints::FILLED_FROM.iter().filter(|(of, path, _)| {
        *of == input.name() && path.split('.').next() == Some(field.name())
    });
    let hinted: Vec<_> = hinted
        .filter_map(|(_, path, from)| {
            let from = record.get_field_by_name(from)?;
            let mut to = vec![field.clone()];
            if let Some((_, inner)) = path.split_once('.') {
                let kind = field.kind();
                to.push(kind.as_message()?.get_field_by_name(inner)?);
            }
            Some(Fill {
                required: to.last().is_some_and(|f| terms::rule(f).required),
                to,
                from: vec![from],
                again: false,
            })
        })
        .collect();
    if !hinted.is_empty() {
        return hinted;
    }
    let named = |name: &str| {
        let own = record.get_field_by_name(name);
        own.filter(|own| same(own, field))
    };
    // The reason to cancel something may be its `cancel_reason`.
    let mut letters = method.name().char_indices().skip(1);
    let end = letters
        .find(|(_, c)| c.is_uppercase())
        .map_or(0, |(i, _)| i);
    let verb = method.name().get(..end).unwrap_or_default().to_lowercase();
    let from = named(field.name()).or_else(|| named(&format!("{verb}_{}", field.name())));
    if let Some(from) = from {
        return vec![Fill {
            again: !terms::rule(&from).output_only,
            to: vec![field.clone()],
            from: vec![from],
            required,
        }];
    }
    // Or it is within a message that only methods set, such as a settlement.
    let messages = record
        .fields()
        .filter(|f| !f.is_list() && terms::rule(f).output_only);
    let within = messages.into_iter().find_map(|outer| {
        let kind = outer.kind();
        let inner = kind.as_message()?.get_field_by_name(field.name())?;
        same(&inner, field).then(|| vec![outer.clone(), inner])
    });
    let fill = within.map(|from| Fill {
        to: vec![field.clone()],
        from,
        required,
        again: false,
    });
    fill.into_iter().collect()
}

/// Whether two fields hold the same.
fn same(one: &FieldDescriptor, other: &FieldDescriptor) -> bool {
    one.kind() == other.kind() && one.is_list() == other.is_list()
}

/// The ways to each state from the first one, without a state twice.
pub(super) fn routes(machine: &Plain, steps: &[Step]) -> Vec<Route> {
    let mut routes = vec![Route {
        to: machine.initial,
        steps: Vec::new(),
    }];
    let mut open = VecDeque::from([(vec![machine.initial], Vec::new())]);
    while let Some((states, taken)) = open.pop_front() {
        let Some(state) = states.last() else { continue };
        for (i, step) in steps.iter().enumerate() {
            let Some(to) = step.to.filter(|to| !states.contains(to)) else {
                continue;
            };
            if !step.from.contains(state) {
                continue;
            }
            let steps: Vec<_> = taken.iter().copied().chain([i]).collect();
            let states = states.iter().copied().chain([to]).collect();
            routes.push(Route {
                to,
                steps: steps.clone(),
            });
            open.push_back((states, steps));
        }
    }
    routes
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
