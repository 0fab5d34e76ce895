//! The methods that take a record from state to state, and what they are told by its row. They come
//! from the state machines; what fills their requests is found by the names of the fields.

use std::collections::VecDeque;

use prost_reflect::{FieldDescriptor, MessageDescriptor, MethodDescriptor, ServiceDescriptor};
use taizhang_ledger::transition::Plain;

use super::cells::Shape;
use super::columns::dotted;
use super::{hints, terms};

/// What every request of a method has that changes one record.
const COMMON: &[&str] = &["name", "etag", "request_id", "validate_only"];

/// A method, called in some states.
#[derive(Debug, Clone)]
pub struct Step {
    pub(super) method: MethodDescriptor,
    /// Where it may be called; anywhere if there are no states.
    pub(super) from: Vec<&'static str>,
    /// Where it leads; none if the state stays.
    pub(super) to: Option<&'static str>,
    pub(super) fills: Vec<Fill>,
    pub(super) entry: Option<Entry>,
}

/// A field of a request that is filled from the record.
#[derive(Debug, Clone)]
pub(super) struct Fill {
    pub(super) to: Vec<FieldDescriptor>,
    pub(super) from: Vec<FieldDescriptor>,
    pub(super) required: bool,
    /// The record has it since it was created.
    pub(super) again: bool,
}

/// A request that is one entry of a list of the record.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) list: FieldDescriptor,
    /// The request's field that is the entry, or the fields that its fields are.
    pub(super) whole: Option<FieldDescriptor>,
    pub(super) parts: Vec<(FieldDescriptor, FieldDescriptor)>,
}

/// A way to a state: steps one after another.
#[derive(Debug, Clone)]
pub struct Route {
    /// The state that it leads to.
    pub to: &'static str,
    pub(super) steps: Vec<usize>,
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
