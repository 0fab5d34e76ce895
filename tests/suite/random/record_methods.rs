//! The kinds of record that the services keep, each with the methods that read and write it.

use prost_reflect::MessageDescriptor;
use taizhang::roles::{ROLES, Role};
use taizhang_contracts::descriptors::pool;
use taizhang_ledger::RecordKind;

use crate::walk::{self, Walked};

/// A kind of record, and the methods that write it.
pub struct Kept {
    pub role: &'static Role,
    pub kind: &'static RecordKind,
    pub resource: MessageDescriptor,
    pub create: Option<Walked>,
    pub get: Walked,
    pub list: Option<Walked>,
    pub update: Option<Walked>,
    pub delete: Option<Walked>,
    pub undelete: Option<Walked>,
    pub custom: Vec<Walked>,
    /// Methods about the office that answer with a record, such as the reminder of today. What they
    /// write once is theirs to say.
    pub of_office: Vec<Walked>,
}

impl Kept {
    fn of(role: &'static Role, kind: &'static RecordKind) -> Self {
        let resource = pool().get_message_by_name(kind.message()).unwrap();
        let name = resource.name().to_owned();
        let methods = walk::methods();
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

    pub fn writing(&self) -> impl Iterator<Item = &Walked> {
        let standard = [&self.create, &self.update, &self.delete, &self.undelete];
        standard.into_iter().flatten().chain(&self.custom)
    }
}
