//! The kinds of record that spreadsheets hold, from the descriptors alone.

use anyhow::Context;
use prost_reflect::{FieldDescriptor, MessageDescriptor, MethodDescriptor};
use taizhang_contracts::descriptors::pool;
use taizhang_ledger::RecordKind;
use taizhang_ledger::transition::Plain;

use super::columns::{Column, columns, dotted};
use super::hints;
use super::steps::{Route, Step, routes, steps};
use super::terms;
use crate::roles::{ROLES, Role};

/// A kind of record.
pub struct Record {
    /// The service that keeps it.
    pub role: &'static Role,
    /// What it is to that service, such as `meetings`.
    pub kind: &'static RecordKind,
    /// Its message.
    pub message: MessageDescriptor,
    /// What the office calls it.
    pub term: String,
    /// The method that lists it.
    pub list: MethodDescriptor,
    /// The method that creates it.
    pub create: MethodDescriptor,
    /// The field of that method's request that holds the record.
    pub field: FieldDescriptor,
    /// Its states.
    pub machine: Option<Plain>,
    /// The methods that take it on.
    pub steps: Vec<Step>,
    /// The ways to each state, shortest first.
    pub routes: Vec<Route>,
    /// Its columns.
    pub columns: Vec<Column>,
}

impl Record {
    fn of(role: &'static Role, kind: &'static RecordKind) -> Option<Self> {
        let message = pool().get_message_by_name(kind.message())?;
        let services = role.grpc_services.iter();
        let services = services.filter_map(|name| pool().get_service_by_name(name));
        let methods: Vec<_> = services
            .flat_map(|s| s.methods().collect::<Vec<_>>())
            .collect();
        let name = format!("Create{}", message.name());
        let create = methods.iter().find(|m| m.name() == name)?.clone();
        if hints::NOT_TAKEN.contains(&create.name()) {
            return None;
        }
        let holds = |method: &MethodDescriptor| {
            let fields = method.output().fields().collect::<Vec<_>>();
            let mut fields = fields.iter();
            fields.any(|f| f.is_list() && f.kind().as_message() == Some(&message))
        };
        let mut lists = methods.iter();
        let list = lists.find(|m| m.name().starts_with("List") && holds(m))?;
        let field = create
            .input()
            .fields()
            .find(|f| f.kind().as_message() == Some(&message))?;
        let machines = (role.machines)();
        let machine = machines.into_iter().find(|m| m.resource == message.name());
        let steps = steps(&message, create.parent_service(), machine.as_ref());
        let reached = |path: &[FieldDescriptor]| {
            let state = dotted(path) == "state" && machine.is_some();
            state || steps.iter().any(|step| step.tells(path))
        };
        let columns = columns(&message, kind.collection(), &reached);
        Some(Self {
            term: terms::of_message(&message),
            list: list.clone(),
            create,
            field,
            routes: machine
                .as_ref()
                .map_or_else(Vec::new, |m| routes(m, &steps)),
            machine,
            columns,
            steps,
            role,
            kind,
            message,
        })
    }

    /// Every one.
    pub fn all() -> Vec<Self> {
        let of = |role: &'static Role| {
            role.kinds
                .iter()
                .filter_map(move |kind| Self::of(role, kind))
        };
        ROLES.iter().flat_map(of).collect()
    }

    /// The one of a collection, such as `meetings`.
    ///
    /// # Errors
    /// Names those that there are.
    pub fn named(name: &str) -> anyhow::Result<Self> {
        let kinds = ROLES
            .iter()
            .flat_map(|role| role.kinds.iter().map(move |kind| (role, kind)));
        let mut named = kinds.filter(|(_, kind)| kind.collection() == name);
        let record = named.next().and_then(|(role, kind)| Self::of(role, kind));
        record.with_context(|| {
            let all = Self::all();
            let lines = all
                .iter()
                .map(|r| format!("  {}  {}", r.kind.collection(), r.term));
            let lines: Vec<_> = lines.collect();
            format!("没有“{name}”这种记录，可用的有：\n{}", lines.join("\n"))
        })
    }

    /// The column of a field such as `source.kind`, or of the message or entry that it is in.
    pub fn column_of(&self, path: &str) -> Option<usize> {
        let path = plain_path(path);
        let within = |outer: &str, inner: &str| {
            inner == outer
                || inner
                    .strip_prefix(outer)
                    .is_some_and(|rest| rest.starts_with('.'))
        };
        let mut columns = self.columns.iter();
        columns.position(|column| {
            let column = column.dotted();
            within(&column, &path) || within(&path, &column)
        })
    }

    /// The column of the state.
    pub fn state_column(&self) -> Option<usize> {
        self.machine.as_ref()?;
        self.column_of("state")
    }
}

/// A path without the places in lists.
fn plain_path(path: &str) -> String {
    let mut plain = String::new();
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            c if !inside => plain.push(c),
            _ => {}
        }
    }
    plain
}
