//! The methods that take a record from state to state or add to its lists, and how a row fills in
//! their requests. The methods come from the state machine; a field of a request is filled in from
//! the record's field of the same name.

use std::collections::VecDeque;

use prost_reflect::{FieldDescriptor, MessageDescriptor, MethodDescriptor, ServiceDescriptor};

use crate::cells::CellType;
use crate::columns::dotted;
use crate::hints;
use taizhang_contracts::terms;

/// The state machine of a kind of record. States are named as in the contract.
#[derive(Debug, Clone)]
pub struct StateMachine {
    /// The resource, such as `Meeting`.
    pub resource: &'static str,
    /// The state of a new record.
    pub initial: &'static str,
    /// Every transition there is.
    pub transitions: Vec<Transition>,
}

/// A transition: a method that may be called in some states.
#[derive(Debug, Clone)]
pub struct Transition {
    /// The method, such as `HoldMeeting`.
    pub method: &'static str,
    /// The office's term for it, such as 会议召开.
    pub label: &'static str,
    /// The states in which it may be called.
    pub from: Vec<&'static str>,
    /// The state that it leads to; `None` if the state stays.
    pub to: Option<&'static str>,
}

/// Fields of the requests of all such methods that no row fills in.
const COMMON: &[&str] = &["name", "etag", "request_id", "validate_only"];

/// A transition that an import can make.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) method: MethodDescriptor,
    /// The states in which it may be called; any if there are no states.
    pub(crate) from: Vec<&'static str>,
    /// The state that it leads to; `None` if the state stays.
    pub(crate) to: Option<&'static str>,
    /// The fields of its request that the row fills in.
    pub(crate) fills: Vec<Fill>,
    /// The list that it adds to, if it does.
    pub(crate) entry: Option<Entry>,
}

/// A field of a request that is filled from the record.
#[derive(Debug, Clone)]
pub(crate) struct Fill {
    /// The path of the request's field.
    pub(crate) to: Vec<FieldDescriptor>,
    /// The path of the record's field.
    pub(crate) from: Vec<FieldDescriptor>,
    pub(crate) required: bool,
    /// Whether the record already has this value since it was created.
    pub(crate) is_set_on_create: bool,
}

/// How a request adds one entry to a list of the record.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The list in the record.
    pub(crate) list: FieldDescriptor,
    /// The request's field that holds the entry as a message, if there is one.
    pub(crate) whole: Option<FieldDescriptor>,
    /// Else each field of the entry and the request's field that holds it.
    pub(crate) parts: Vec<(FieldDescriptor, FieldDescriptor)>,
}

/// A sequence of steps that leads to a state.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// The state that it leads to.
    pub(crate) to: &'static str,
    /// The indexes of the steps, in order.
    pub(crate) steps: Vec<usize>,
}

impl Step {
    /// Whether the request takes this field of the row.
    pub(crate) fn takes(&self, path: &[FieldDescriptor]) -> bool {
        let fills = |fill: &Fill| fill.from.starts_with(path) || path.starts_with(&fill.from);
        let list = self
            .entry
            .iter()
            .any(|entry| path.first() == Some(&entry.list));
        list || self.fills.iter().any(fills)
    }

    /// The path of the record's field from which a field of the request was filled in.
    pub(crate) fn source(&self, path: &str) -> Option<String> {
        if let Some(entry) = &self.entry {
            return Some(entry.list.name().to_owned());
        }
        let within = |fill: &&Fill| path.starts_with(&dotted(&fill.to));
        let fill = self.fills.iter().find(within)?;
        let rest = path.get(dotted(&fill.to).len()..).unwrap_or_default();
        Some(dotted(&fill.from) + rest)
    }

    /// The office's term for the method, such as 会议召开.
    pub(crate) fn label<'m>(&self, machine: Option<&'m StateMachine>) -> &'m str {
        let mut all = machine.into_iter().flat_map(|m| &m.transitions);
        let transition = all.find(|t| t.method == self.method.name());
        transition.map_or("", |t| t.label)
    }
}

/// The steps that an import can make.
pub(crate) fn steps(
    record: &MessageDescriptor,
    service: &ServiceDescriptor,
    machine: Option<&StateMachine>,
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
        let mut cannot_fill = false;
        for field in &own {
            let found = filled(record, &method, field);
            let in_entry = entry.as_ref().is_some_and(|entry| {
                let whole = entry.whole.as_ref() == Some(field);
                whole || entry.parts.iter().any(|(_, to)| to == field)
            });
            cannot_fill |= found.is_empty() && !in_entry && terms::rule(field).required;
            fills.extend(found);
        }
        if cannot_fill {
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
        let transitions = machine
            .transitions
            .iter()
            .filter(|t| t.method == method.name())
            // A method that does not change the state is of use only if it adds to a list.
            .filter(|t| t.to.is_some() || step.entry.is_some());
        steps.extend(transitions.map(|t| Step {
            from: t.from.clone(),
            to: t.to,
            ..step.clone()
        }));
    }
    steps
}

/// Whether a method is a custom method that changes one record of this kind.
fn changes(method: &MethodDescriptor, record: &MessageDescriptor) -> bool {
    let standard = ["Update", "Delete", "Undelete"];
    let standard = standard.map(|verb| format!("{verb}{}", record.name()));
    let fields = method.input();
    let has = |name: &str| fields.get_field_by_name(name).is_some();
    method.output() == *record
        && has("name")
        && has("validate_only")
        && !standard.iter().any(|name| name == method.name())
        && !hints::EXCLUDED_METHODS.contains(&method.name())
}

/// How a request adds to a list of the record; `None` if it does not. `own` are its fields.
fn entry(record: &MessageDescriptor, own: &[FieldDescriptor]) -> Option<Entry> {
    let lists = record
        .fields()
        .filter(|f| f.is_list() && terms::rule(f).output_only);
    lists.into_iter().find_map(|list| {
        let kind = list.kind();
        let message = kind.as_message()?;
        CellType::of(&list)?;
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
        // The entry's fields one by one: of the same name, or its only day.
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

/// How a field of a request is filled in from the record.
fn filled(
    record: &MessageDescriptor,
    method: &MethodDescriptor,
    field: &FieldDescriptor,
) -> Vec<Fill> {
    let input = method.input();
    let required = terms::rule(field).required;
    let hinted = hints::RENAMED_FIELDS.iter().filter(|(of, path, _)| {
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
                is_set_on_create: false,
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
    // `reason` of `CancelMeeting` may be `cancel_reason` in the record.
    let mut letters = method.name().char_indices().skip(1);
    let end = letters
        .find(|(_, c)| c.is_uppercase())
        .map_or(0, |(i, _)| i);
    let verb = method.name().get(..end).unwrap_or_default().to_lowercase();
    let from = named(field.name()).or_else(|| named(&format!("{verb}_{}", field.name())));
    if let Some(from) = from {
        return vec![Fill {
            is_set_on_create: !terms::rule(&from).output_only,
            to: vec![field.clone()],
            from: vec![from],
            required,
        }];
    }
    // Or it is in a message that is output-only, such as a settlement.
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
        is_set_on_create: false,
    });
    fill.into_iter().collect()
}

/// Whether two fields have the same type.
fn same(one: &FieldDescriptor, other: &FieldDescriptor) -> bool {
    one.kind() == other.kind() && one.is_list() == other.is_list()
}

/// All sequences of steps from the initial state that visit no state twice, shortest first.
pub(crate) fn routes(machine: &StateMachine, steps: &[Step]) -> Vec<Route> {
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
