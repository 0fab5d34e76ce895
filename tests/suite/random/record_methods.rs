//! The kinds of record, each with the methods that read and write it.

use prost_reflect::MessageDescriptor;
use taizhang::roles::{ROLES, Role};
use taizhang_contracts::descriptors::pool;
use taizhang_ledger::RecordKind;

use crate::served_methods::{self, ServedMethod};

/// A kind of record, and the methods that write it.
pub struct RecordMethods {
    pub role: &'static Role,
    pub kind: &'static RecordKind,
    pub resource: MessageDescriptor,
    pub create: Option<ServedMethod>,
    pub get: ServedMethod,
    pub list: Option<ServedMethod>,
    pub update: Option<ServedMethod>,
    pub delete: Option<ServedMethod>,
    pub undelete: Option<ServedMethod>,
    pub custom: Vec<ServedMethod>,
    /// Methods of the whole office that return a record, such as `RemindDue`. Not tested for
    /// idempotency here, since they may return an existing record.
    pub of_office: Vec<ServedMethod>,
}

impl RecordMethods {
    fn of(role: &'static Role, kind: &'static RecordKind) -> Self {
        let resource = pool().get_message_by_name(kind.message()).unwrap();
        let name = resource.name().to_owned();
        let methods = served_methods::all();
        let of_role = methods.iter().filter(|at| at.role.name == role.name);
        let named = |wanted: String| {
            let mut methods = of_role.clone();
            methods.find(|at| at.method.name() == wanted).cloned()
        };
        let list = of_role.clone().find(|at| {
            let lists = |m: MessageDescriptor| {
                let mut fields = m.fields();
                fields.any(|f| f.is_list() && f.kind().as_message() == Some(&resource))
            };
            at.field("order_by").is_some() && lists(at.method.output())
        });
        let standard =
            ["Create", "Update", "Delete", "Undelete"].map(|verb| format!("{verb}{name}"));
        let custom = of_role.clone().filter(|at| {
            let writes = at.field("validate_only").is_some() && at.method.output() == resource;
            writes && !standard.iter().any(|standard| at.method.name() == standard)
        });
        let (of_office, custom) = custom.cloned().partition(|at| at.field("parent").is_some());
        Self {
            role,
            kind,
            create: named(format!("Create{name}")),
            get: named(format!("Get{name}")).unwrap(),
            list: list.cloned(),
            update: named(format!("Update{name}")),
            delete: named(format!("Delete{name}")),
            undelete: named(format!("Undelete{name}")),
            custom,
            of_office,
            resource,
        }
    }

    pub fn all() -> Vec<Self> {
        let of = |role: &'static Role| role.kinds.iter().map(move |kind| Self::of(role, kind));
        ROLES.iter().flat_map(of).collect()
    }

    pub fn writing(&self) -> impl Iterator<Item = &ServedMethod> {
        let standard = [&self.create, &self.update, &self.delete, &self.undelete];
        standard.into_iter().flatten().chain(&self.custom)
    }
}
