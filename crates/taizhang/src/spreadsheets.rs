//! The services as spreadsheets see them.

use taizhang_ledger::transition::Plain;
use taizhang_spreadsheets::{Catalogue, RecordKind, Service, StateMachine, Transition};

use crate::roles::{ROLES, Role};

/// Every kind of record that can be imported and exported.
pub fn catalogue() -> Catalogue {
    Catalogue::new(ROLES.iter().map(service).collect())
}

fn service(role: &Role) -> Service {
    let kinds = role.kinds.iter().map(|kind| RecordKind {
        collection: kind.collection(),
        message: kind.message(),
    });
    Service {
        name: role.name,
        grpc_services: role.grpc_services,
        kinds: kinds.collect(),
        machines: (role.machines)().into_iter().map(machine).collect(),
    }
}

fn machine(of: Plain) -> StateMachine {
    let transitions = of.rows.into_iter().map(|row| Transition {
        method: row.method,
        label: row.label,
        from: row.from,
        to: row.to,
    });
    StateMachine {
        resource: of.resource,
        initial: of.initial,
        transitions: transitions.collect(),
    }
}
