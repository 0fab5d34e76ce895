//! State machines as tables, from which the code, the tests and the diagrams in `docs/` are derived.

use std::fmt::{Debug, Write};

use taizhang_contracts::{Error, Reason, Result};

/// A row of a state machine: a method changes the state from one of several to another.
#[derive(Debug)]
pub struct Transition<S: 'static> {
    /// The method, such as `HoldMeeting`; if it is called on another record, followed by which, in
    /// parentheses.
    pub method: &'static str,
    /// The office's term, such as 会议召开.
    pub label: &'static str,
    /// The states in which it may be called.
    pub from: &'static [S],
    /// The state after it; `None` if the state stays.
    pub to: Option<S>,
}

/// A method that changes the state.
pub const fn leads<S: Copy>(
    method: &'static str,
    label: &'static str,
    from: &'static [S],
    to: S,
) -> Transition<S> {
    Transition {
        method,
        label,
        from,
        to: Some(to),
    }
}

/// A method that is allowed in some states and does not change them.
pub const fn keeps<S: Copy>(
    method: &'static str,
    label: &'static str,
    from: &'static [S],
) -> Transition<S> {
    Transition {
        method,
        label,
        from,
        to: None,
    }
}

/// A state machine: its name, its first state, and its rows.
#[derive(Debug)]
pub struct Machine<S: 'static> {
    /// The resource whose states these are, such as `Meeting`.
    pub resource: &'static str,
    /// The state of a new record.
    pub initial: S,
    /// All transitions.
    pub transitions: &'static [Transition<S>],
    /// The name of a state in the contract, including the prefix of its enum.
    pub name: fn(&S) -> &'static str,
}

/// A state machine with its states as names, without the type.
#[derive(Debug, Clone)]
pub struct Plain {
    /// The resource whose states these are.
    pub resource: &'static str,
    /// The state of a new record.
    pub initial: &'static str,
    /// All transitions.
    pub rows: Vec<Row>,
}

/// A row of a [`Plain`] state machine; see [`Transition`].
#[derive(Debug, Clone)]
pub struct Row {
    /// The method.
    pub method: &'static str,
    /// The office's term.
    pub label: &'static str,
    /// The states in which it may be called.
    pub from: Vec<&'static str>,
    /// The state after it; `None` if the state stays.
    pub to: Option<&'static str>,
}

impl<S: Copy + PartialEq + Debug> Machine<S> {
    /// The state after a method.
    ///
    /// # Errors
    /// FAILED_PRECONDITION, reason WRONG_STATE, if the method is not allowed in the state; the error
    /// names the states in which it is.
    pub fn next(&self, method: &str, state: S) -> Result<S> {
        let mut allowed = Vec::new();
        for row in self.transitions.iter().filter(|row| row.method == method) {
            if row.from.contains(&state) {
                return Ok(row.to.unwrap_or(state));
            }
            for from in row.from {
                let from = self.short(from);
                // A method may have several rows.
                if !allowed.contains(&from) {
                    allowed.push(from);
                }
            }
        }
        let (state, allowed) = (self.short(&state), allowed.join("、"));
        Err(Error::new(Reason::WrongState)
            .saying(
                format!("状态为{state}时不能执行{method}，须为{allowed}"),
                format!(
                    "{method} is not allowed in {state}; allowed in {}",
                    allowed.replace('、', ", ")
                ),
            )
            .with("state", state)
            .with("allowed", allowed.replace('、', ",")))
    }

    /// The name of a state without the prefix of its enum.
    fn short(&self, state: &S) -> &'static str {
        let name = (self.name)(state);
        let prefix = format!("{}_STATE_", screaming(self.resource));
        name.strip_prefix(prefix.as_str()).unwrap_or(name)
    }

    /// The machine without its type, for code that handles all machines.
    pub fn plain(&self) -> Plain {
        let rows = self.transitions.iter().map(|row| Row {
            method: row.method,
            label: row.label,
            from: row.from.iter().map(self.name).collect(),
            to: row.to.as_ref().map(self.name),
        });
        Plain {
            resource: self.resource,
            initial: (self.name)(&self.initial),
            rows: rows.collect(),
        }
    }

    /// The diagram in Mermaid syntax.
    pub fn diagram(&self) -> String {
        let mut out = format!(
            "stateDiagram-v2\n    [*] --> {}\n",
            self.short(&self.initial)
        );
        for row in self.transitions {
            for from in row.from {
                // Writing to a String can't fail.
                let _ = writeln!(
                    out,
                    "    {} --> {}: {} {}",
                    self.short(from),
                    self.short(row.to.as_ref().unwrap_or(from)),
                    row.method,
                    row.label
                );
            }
        }
        out
    }
}

fn screaming(name: &str) -> String {
    let mut out = String::new();
    for (i, c) in name.char_indices() {
        if c.is_uppercase() && i > 0 {
            out.push('_');
        }
        out.extend(c.to_uppercase());
    }
    out
}
