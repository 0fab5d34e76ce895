//! Which methods, states and indicators the random calls have covered.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use prost_reflect::{DynamicMessage, EnumDescriptor, MessageDescriptor, ReflectMessage};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::record_methods::RecordMethods;
use crate::served_methods::{ServedMethod, error_reason};

#[derive(Default)]
pub struct Coverage {
    /// The results of each method, counted by reason; [`SUCCESS`] for those that succeeded.
    outcomes: BTreeMap<String, BTreeMap<String, usize>>,
    /// The methods whose idempotency was checked.
    pub checked: BTreeSet<String>,
    /// The states that each kind of record was in.
    states: BTreeMap<String, BTreeSet<String>>,
    /// The states in which a method is allowed, by its last WRONG_STATE error.
    allowed: BTreeMap<String, BTreeSet<String>>,
    /// How many records each indicator counted.
    counted: BTreeMap<String, usize>,
}

const SUCCESS: &str = "OK";

impl Coverage {
    /// Records a result, which must be a success or a refusal by a rule.
    pub fn note(
        &mut self,
        methods: &RecordMethods,
        at: &ServedMethod,
        answer: &Result<DynamicMessage, Status>,
    ) {
        let method = at.method.full_name().to_owned();
        let outcome = match answer {
            Ok(record) => {
                let states = self.states.entry(methods.kind.message().to_owned());
                states.or_default().insert(state(record));
                SUCCESS.to_owned()
            }
            Err(status) => {
                let by_rule = [
                    Code::FailedPrecondition,
                    Code::InvalidArgument,
                    Code::NotFound,
                ];
                assert!(by_rule.contains(&status.code()), "{at}: {status:?}");
                if let Some(states) = allowed(status, &methods.resource) {
                    self.allowed.insert(method.clone(), states);
                }
                error_reason(status, "zh-CN", at)
            }
        };
        let outcomes = self.outcomes.entry(method).or_default();
        *outcomes.entry(outcome).or_default() += 1;
    }

    /// Records the number of records behind an indicator.
    pub fn note_counted(&mut self, indicator: String, records: usize) {
        *self.counted.entry(indicator).or_default() += records;
    }

    /// Whether a method may be allowed in a record's state, as far as known.
    pub fn fits(&self, at: &ServedMethod, record: &DynamicMessage) -> bool {
        let allowed = self.allowed.get(at.method.full_name());
        allowed.is_none_or(|allowed| allowed.contains(&state(record)))
    }

    /// How often a method succeeded.
    pub fn successes(&self, at: &ServedMethod) -> usize {
        let outcomes = self.outcomes.get(at.method.full_name());
        let successes = outcomes.and_then(|outcomes| outcomes.get(SUCCESS));
        successes.copied().unwrap_or_default()
    }

    /// How often a method was called.
    pub fn calls(&self, at: &ServedMethod) -> usize {
        let outcomes = self.outcomes.get(at.method.full_name());
        outcomes.map_or(0, |outcomes| outcomes.values().sum())
    }

    /// Asserts that every method succeeded and every kind was in more than one state.
    pub fn assert_complete(&self, all: &[RecordMethods]) {
        println!("{}", self.summary(all));
        for methods in all {
            let kind = methods.kind.message();
            let states = self.states.get(kind);
            let states = states.unwrap_or_else(|| panic!("no {kind} was written"));
            let has_states = states_of(&methods.resource).is_some();
            assert!(!has_states || states.len() > 1, "{kind}: {states:?}");
            for at in &methods.of_office {
                assert!(self.successes(at) > 0, "{at} never succeeded");
            }
            for at in methods.writing() {
                let excused = super::is_excused(at);
                assert_ne!(
                    self.successes(at) > 0,
                    excused,
                    "{at}: succeeded although excused, or never succeeded"
                );
                let checked = self.checked.contains(at.method.full_name());
                assert!(checked || excused, "{at}: idempotency was never checked");
            }
        }
    }

    /// The results of each method, and the indicators that counted nothing, which may happen by
    /// chance.
    fn summary(&self, all: &[RecordMethods]) -> String {
        let mut text = String::new();
        for at in all.iter().flat_map(RecordMethods::writing) {
            let outcomes = self.outcomes.get(at.method.full_name());
            writeln!(text, "{at}: {outcomes:?}").unwrap();
        }
        let nothing = self.counted.iter().filter(|(_, records)| **records == 0);
        let nothing: Vec<&String> = nothing.map(|(indicator, _)| indicator).collect();
        writeln!(text, "nothing counted: {nothing:?}").unwrap();
        text
    }
}

/// The states of a resource, if it has any.
fn states_of(resource: &MessageDescriptor) -> Option<EnumDescriptor> {
    resource
        .get_field_by_name("state")?
        .kind()
        .as_enum()
        .cloned()
}

/// A state's name without the prefix of its enum.
fn short(states: &EnumDescriptor, number: i32) -> String {
    let prefix = states.default_value();
    let prefix = prefix.name().trim_end_matches("UNSPECIFIED");
    let state = states.get_value(number).unwrap();
    state.name().trim_start_matches(prefix).to_owned()
}

/// The record's state; empty if it has none.
fn state(record: &DynamicMessage) -> String {
    let Some(states) = states_of(&record.descriptor()) else {
        return String::new();
    };
    let number = record.get_field_by_name("state").unwrap();
    short(&states, number.as_enum_number().unwrap())
}

/// The allowed states in a WRONG_STATE error, if they are states of the resource.
fn allowed(status: &Status, resource: &MessageDescriptor) -> Option<BTreeSet<String>> {
    let states = states_of(resource)?;
    let known: BTreeSet<String> = states
        .values()
        .map(|v| short(&states, v.number()))
        .collect();
    let info = status.get_details_error_info()?;
    let states: BTreeSet<String> = info
        .metadata
        .get("allowed")?
        .split(',')
        .map(str::to_owned)
        .collect();
    states.is_subset(&known).then_some(states)
}
