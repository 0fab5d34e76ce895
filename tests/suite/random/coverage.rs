//! What came of all calls so far.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use prost_reflect::{DynamicMessage, EnumDescriptor, MessageDescriptor, ReflectMessage};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::kept::Kept;
use crate::walk::{Walked, told};

#[derive(Default)]
pub struct Seen {
    /// What came of each method: the calls that succeeded, and the refusals by their reasons.
    outcomes: BTreeMap<String, BTreeMap<String, usize>>,
    /// The methods that were called in every way.
    pub looked_at: BTreeSet<String>,
    /// The states that each kind of record was in.
    states: BTreeMap<String, BTreeSet<String>>,
    /// The states that a method said it may be called in.
    allowed: BTreeMap<String, BTreeSet<String>>,
    /// How many records each indicator counted.
    counted: BTreeMap<String, usize>,
}

const SUCCESS: &str = "OK";

impl Seen {
    /// Takes note of an answer, which must be a success or a refusal by a rule.
    pub fn note(&mut self, kept: &Kept, at: &Walked, answer: &Result<DynamicMessage, Status>) {
        let method = at.method.full_name().to_owned();
        let outcome = match answer {
            Ok(record) => {
                let states = self.states.entry(kept.kind.message().to_owned());
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
                if let Some(states) = allowed(status, &kept.resource) {
                    self.allowed.insert(method.clone(), states);
                }
                told(status, "zh-CN", at)
            }
        };
        let outcomes = self.outcomes.entry(method).or_default();
        *outcomes.entry(outcome).or_default() += 1;
    }

    /// Takes note of the records behind an indicator.
    pub fn note_counted(&mut self, indicator: String, records: usize) {
        *self.counted.entry(indicator).or_default() += records;
    }

    /// Whether a method may go with a record's state, as far as it has told.
    pub fn fits(&self, at: &Walked, record: &DynamicMessage) -> bool {
        let allowed = self.allowed.get(at.method.full_name());
        allowed.is_none_or(|allowed| allowed.contains(&state(record)))
    }

    /// How often a method succeeded.
    pub fn successes(&self, at: &Walked) -> usize {
        let outcomes = self.outcomes.get(at.method.full_name());
        let successes = outcomes.and_then(|outcomes| outcomes.get(SUCCESS));
        successes.copied().unwrap_or_default()
    }

    /// How often a method was called.
    pub fn calls(&self, at: &Walked) -> usize {
        let outcomes = self.outcomes.get(at.method.full_name());
        outcomes.map_or(0, |outcomes| outcomes.values().sum())
    }

    /// The test would be worth nothing if everything had been refused.
    pub fn assert_went_far(&self, all: &[Kept]) {
        println!("{}", self.told(all));
        for kept in all {
            let kind = kept.kind.message();
            let states = self.states.get(kind);
            let states = states.unwrap_or_else(|| panic!("there is no {kind}"));
            let has_states = states_of(&kept.resource).is_some();
            assert!(!has_states || states.len() > 1, "{kind}: {states:?}");
            for at in &kept.of_office {
                assert!(self.successes(at) > 0, "{at}: does it ever succeed?");
            }
            for at in kept.writing() {
                let excused = super::is_excused(at);
                assert_ne!(
                    self.successes(at) > 0,
                    excused,
                    "{at}: does it ever succeed?"
                );
                let looked_at = self.looked_at.contains(at.method.full_name());
                assert!(looked_at || excused, "{at} was never looked at");
            }
        }
    }

    /// How often each method succeeded and was refused, and the indicators that counted nothing: a
    /// narrow one is met by chance only.
    fn told(&self, all: &[Kept]) -> String {
        let mut text = String::new();
        for at in all.iter().flat_map(Kept::writing) {
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

/// The states that a refusal tells, if they are those of the resource.
fn allowed(status: &Status, resource: &MessageDescriptor) -> Option<BTreeSet<String>> {
    let states = states_of(resource)?;
    let known: BTreeSet<String> = states
        .values()
        .map(|v| short(&states, v.number()))
        .collect();
    let info = status.get_details_error_info()?;
    let told: BTreeSet<String> = info
        .metadata
        .get("allowed")?
        .split(',')
        .map(str::to_owned)
        .collect();
    told.is_subset(&known).then_some(told)
}
