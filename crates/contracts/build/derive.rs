//! Generates Rust from the descriptors: `Admit` for messages that callers send, `Resource` for
//! messages that are stored, the request traits (AIP-131 to AIP-135) by the names and fields of
//! methods, and the list of all methods with their scopes.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor,
    MethodDescriptor, Value,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The generated source for `pool`.
pub(crate) fn derive(pool: DescriptorPool) -> Result<String> {
    let options = Options::new(&pool)?;
    let resources: Vec<Resource> = pool
        .all_messages()
        .filter_map(|m| {
            options
                .resource(&m)
                .map(|pattern| Resource::new(m, pattern))
        })
        .collect();
    let mut out = String::new();

    for message in received(&pool, &options) {
        admit(&mut out, &message, &options, &resources)?;
    }
    for resource in &resources {
        self::resource(&mut out, resource, &options)?;
    }
    writeln!(
        out,
        "/// Every method of every service, with the scope that it requires."
    )?;
    writeln!(out, "pub const METHODS: &[Method] = &[")?;
    let mut calls = BTreeMap::new();
    for method in pool
        .services()
        .flat_map(|s| s.methods().collect::<Vec<_>>())
    {
        let scope = options
            .scope(&method)
            .ok_or_else(|| format!("{} has no scope", method.full_name()))?;
        let service = method.parent_service();
        writeln!(
            out,
            "Method {{ service: {:?}, name: {:?}, path: {:?}, scope: {scope:?} }},",
            service.full_name(),
            method.name(),
            format!("/{}/{}", service.full_name(), method.name()),
        )?;
        calls.insert(method.input().full_name().to_owned(), method);
    }
    writeln!(out, "];")?;
    for method in calls.values() {
        call(&mut out, method, &resources)?;
    }
    Ok(out)
}

/// Messages whose `Admit` is written by hand, as options can't express their rules.
const WRITTEN_BY_HAND: &[&str] = &["taizhang.common.v1.Date", "taizhang.common.v1.Period"];

fn ours(message: &MessageDescriptor) -> bool {
    message.full_name().starts_with("taizhang.") && !message.is_map_entry()
}

/// The messages that callers send: requests, resources, and the messages within.
fn received(pool: &DescriptorPool, options: &Options) -> Vec<MessageDescriptor> {
    let mut found: Vec<MessageDescriptor> = pool
        .services()
        .flat_map(|s| s.methods().map(|m| m.input()).collect::<Vec<_>>())
        .chain(
            pool.all_messages()
                .filter(|m| options.resource(m).is_some()),
        )
        .collect();
    let mut next = 0;
    while let Some(message) = found.get(next).cloned() {
        next += 1;
        for field in message.fields().filter(|f| !options.rule(f).output_only) {
            if let Kind::Message(inner) = field.kind()
                && ours(&inner)
                && !WRITTEN_BY_HAND.contains(&inner.full_name())
                && !found.contains(&inner)
            {
                found.push(inner);
            }
        }
    }
    found
}

struct Resource {
    message: MessageDescriptor,
    pattern: String,
    collection: String,
    singleton: bool,
}

impl Resource {
    fn new(message: MessageDescriptor, pattern: String) -> Self {
        let mut parts = pattern.split('/').skip(2);
        let collection = parts.next().unwrap_or_default().to_owned();
        let singleton = parts.next().is_none();
        Self {
            message,
            pattern,
            collection,
            singleton,
        }
    }
}

/// The custom options of `common/v1/options.proto`.
struct Options {
    scope: prost_reflect::ExtensionDescriptor,
    resource: prost_reflect::ExtensionDescriptor,
    rule: prost_reflect::ExtensionDescriptor,
}

#[derive(Default)]
struct Rule {
    required: bool,
    output_only: bool,
    immutable: bool,
    max: i64,
    min: i64,
    max_items: u32,
    multiline: bool,
    reference: String,
}

impl Options {
    fn new(pool: &DescriptorPool) -> Result<Self> {
        let find = |name: &str| {
            pool.get_extension_by_name(name)
                .ok_or_else(|| format!("{name} is not declared"))
        };
        Ok(Self {
            scope: find("taizhang.common.v1.scope")?,
            resource: find("taizhang.common.v1.resource")?,
            rule: find("taizhang.common.v1.rule")?,
        })
    }

    fn text(
        options: DynamicMessage,
        extension: &prost_reflect::ExtensionDescriptor,
    ) -> Option<String> {
        match options.get_extension(extension).as_ref() {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    }

    fn scope(&self, method: &MethodDescriptor) -> Option<String> {
        Self::text(method.options(), &self.scope)
    }

    fn resource(&self, message: &MessageDescriptor) -> Option<String> {
        Self::text(message.options(), &self.resource)
    }

    fn rule(&self, field: &FieldDescriptor) -> Rule {
        let options = field.options();
        let value = options.get_extension(&self.rule);
        let Value::Message(rule) = value.as_ref() else {
            return Rule::default();
        };
        let flag =
            |name: &str| rule.get_field_by_name(name).and_then(|v| v.as_bool()) == Some(true);
        let number = |name: &str| {
            rule.get_field_by_name(name)
                .and_then(|v| v.as_i64())
                .unwrap_or(0)
        };
        Rule {
            required: flag("required"),
            output_only: flag("output_only"),
            immutable: flag("immutable"),
            max: number("max"),
            min: number("min"),
            max_items: rule
                .get_field_by_name("max_items")
                .and_then(|v| v.as_u32())
                .unwrap_or(0),
            multiline: flag("multiline"),
            reference: rule
                .get_field_by_name("reference")
                .and_then(|v| v.as_str().map(str::to_owned))
                .unwrap_or_default(),
        }
    }
}

/// The path of the Rust type of a message or enum.
fn rust_type(full_name: &str) -> String {
    format!("crate::{}", full_name.replace('.', "::"))
}

/// The name of a field in Rust.
fn rust_field(name: &str) -> String {
    match name {
        "final" | "type" | "match" | "move" | "ref" => format!("r#{name}"),
        _ => name.to_owned(),
    }
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for (i, c) in name.char_indices() {
        if c.is_uppercase() && i > 0 {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

fn upper_camel(name: &str) -> String {
    name.split('_')
        .map(|part| {
            let mut chars = part.chars();
            chars
                .next()
                .map(|c| c.to_uppercase().chain(chars).collect::<String>())
                .unwrap_or_default()
        })
        .collect()
}

/// `Admit`: normalizes the texts of a message and reports every bad field.
fn admit(
    out: &mut String,
    message: &MessageDescriptor,
    options: &Options,
    resources: &[Resource],
) -> Result<()> {
    let is_resource = options.resource(message).is_some();
    let is_request = message.name().ends_with("Request");
    writeln!(out, "impl Admit for {} {{", rust_type(message.full_name()))?;
    writeln!(
        out,
        "#[allow(unused_variables)] fn admit(&mut self, v: &mut Violations) {{"
    )?;
    for field in message.fields().filter(|f| f.containing_oneof().is_none()) {
        let rule = options.rule(&field);
        let name = field.name();
        let own = format!("self.{}", rust_field(name));
        if rule.output_only || (is_resource && name == "name") {
            continue;
        }
        match (field.kind(), field.cardinality()) {
            (Kind::String, Cardinality::Repeated) if !rule.reference.is_empty() => {
                items(out, &rule, name, &own)?;
                writeln!(
                    out,
                    "for (i, item) in {own}.iter().enumerate() {{ v.item({name:?}, i, |v| rules::reference(v, \"\", item, true, {:?})); }}",
                    rule.reference
                )?;
            }
            (Kind::String, Cardinality::Repeated) => {
                bounded(&rule, &field)?;
                items(out, &rule, name, &own)?;
                writeln!(
                    out,
                    "for (i, item) in {own}.iter_mut().enumerate() {{ v.item({name:?}, i, |v| rules::text(v, \"\", item, true, {}, {})); }}",
                    rule.max, rule.multiline
                )?;
            }
            (Kind::String, _) if is_request && WELL_KNOWN.contains(&name) => match name {
                "parent" => writeln!(out, "rules::office(v, {name:?}, &{own});")?,
                "name" => {
                    let collection = named(message, &rule, resources);
                    writeln!(
                        out,
                        "rules::resource_name(v, {name:?}, &{own}, {collection:?});"
                    )?;
                }
                "request_id" => writeln!(out, "rules::request_id(v, {name:?}, &{own});")?,
                "page_token" | "filter" => {
                    writeln!(
                        out,
                        "rules::text(v, {name:?}, &mut {own}, false, 2000, false);"
                    )?;
                }
                _ => writeln!(
                    out,
                    "rules::text(v, {name:?}, &mut {own}, false, 200, false);"
                )?,
            },
            (Kind::String, _) if name == "etag" => {
                writeln!(
                    out,
                    "rules::text(v, {name:?}, &mut {own}, false, 200, false);"
                )?;
            }
            (Kind::String, _) if is_request && name.ends_with("_id") => {
                writeln!(out, "rules::id(v, {name:?}, &{own});")?;
            }
            (Kind::String, _) if !rule.reference.is_empty() => writeln!(
                out,
                "rules::reference(v, {name:?}, &{own}, {}, {:?});",
                rule.required, rule.reference
            )?,
            (Kind::String, _) => {
                bounded(&rule, &field)?;
                writeln!(
                    out,
                    "rules::text(v, {name:?}, &mut {own}, {}, {}, {});",
                    rule.required, rule.max, rule.multiline
                )?;
            }
            (Kind::Int32 | Kind::Int64, _) if name == "page_size" => {
                writeln!(out, "rules::page_size(v, {own});")?;
            }
            (Kind::Int32 | Kind::Int64, _) if field.supports_presence() => {}
            (Kind::Int32 | Kind::Int64, Cardinality::Optional | Cardinality::Required) => {
                #[allow(clippy::useless_conversion)]
                writeln!(
                    out,
                    "rules::number(v, {name:?}, i64::from({own}), {}, {});",
                    rule.min, rule.max
                )?;
            }
            (Kind::Enum(e), Cardinality::Optional | Cardinality::Required) => writeln!(
                out,
                "rules::enumeration::<{}>(v, {name:?}, {own}, {});",
                rust_type(e.full_name()),
                rule.required
            )?,
            (Kind::Message(m), Cardinality::Repeated) if ours(&m) => {
                items(out, &rule, name, &own)?;
                writeln!(
                    out,
                    "for (i, item) in {own}.iter_mut().enumerate() {{ v.item({name:?}, i, |v| item.admit(v)); }}"
                )?;
            }
            (Kind::Message(m), Cardinality::Optional | Cardinality::Required) => {
                if rule.required {
                    writeln!(out, "rules::given(v, {name:?}, {own}.is_some());")?;
                }
                // The resource in an update is partial: the ledger admits it after it is merged into
                // the stored one.
                let admitted_by_ledger =
                    options.resource(&m).is_some() && message.get_field_by_name("parent").is_none();
                if m.full_name() == "google.protobuf.Timestamp" {
                    writeln!(out, "rules::timestamp(v, {name:?}, {own}.as_ref());")?;
                } else if ours(&m) && !admitted_by_ledger {
                    writeln!(
                        out,
                        "if let Some(inner) = &mut {own} {{ v.within({name:?}, |v| inner.admit(v)); }}"
                    )?;
                }
            }
            _ => {}
        }
    }
    for oneof in message.oneofs().filter(|o| !o.is_synthetic()) {
        let kind = format!(
            "{}::{}::{}",
            rust_type(message.parent_file().package_name()),
            snake(message.name()),
            upper_camel(oneof.name())
        );
        writeln!(
            out,
            "match &mut self.{} {{ None => {{}}",
            rust_field(oneof.name())
        )?;
        for field in oneof.fields() {
            let variant = upper_camel(field.name());
            writeln!(
                out,
                "Some({kind}::{variant}(inner)) => v.within({:?}, |v| inner.admit(v)),",
                field.name()
            )?;
        }
        writeln!(out, "}}")?;
    }
    writeln!(out, "}} }}")?;
    Ok(())
}

/// Fields of requests whose rule follows from their name.
const WELL_KNOWN: &[&str] = &[
    "parent",
    "name",
    "request_id",
    "page_token",
    "filter",
    "order_by",
    "etag",
];

fn bounded(rule: &Rule, field: &FieldDescriptor) -> Result<()> {
    if rule.max == 0 {
        return Err(format!("{} has no `max`", field.full_name()).into());
    }
    Ok(())
}

fn items(out: &mut String, rule: &Rule, name: &str, own: &str) -> Result<()> {
    if rule.max_items == 0 {
        return Err(format!("the list {name} has no `max_items`").into());
    }
    writeln!(
        out,
        "rules::items(v, {name:?}, {own}.len(), {}, {});",
        rule.required, rule.max_items
    )?;
    Ok(())
}

/// The collection that the `name` of a request must be in; empty for any.
fn named(request: &MessageDescriptor, rule: &Rule, resources: &[Resource]) -> String {
    if !rule.reference.is_empty() {
        return rule.reference.clone();
    }
    answered_by(request)
        .and_then(|answer| resources.iter().find(|r| r.message == answer))
        .map(|r| r.collection.clone())
        .unwrap_or_default()
}

fn answered_by(request: &MessageDescriptor) -> Option<MessageDescriptor> {
    let file = request.parent_file();
    file.services()
        .flat_map(|s| s.methods().collect::<Vec<_>>())
        .find(|m| m.input() == *request)
        .map(|m| m.output())
}

/// `Encoded`.
fn encoded(out: &mut String, ty: &str) -> Result<()> {
    writeln!(
        out,
        "impl Encoded for {ty} {{ fn from_bytes(bytes: &[u8]) -> Result<Self, prost::DecodeError> {{ prost::Message::decode(bytes) }} fn to_bytes(&self) -> Vec<u8> {{ prost::Message::encode_to_vec(self) }} }}"
    )?;
    Ok(())
}

/// `Resource`: names, field lists, and access to fields.
fn resource(out: &mut String, resource: &Resource, options: &Options) -> Result<()> {
    let message = &resource.message;
    let fields: HashMap<String, Rule> = message
        .fields()
        .map(|f| (f.name().to_owned(), options.rule(&f)))
        .collect();
    let stored = |name: &str| {
        matches!(
            name,
            "name" | "create_time" | "update_time" | "delete_time" | "etag"
        )
    };
    let names = |keep: &dyn Fn(&str, &Rule) -> bool| -> Vec<String> {
        message
            .fields()
            .filter(|f| !stored(f.name()) && keep(f.name(), &fields[f.name()]))
            .map(|f| f.name().to_owned())
            .collect()
    };
    let settable = names(&|_, rule| !rule.output_only);
    let output_only = names(&|_, rule| rule.output_only);
    let immutable = names(&|_, rule| rule.immutable);
    encoded(out, &rust_type(message.full_name()))?;
    writeln!(
        out,
        "impl Resource for {} {{",
        rust_type(message.full_name())
    )?;
    writeln!(out, "const TYPE: &'static str = {:?};", message.name())?;
    writeln!(
        out,
        "const MESSAGE: &'static str = {:?};",
        message.full_name()
    )?;
    writeln!(out, "const PATTERN: &'static str = {:?};", resource.pattern)?;
    writeln!(
        out,
        "const COLLECTION: &'static str = {:?};",
        resource.collection
    )?;
    writeln!(out, "const SINGLETON: bool = {};", resource.singleton)?;
    writeln!(
        out,
        "const SETTABLE: &'static [&'static str] = &{settable:?};"
    )?;
    writeln!(
        out,
        "const OUTPUT_ONLY: &'static [&'static str] = &{output_only:?};"
    )?;
    writeln!(
        out,
        "const IMMUTABLE: &'static [&'static str] = &{immutable:?};"
    )?;
    writeln!(
        out,
        "fn stored(&self) -> Stored<'_> {{ Stored {{ name: &self.name, etag: &self.etag, create_time: self.create_time, update_time: self.update_time, delete_time: self.delete_time }} }}"
    )?;
    writeln!(
        out,
        "fn set_stored(&mut self, stored: Stored<'_>) {{ self.name = stored.name.to_owned(); self.etag = stored.etag.to_owned(); self.create_time = stored.create_time; self.update_time = stored.update_time; self.delete_time = stored.delete_time; }}"
    )?;
    let arms = |body: &dyn Fn(&str) -> String| -> String {
        settable
            .iter()
            .chain(&output_only)
            .map(|n| format!("{n:?} => {},", body(&rust_field(n))))
            .collect()
    };
    writeln!(
        out,
        "fn copy_field(&mut self, from: &Self, field: &str) {{ match field {{ {} _ => {{}} }} }}",
        arms(&|f| format!("self.{f}.clone_from(&from.{f})"))
    )?;
    writeln!(
        out,
        "fn same_field(&self, other: &Self, field: &str) -> bool {{ match field {{ {} _ => true }} }}",
        arms(&|f| format!("self.{f} == other.{f}"))
    )?;
    writeln!(out, "}}")?;
    Ok(())
}

/// The body of every implementation of `Write`.
const WRITE: &str = "fn request_id(&self) -> &str { &self.request_id } \
    fn validate_only(&self) -> bool { self.validate_only } \
    fn set_validate_only(&mut self, validate_only: bool) { self.validate_only = validate_only; }";

/// `Call`, and the other request traits that follow from a method's name and fields.
fn call(out: &mut String, method: &MethodDescriptor, resources: &[Resource]) -> Result<()> {
    let request = method.input();
    let ty = rust_type(request.full_name());
    let has = |name: &str| request.get_field_by_name(name).is_some();
    let is_resource = |m: &MessageDescriptor| resources.iter().any(|r| r.message == *m);
    let resource_field = request.fields().find_map(|f| match f.kind() {
        Kind::Message(m) if !f.is_list() && is_resource(&m) => Some((f.name().to_owned(), m)),
        _ => None,
    });
    let (path, place) = if has("parent") {
        ("parent".to_owned(), "&self.parent".to_owned())
    } else if has("name") {
        ("name".to_owned(), "&self.name".to_owned())
    } else if let Some((field, _)) = &resource_field {
        let name = format!("self.{field}.as_ref().map_or(\"\", |r| &r.name)");
        (format!("{field}.name"), name)
    } else {
        return Err(format!("{} has no field that names an office", request.full_name()).into());
    };
    encoded(out, &ty)?;
    writeln!(
        out,
        "impl Call for {ty} {{ const METHOD: &'static str = {:?}; const PATH: &'static str = {:?}; const MESSAGE: &'static str = {:?}; const PLACE: &'static str = {path:?}; fn place(&self) -> &str {{ {place} }} }}",
        method.name(),
        format!("/{}/{}", method.parent_service().full_name(), method.name()),
        request.full_name()
    )?;

    let output = method.output();
    let name = method.name();
    if let Some((field, message)) = resource_field {
        let of = rust_type(message.full_name());
        writeln!(out, "impl Write for {ty} {{ {WRITE} }}")?;
        if name.starts_with("Create") {
            writeln!(
                out,
                "impl Create for {ty} {{ type Resource = {of}; const FIELD: &'static str = {field:?}; fn id(&self) -> &str {{ &self.{field}_id }} fn take(&mut self) -> Option<{of}> {{ self.{field}.take() }} }}"
            )?;
        } else {
            writeln!(
                out,
                "impl Update for {ty} {{ type Resource = {of}; const FIELD: &'static str = {field:?}; fn take(&mut self) -> Option<{of}> {{ self.{field}.take() }} fn mask(&self) -> Option<&prost_types::FieldMask> {{ self.update_mask.as_ref() }} }}"
            )?;
        }
    } else if has("name") && has("request_id") && is_resource(&output) {
        writeln!(out, "impl Write for {ty} {{ {WRITE} }}")?;
        writeln!(
            out,
            "impl Change for {ty} {{ type Resource = {}; fn name(&self) -> &str {{ &self.name }} fn etag(&self) -> &str {{ &self.etag }} }}",
            rust_type(output.full_name())
        )?;
    } else if has("request_id") {
        writeln!(out, "impl Write for {ty} {{ {WRITE} }}")?;
    } else if method.is_server_streaming() {
        let watched = output.fields().find_map(|f| match f.kind() {
            Kind::Message(m) if is_resource(&m) => Some((f.name().to_owned(), m)),
            _ => None,
        });
        let (field, message) =
            watched.ok_or_else(|| format!("{} streams no resource", output.full_name()))?;
        let (of, answer) = (
            rust_type(message.full_name()),
            rust_type(output.full_name()),
        );
        writeln!(out, "impl Watch for {ty} {{ type Resource = {of}; type Response = {answer};
            fn resume_token(&self) -> &str {{ &self.resume_token }}
            fn change(change: Changed<{of}>, resume_token: String) -> {answer} {{ {answer} {{
                {field}: Some(change.record), method: change.method, time: Some(change.time), caller: change.caller, resume_token }} }}
            fn heartbeat(resume_token: String) -> {answer} {{ {answer} {{ resume_token, ..Default::default() }} }} }}")?;
    } else if name.starts_with("Get") && is_resource(&output) {
        writeln!(
            out,
            "impl Get for {ty} {{ type Resource = {}; fn name(&self) -> &str {{ &self.name }} }}",
            rust_type(output.full_name())
        )?;
    } else if has("page_token") && has("order_by") {
        let answer = rust_type(output.full_name());
        let list = output
            .fields()
            .find_map(|f| match f.kind() {
                Kind::Message(m) if f.is_list() && is_resource(&m) => {
                    Some((f.name().to_owned(), m))
                }
                _ => None,
            })
            .ok_or_else(|| format!("{} lists no resource", output.full_name()))?;
        writeln!(out, "impl List for {ty} {{ type Resource = {of}; type Response = {answer};
            fn page_size(&self) -> i32 {{ self.page_size }} fn page_token(&self) -> &str {{ &self.page_token }}
            fn filter(&self) -> &str {{ &self.filter }} fn order_by(&self) -> &str {{ &self.order_by }}
            fn show_deleted(&self) -> bool {{ self.show_deleted }}
            fn response(items: Vec<{of}>, next_page_token: String) -> {answer} {{ {answer} {{ {field}: items, next_page_token }} }} }}",
            of = rust_type(list.1.full_name()), field = list.0)?;
    }
    Ok(())
}
