//! How a kind of record is laid out as a spreadsheet: its columns, its states, and the methods that
//! create, list and change it. All of it comes from the descriptors.

use anyhow::Context;
use prost_reflect::{FieldDescriptor, MessageDescriptor, MethodDescriptor};
use taizhang_contracts::descriptors::pool;

use crate::columns::{Column, columns, dotted};
use crate::hints;
use crate::steps::{Route, StateMachine, Step, routes, steps};
use taizhang_contracts::terms;

/// A service whose records can be imported and exported.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its name, which [`Sheet::service`] repeats.
    pub name: &'static str,
    /// The full names of its gRPC services.
    pub grpc_services: &'static [&'static str],
    /// The kinds of record that it keeps.
    pub kinds: Vec<RecordKind>,
    /// The state machines of its records.
    pub machines: Vec<StateMachine>,
}

/// A kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordKind {
    /// Its collection, such as `meetings`.
    pub collection: &'static str,
    /// The full name of its message, such as `taizhang.meetings.v1.Meeting`.
    pub message: &'static str,
}

/// Everything that can be imported and exported.
#[derive(Debug, Clone)]
pub struct Catalogue(Vec<Service>);

impl Catalogue {
    /// The records of these services.
    pub fn new(services: Vec<Service>) -> Self {
        Self(services)
    }

    /// The sheets of all kinds of record that have one.
    pub fn sheets(&self) -> Vec<Sheet> {
        let kinds = self.kinds();
        kinds
            .filter_map(|(of, kind)| Sheet::new(of, kind))
            .collect()
    }

    /// The sheet of a collection, such as `meetings`.
    ///
    /// # Errors
    /// If there is none; names all that there are.
    pub fn sheet(&self, collection: &str) -> anyhow::Result<Sheet> {
        let mut named = self
            .kinds()
            .filter(|(_, kind)| kind.collection == collection);
        let sheet = named.next().and_then(|(of, kind)| Sheet::new(of, kind));
        sheet.with_context(|| {
            let lines = self.sheets().into_iter();
            let lines = lines.map(|sheet| format!("  {}  {}", sheet.kind.collection, sheet.term));
            let lines: Vec<_> = lines.collect();
            format!(
                "没有“{collection}”这种记录，可用的有：\n{}",
                lines.join("\n")
            )
        })
    }

    fn kinds(&self) -> impl Iterator<Item = (&Service, RecordKind)> {
        let of = |service| move |kind: &RecordKind| (service, *kind);
        self.0.iter().flat_map(move |s| s.kinds.iter().map(of(s)))
    }
}

/// A kind of record as a spreadsheet.
#[derive(Debug)]
pub struct Sheet {
    /// The name of the service that keeps it.
    pub service: &'static str,
    /// Its collection and its message.
    pub kind: RecordKind,
    /// The descriptor of its message.
    pub message: MessageDescriptor,
    /// The office's term for it, such as 会议.
    pub term: String,
    /// The method that lists it.
    pub(crate) list: MethodDescriptor,
    /// The method that creates it.
    pub(crate) create: MethodDescriptor,
    /// The field of that method's request that holds the record.
    pub(crate) field: FieldDescriptor,
    /// Its states, if it has any.
    pub machine: Option<StateMachine>,
    /// The methods that change its state or add to its lists.
    pub(crate) steps: Vec<Step>,
    /// The sequences of steps that lead to each state, shortest first.
    pub(crate) routes: Vec<Route>,
    /// Its columns.
    pub columns: Vec<Column>,
}

impl Sheet {
    fn new(service: &Service, kind: RecordKind) -> Option<Self> {
        let message = pool().get_message_by_name(kind.message)?;
        let services = service.grpc_services.iter();
        let services = services.filter_map(|name| pool().get_service_by_name(name));
        let methods: Vec<_> = services
            .flat_map(|s| s.methods().collect::<Vec<_>>())
            .collect();
        let name = format!("Create{}", message.name());
        let create = methods.iter().find(|m| m.name() == name)?.clone();
        if hints::EXCLUDED_METHODS.contains(&create.name()) {
            return None;
        }
        let lists_it = |method: &MethodDescriptor| {
            let fields = method.output().fields().collect::<Vec<_>>();
            let mut fields = fields.iter();
            fields.any(|f| f.is_list() && f.kind().as_message() == Some(&message))
        };
        let mut lists = methods.iter();
        let list = lists.find(|m| m.name().starts_with("List") && lists_it(m))?;
        let field = create
            .input()
            .fields()
            .find(|f| f.kind().as_message() == Some(&message))?;
        let mut machines = service.machines.iter();
        let machine = machines.find(|m| m.resource == message.name()).cloned();
        let steps = steps(&message, create.parent_service(), machine.as_ref());
        let is_set_by_row = |path: &[FieldDescriptor]| {
            let state = dotted(path) == "state" && machine.is_some();
            state || steps.iter().any(|step| step.takes(path))
        };
        let columns = columns(&message, kind.collection, &is_set_by_row);
        Some(Self {
            service: service.name,
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
            kind,
            message,
        })
    }

    /// The index of the column of a field such as `source.kind`, or of the message or list that the
    /// field is in.
    pub(crate) fn column_of(&self, path: &str) -> Option<usize> {
        let path = without_indexes(path);
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

    /// The index of the column of the state, if there are states.
    pub(crate) fn state_column(&self) -> Option<usize> {
        self.machine.as_ref()?;
        self.column_of("state")
    }
}

/// A path without the indexes of lists: `agenda_items.title` for `agenda_items[2].title`.
fn without_indexes(path: &str) -> String {
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
