//! The rules of the contracts, each checked for all methods, messages and fields: first in the
//! descriptors, then by calling every method.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, FileDescriptor, Kind,
    MessageDescriptor, MethodDescriptor, ReflectMessage, Value,
};
use taizhang::roles::ROLES;
use taizhang_contracts::descriptors::pool;
use taizhang_contracts::{METHODS, Reason};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::harness::{OFFICE, Suite, reason};
use crate::served_methods::{
    self, ServedMethod, bad_fields, error_reason, has_han, is_own, pattern, rule,
};

on_each_database!(
    all_bad_fields_are_reported_at_once,
    missing_required_fields_are_reported,
    a_list_that_is_too_long_is_reported,
    hundreds_of_bad_fields_fit_into_the_trailers,
    long_values_are_shortened_in_errors,
    updates_are_bounded_too,
    a_malformed_name_is_reported,
    a_negative_page_size_is_reported,
    a_forged_page_token_is_refused,
    a_filter_or_order_over_an_unknown_field_lists_the_known_ones,
    a_missing_record_is_reported_by_its_name,
    errors_are_in_the_requested_language,
);

// ---- descriptors ----

/// Every file of Taizhang's packages.
fn files() -> Vec<FileDescriptor> {
    let files = pool().files();
    files
        .filter(|f| f.package_name().starts_with("taizhang."))
        .collect()
}

fn all_methods() -> Vec<MethodDescriptor> {
    pool()
        .services()
        .flat_map(|s| s.methods().collect::<Vec<_>>())
        .collect()
}

fn messages(pool: &DescriptorPool) -> Vec<MessageDescriptor> {
    pool.all_messages().filter(is_own).collect()
}

fn enums() -> Vec<EnumDescriptor> {
    let ours = |e: &EnumDescriptor| e.full_name().starts_with("taizhang.");
    pool().all_enums().filter(ours).collect()
}

fn is(field: &FieldDescriptor, type_name: &str) -> bool {
    match field.kind() {
        Kind::Message(m) => m.full_name() == type_name,
        Kind::String => type_name == "string",
        Kind::Bool => type_name == "bool",
        Kind::Int32 => type_name == "int32",
        _ => false,
    }
}

fn assert_field(message: &MessageDescriptor, name: &str, type_name: &str) -> FieldDescriptor {
    let field = message.get_field_by_name(name);
    let field = field.unwrap_or_else(|| panic!("{} has no {name}", message.full_name()));
    assert!(
        is(&field, type_name) && !field.is_list(),
        "{}",
        field.full_name()
    );
    field
}

fn snake(camel: &str) -> String {
    let mut snake = String::new();
    for c in camel.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

fn upper_first(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

#[test]
fn resources_have_what_every_resource_has() {
    const TIMESTAMP: &str = "google.protobuf.Timestamp";
    let mut patterns = BTreeSet::new();
    let resources = served_methods::resources();
    assert!(!resources.is_empty());
    for resource in resources {
        let name = assert_field(&resource, "name", "string");
        assert_eq!(name.number(), 1, "{}", resource.full_name());
        assert_field(&resource, "etag", "string");
        for time in ["create_time", "update_time", "delete_time"] {
            let field = assert_field(&resource, time, TIMESTAMP);
            assert!(rule(&field).output_only, "{}", field.full_name());
        }
        // Every name is in an office and ends with an id named after the resource.
        let pattern = pattern(&resource).unwrap();
        let own = snake(resource.name());
        let parts: Vec<&str> = pattern.split('/').collect();
        let [offices, office, collection, id @ ..] = parts.as_slice() else {
            panic!("{pattern}")
        };
        assert_eq!((*offices, *office), ("offices", "{office}"), "{pattern}");
        assert!(
            collection.chars().all(|c| c.is_ascii_alphabetic()),
            "{pattern}"
        );
        assert!(
            collection.starts_with(|c: char| c.is_ascii_lowercase()),
            "{pattern}"
        );
        match id {
            [] => assert_eq!(upper_first(collection), resource.name(), "{pattern}"),
            [id] => assert_eq!(*id, format!("{{{own}}}"), "{pattern}"),
            _ => panic!("{pattern}"),
        }
        assert!(patterns.insert(pattern.clone()), "{pattern} twice");

        // Every resource can be read.
        let get = format!("Get{}", resource.name());
        assert!(all_methods().iter().any(|m| m.name() == get), "no {get}");
    }
}

#[test]
fn states_change_by_methods_only() {
    for resource in served_methods::resources() {
        for field in resource.fields() {
            if field.name() == "state" {
                assert!(rule(&field).output_only, "{}", field.full_name());
                assert!(
                    matches!(field.kind(), Kind::Enum(_)),
                    "{}",
                    field.full_name()
                );
            }
        }
    }
}

#[test]
fn enums_begin_with_unspecified() {
    for e in enums() {
        let prefix = snake(e.name()).to_uppercase();
        let first = e.values().next().unwrap();
        assert_eq!(first.number(), 0, "{}", first.full_name());
        assert_eq!(first.name(), format!("{prefix}_UNSPECIFIED"));
        for value in e.values() {
            assert!(
                value.name().starts_with(&format!("{prefix}_")),
                "{}",
                value.full_name()
            );
        }
    }
}

#[test]
fn instants_are_called_times() {
    for message in messages(pool()) {
        for field in message.fields() {
            let called_time = field.name() == "time" || field.name().ends_with("_time");
            let instant = is(&field, "google.protobuf.Timestamp");
            assert!(!instant || called_time, "{}", field.full_name());
        }
    }
}

/// The leading comment of a declaration.
fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let info = file
        .file_descriptor_proto()
        .source_code_info
        .as_ref()
        .unwrap();
    let location = info.location.iter().find(|l| l.path == path);
    location
        .map(|l| l.leading_comments().trim().to_owned())
        .unwrap_or_default()
}

#[test]
fn everything_is_documented_in_both_languages() {
    let mut bare = Vec::new();
    let mut look = |file: &FileDescriptor, path: &[i32], name: &str, chinese: bool| {
        let comment = comment(file, path);
        let english = comment.chars().any(|c| c.is_ascii_alphabetic());
        if !english || chinese && !has_han(&comment) {
            bare.push(format!("{name}: {comment:?}"));
        }
    };
    for file in files() {
        for service in file.services() {
            look(&file, service.path(), service.full_name(), true);
            for method in service.methods() {
                look(&file, method.path(), method.full_name(), true);
            }
        }
        for extension in file.extensions() {
            look(&file, extension.path(), extension.full_name(), true);
        }
    }
    for message in messages(pool()) {
        let file = message.parent_file();
        // Requests are documented by their fields.
        let by_itself = ["Request", "Response"]
            .iter()
            .all(|end| !message.name().ends_with(end));
        look(&file, message.path(), message.full_name(), by_itself);
        for field in message.fields() {
            look(&file, field.path(), field.full_name(), true);
        }
        for oneof in message.oneofs().filter(|o| !o.is_synthetic()) {
            look(&file, oneof.path(), oneof.full_name(), true);
        }
    }
    for e in enums() {
        look(&e.parent_file(), e.path(), e.full_name(), true);
        for value in e.values() {
            look(
                &e.parent_file(),
                value.path(),
                value.full_name(),
                value.number() != 0,
            );
        }
    }
    assert!(
        bare.is_empty(),
        "without a comment in both languages:\n{}",
        bare.join("\n")
    );
}

/// The messages that callers send: requests, and the messages in them.
fn sent() -> Vec<MessageDescriptor> {
    let mut found: Vec<_> = all_methods().iter().map(MethodDescriptor::input).collect();
    let mut next = 0;
    while let Some(message) = found.get(next).cloned() {
        next += 1;
        for field in message.fields().filter(|f| !rule(f).output_only) {
            if let Kind::Message(inner) = field.kind()
                && is_own(&inner)
                && !found.contains(&inner)
            {
                found.push(inner);
            }
        }
    }
    found
}

/// Whether a field is bounded by its name, in every request.
fn bounded_by_name(message: &MessageDescriptor, field: &FieldDescriptor) -> bool {
    let well_known = [
        "parent",
        "name",
        "request_id",
        "page_token",
        "filter",
        "order_by",
        "etag",
    ];
    let of_request = message.name().ends_with("Request")
        && (well_known.contains(&field.name()) || field.name().ends_with("_id"));
    let of_resource = pattern(message).is_some() && ["name", "etag"].contains(&field.name());
    of_request || of_resource
}

#[test]
fn every_field_of_a_request_has_a_bound() {
    let mut strings = 0;
    for message in sent() {
        for field in message.fields().filter(|f| !rule(f).output_only) {
            let (rule, at) = (rule(&field), field.full_name());
            assert!(!matches!(field.kind(), Kind::Bytes), "{at}");
            assert!(!field.is_map(), "{at}");
            if field.is_list() {
                assert!(rule.max_items > 0, "the list {at} has no bound");
            }
            if matches!(field.kind(), Kind::String) {
                strings += 1;
                let bounded = rule.max > 0 || !rule.reference.is_empty();
                assert!(
                    bounded || bounded_by_name(&message, &field),
                    "{at} has no bound"
                );
            }
            if let Kind::Message(m) = field.kind()
                && !is_own(&m)
            {
                // The content of an Any is bounded by its own contract.
                let known = [
                    "google.protobuf.Timestamp",
                    "google.protobuf.FieldMask",
                    "google.protobuf.Any",
                ];
                assert!(known.contains(&m.full_name()), "{at}");
            }
        }
    }
    assert!(strings > 100, "only {strings} strings were checked");
}

#[test]
fn references_name_collections_that_exist() {
    let collections: Vec<String> = served_methods::resources()
        .iter()
        .map(served_methods::collection)
        .collect();
    for message in messages(pool()) {
        for field in message.fields() {
            let reference = rule(&field).reference;
            let known = reference.is_empty() || collections.contains(&reference);
            assert!(known, "{}: {reference}", field.full_name());
        }
    }
}

#[test]
fn every_method_requires_a_scope_of_its_service() {
    assert_eq!(METHODS.len(), all_methods().len());
    for at in served_methods::all() {
        let scope = at.scope();
        let (service, action) = scope.split_once('.').unwrap();
        assert_eq!(service, at.role.name, "{at}");
        let actions = ["read", "write", "configure", "finalize"];
        assert!(actions.contains(&action), "{at}: {scope}");
    }
}

/// The standard methods are as AIP-131 to 135 and 164 have them, and every other method that writes
/// changes one resource by its name (AIP-136).
#[test]
fn methods_have_the_shape_of_their_kind() {
    for method in all_methods() {
        let (at, input, output) = (method.full_name(), method.input(), method.output());
        assert_eq!(input.name(), format!("{}Request", method.name()), "{at}");
        assert!(!method.is_client_streaming(), "{at}");
        let declared = METHODS
            .iter()
            .find(|m| m.service == method.parent_service().full_name() && m.name == method.name());
        let reads = declared.unwrap().scope.ends_with(".read");
        let has = |field: &str| input.get_field_by_name(field).is_some();

        // A method that writes has request_id and validate_only (AIP-155, 163).
        if reads {
            assert!(!has("request_id") && !has("validate_only"), "{at}");
        } else {
            assert_field(&input, "request_id", "string");
            assert_field(&input, "validate_only", "bool");
            // A batch returns an answer for each of its calls.
            let batch = output.name() == "BatchWriteResponse";
            assert!(
                batch || pattern(&output).is_some(),
                "{at} does not return a resource"
            );
        }
        // Exactly one field determines the office.
        let resource = served_methods::resource_field(&input);
        let ways = [
            has("parent"),
            has("name"),
            resource.is_some() && !has("parent"),
        ];
        assert_eq!(ways.iter().filter(|way| **way).count(), 1, "{at}");
        for place in ["parent", "name"].into_iter().filter(|place| has(place)) {
            assert_eq!(assert_field(&input, place, "string").number(), 1, "{at}");
        }
        if pattern(&output).is_none() {
            assert_eq!(output.name(), format!("{}Response", method.name()), "{at}");
        }
        // Streams of changes can be resumed.
        assert_eq!(method.is_server_streaming(), has("resume_token"), "{at}");
        if method.is_server_streaming() {
            assert!(reads && method.name().starts_with("Watch"), "{at}");
            assert_field(&input, "resume_token", "string");
            assert_field(&output, "resume_token", "string");
        }
        shape_of_standard(&method, resource);
        shape_of_pages(&method);
    }
}

fn shape_of_standard(method: &MethodDescriptor, resource: Option<FieldDescriptor>) {
    let (at, input, output) = (method.full_name(), method.input(), method.output());
    let has = |field: &str| input.get_field_by_name(field).is_some();
    let verbs = ["Get", "Create", "Update", "Delete", "Undelete"];
    let verb = verbs.iter().find(|verb| {
        let noun = method.name().strip_prefix(*verb);
        noun.is_some_and(|noun| served_methods::resources().iter().any(|r| r.name() == noun))
    });
    let own = snake(output.name());
    match verb {
        Some(verb) => assert_eq!(method.name(), format!("{verb}{}", output.name()), "{at}"),
        None => assert!(resource.is_none(), "{at} takes a whole resource"),
    }
    match verb {
        Some(&"Get") => assert_eq!(input.fields().len(), 1, "{at}"),
        Some(&"Create") => {
            assert!(has("parent") && !has("name") && !has("etag"), "{at}");
            assert_field(&input, &format!("{own}_id"), "string");
            let field = assert_field(&input, &own, output.full_name());
            assert!(rule(&field).required, "{at}");
        }
        Some(&"Update") => {
            assert!(!has("parent") && !has("name") && !has("etag"), "{at}");
            let field = assert_field(&input, &own, output.full_name());
            assert!(rule(&field).required, "{at}");
            assert_field(&input, "update_mask", "google.protobuf.FieldMask");
        }
        // Custom methods have an etag too, except those of a whole office, which are not about
        // one record.
        _ if has("request_id") && !has("parent") => {
            assert_field(&input, "name", "string");
            assert_field(&input, "etag", "string");
        }
        _ => {}
    }
}

/// AIP-132 and 158.
fn shape_of_pages(method: &MethodDescriptor) {
    let (at, input, output) = (method.full_name(), method.input(), method.output());
    let pages = input.get_field_by_name("page_size").is_some();
    let next = output.get_field_by_name("next_page_token").is_some();
    assert_eq!(pages, next, "{at}");
    if pages {
        assert!(method.name().starts_with("List"), "{at}");
        assert_field(&input, "page_size", "int32");
        assert_field(&input, "page_token", "string");
        assert_field(&output, "next_page_token", "string");
    }
    let item = output.fields().find_map(|f| match f.kind() {
        Kind::Message(m) if f.is_list() => Some((f.name().to_owned(), m)),
        _ => None,
    });
    if let Some((field, resource)) = item.filter(|(_, m)| pattern(m).is_some())
        && method.name().starts_with("List")
    {
        assert!(pages, "{at}");
        assert_field(&input, "parent", "string");
        assert_field(&input, "filter", "string");
        assert_field(&input, "order_by", "string");
        assert_field(&input, "show_deleted", "bool");
        let collection = served_methods::collection(&resource);
        assert_eq!(
            method.name(),
            format!("List{}", upper_first(&collection)),
            "{at}"
        );
        assert_eq!(field, snake(&collection), "{at}");
    }
}

#[test]
fn reasons_are_documented_and_unique() {
    let mut names = BTreeSet::new();
    for reason in Reason::ALL {
        let name = reason.name();
        assert!(names.insert(name), "{name} twice");
        assert!(
            name.chars().all(|c| c.is_ascii_uppercase() || c == '_'),
            "{name}"
        );
        assert!(!reason.doc().trim().is_empty(), "{name}");
        let (zh, en) = reason.texts();
        assert!(has_han(zh) && !en.is_empty() && en.is_ascii(), "{name}");
        assert!(!matches!(reason.code(), Code::Ok | Code::Unknown), "{name}");
    }
}

#[test]
fn every_role_has_services_of_its_own() {
    let mut served: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for role in ROLES {
        for service in role.grpc_services {
            served.entry(service).or_default().push(role.name);
        }
    }
    for service in pool().services() {
        let by = served.get(service.full_name());
        let by = by.unwrap_or_else(|| panic!("nobody serves {}", service.full_name()));
        let package = service.package_name();
        let shared = ["batch", "history", "statistics"]
            .iter()
            .any(|shared| package == format!("taizhang.{shared}.v1"));
        if !shared {
            let [role] = by.as_slice() else {
                panic!("{} is served by {by:?}", service.full_name())
            };
            assert_eq!(package, format!("taizhang.{role}.v1"));
        }
    }
}

// ---- calls of every method ----

/// Asserts that a request is refused because of its fields; returns them.
async fn refused_fields(
    suite: &Suite,
    token: &str,
    at: &ServedMethod,
    request: DynamicMessage,
) -> BTreeSet<String> {
    let status = refused(suite, token, at, request).await;
    assert_eq!(reason(&status), "INVALID_FIELDS", "{at}: {status:?}");
    assert_eq!(status.code(), Code::InvalidArgument, "{at}");
    let fields = bad_fields(&status);
    assert!(!fields.is_empty(), "{at} names no field");
    fields
}

async fn refused(suite: &Suite, token: &str, at: &ServedMethod, request: DynamicMessage) -> Status {
    let answer = at.call_with(suite, token, request).await;
    let status = answer.err().unwrap_or_else(|| panic!("{at} answered"));
    error_reason(&status, "zh-CN", at);
    status
}

/// Sets every field to a value that its rule refuses, and collects the fields' paths. A name
/// determines the office of the call, so it is kept.
fn spoil(message: &mut DynamicMessage, path: &str, spoilt: &mut BTreeSet<String>) {
    let descriptor = message.descriptor();
    for field in descriptor.fields() {
        let rule = rule(&field);
        let alternative = field.containing_oneof().is_some_and(|o| !o.is_synthetic());
        if rule.output_only || field.is_list() || alternative {
            continue;
        }
        let at = match path {
            "" => field.name().to_owned(),
            path => format!("{path}.{}", field.name()),
        };
        let bad = match field.kind() {
            Kind::String => match field.name() {
                "parent" | "name" => continue,
                "request_id" => Value::String("not-a-uuid".into()),
                "page_token" | "filter" => Value::String("x".repeat(2001)),
                "order_by" | "etag" => Value::String("x".repeat(201)),
                name if name.ends_with("_id") && descriptor.name().ends_with("Request") => {
                    Value::String("Not an id".into())
                }
                _ if !rule.reference.is_empty() => Value::String("nowhere".into()),
                _ => Value::String("x".repeat(usize::try_from(rule.max).unwrap() + 1)),
            },
            Kind::Int32 if field.name() == "page_size" => Value::I32(-1),
            Kind::Int32 if rule.max > 0 => Value::I32(i32::try_from(rule.max).unwrap() + 1),
            Kind::Int64 if rule.max > 0 => Value::I64(rule.max + 1),
            Kind::Enum(_) => Value::EnumNumber(9999),
            Kind::Message(m) if m.full_name() == "google.protobuf.Timestamp" => {
                let time = prost_types::Timestamp {
                    seconds: i64::MAX,
                    nanos: 0,
                };
                let mut inner = DynamicMessage::new(m);
                inner.transcode_from(&time).unwrap();
                Value::Message(inner)
            }
            Kind::Message(m) if m.full_name() == "taizhang.common.v1.Date" => {
                let mut inner = DynamicMessage::new(m);
                inner.set_field_by_name("year", Value::I32(2022));
                inner.set_field_by_name("month", Value::I32(13));
                Value::Message(inner)
            }
            Kind::Message(m) if is_own(&m) => {
                let mut inner = DynamicMessage::new(m);
                spoil_inner(&mut inner, &at, spoilt);
                message.set_field(&field, Value::Message(inner));
                continue;
            }
            _ => continue,
        };
        message.set_field(&field, bad);
        spoilt.insert(at);
    }
}

fn spoil_inner(inner: &mut DynamicMessage, at: &str, spoilt: &mut BTreeSet<String>) {
    if inner.descriptor().full_name() != "taizhang.common.v1.Period" {
        return spoil(inner, at, spoilt);
    }
    for day in ["first_day", "last_day"] {
        let field = inner.descriptor().get_field_by_name(day).unwrap();
        inner.set_field(
            &field,
            Value::Message(DynamicMessage::new(served_methods::message_of(&field))),
        );
        spoilt.insert(format!("{at}.{day}"));
    }
}

/// Whether a method creates a resource; that of an update must exist first.
fn creates(at: &ServedMethod) -> bool {
    at.field("parent").is_some() && at.resource_field().is_some()
}

async fn all_bad_fields_are_reported_at_once(suite: Suite) {
    let token = suite.every_scope();
    let mut named = 0;
    for at in served_methods::all() {
        let mut request = at.request(OFFICE);
        let resource = at.resource_field().and_then(|f| {
            let kept = request.get_field(&f).into_owned();
            Some((f, kept)).filter(|_| !creates(&at))
        });
        let mut spoilt = BTreeSet::new();
        spoil(&mut request, "", &mut spoilt);
        // An update is validated together with the stored record, which does not exist yet.
        if let Some((field, kept)) = resource {
            request.set_field(&field, kept);
            spoilt.retain(|path| !path.starts_with(&format!("{}.", field.name())));
        }
        if spoilt.is_empty() {
            continue;
        }
        let fields = refused_fields(&suite, &token, &at, request).await;
        let unnamed: Vec<_> = spoilt.difference(&fields).collect();
        assert!(
            unnamed.is_empty(),
            "{at} does not name {unnamed:?}, only {fields:?}"
        );
        named += spoilt.len();
    }
    assert!(named > 200, "only {named} fields");
}

async fn missing_required_fields_are_reported(suite: Suite) {
    let token = suite.every_scope();
    for at in served_methods::all() {
        let resource = at.resource_field().filter(|_| creates(&at));
        let mut request = DynamicMessage::new(at.method.input());
        if at.office_field().contains('.') {
            // Without the resource the office is missing.
            let fields = refused_fields(&suite, &token, &at, request).await;
            assert!(
                fields.iter().all(|f| at.office_field().starts_with(f)),
                "{at}: {fields:?}"
            );
            continue;
        }
        let name = at
            .request(OFFICE)
            .get_field_by_name(&at.office_field())
            .unwrap()
            .into_owned();
        request.set_field_by_name(&at.office_field(), name);
        let required = |message: &MessageDescriptor| -> Vec<String> {
            let required = message.fields().filter(|f| rule(f).required);
            required.map(|f| f.name().to_owned()).collect()
        };
        let wanted = required(&at.method.input());
        if !wanted.is_empty() {
            let fields = refused_fields(&suite, &token, &at, request.clone()).await;
            assert_eq!(fields, wanted.into_iter().collect(), "{at}");
        }
        if let Some(field) = resource {
            let resource = served_methods::message_of(&field);
            let empty = DynamicMessage::new(resource.clone());
            request.set_field(&field, Value::Message(empty));
            let fields = refused_fields(&suite, &token, &at, request).await;
            for wanted in required(&resource) {
                assert!(
                    fields.contains(&format!("{}.{wanted}", field.name())),
                    "{at}: {wanted}"
                );
            }
        }
    }
}

/// Every list in a request, except lists within lists: its path.
fn lists(message: &MessageDescriptor) -> Vec<Vec<FieldDescriptor>> {
    let mut found = Vec::new();
    for field in message.fields().filter(|f| !rule(f).output_only) {
        match field.kind() {
            _ if field.is_list() => found.push(vec![field]),
            Kind::Message(m) if is_own(&m) => {
                found.extend(lists(&m).into_iter().map(|mut way| {
                    way.insert(0, field.clone());
                    way
                }));
            }
            _ => {}
        }
    }
    found
}

/// Sets the list at the end of a path to so many entries.
fn lengthen(message: &mut DynamicMessage, way: &[FieldDescriptor], entries: usize) {
    let (field, rest) = way.split_first().unwrap();
    if rest.is_empty() {
        let entry = served_methods::valid_value(field, &rule(field), OFFICE);
        message.set_field(field, Value::List(vec![entry; entries]));
    } else {
        let inner = message.get_field_mut(field).as_message_mut().unwrap();
        lengthen(inner, rest, entries);
    }
}

async fn a_list_that_is_too_long_is_reported(suite: Suite) {
    let token = suite.every_scope();
    let mut looked_at = 0;
    for at in served_methods::all()
        .iter()
        .filter(|at| creates(at) || at.resource_field().is_none())
    {
        for way in lists(&at.method.input()) {
            let path: Vec<&str> = way.iter().map(FieldDescriptor::name).collect();
            let mut request = at.request(OFFICE);
            let most = rule(way.last().unwrap()).max_items;
            lengthen(&mut request, &way, most as usize + 1);
            let fields = refused_fields(&suite, &token, at, request).await;
            assert!(
                fields.contains(&path.join(".")),
                "{at}: {path:?} not in {fields:?}"
            );
            looked_at += 1;
        }
    }
    assert!(looked_at > 0);
}

/// Asserts that an error fits into the trailers that gRPC clients accept by default: 8 KiB.
fn assert_arrives(status: &Status, at: &ServedMethod) {
    // Encoded: details in base64, non-ASCII bytes of the message as three characters.
    let escaped = status.message().bytes().filter(|b| !b.is_ascii()).count();
    let size = status.details().len() * 4 / 3 + status.message().len() + 2 * escaped;
    assert!(
        size < 7 << 10,
        "{at}: an error of {size} bytes does not fit into the trailers"
    );
}

async fn hundreds_of_bad_fields_fit_into_the_trailers(suite: Suite) {
    let token = suite.every_scope();
    let mut looked_at = 0;
    for at in served_methods::all()
        .iter()
        .filter(|at| creates(at) || at.resource_field().is_none())
    {
        for way in lists(&at.method.input()) {
            let field = way.last().unwrap();
            let bad = match field.kind() {
                Kind::Message(m) => Value::Message(DynamicMessage::new(m)),
                _ => Value::String("\u{0}".into()),
            };
            let mut request = at.request(OFFICE);
            lengthen(&mut request, &way, rule(field).max_items as usize);
            let mut list = &mut request;
            for outer in &way[..way.len() - 1] {
                list = list.get_field_mut(outer).as_message_mut().unwrap();
            }
            for entry in list.get_field_mut(field).as_list_mut().unwrap() {
                entry.clone_from(&bad);
            }
            let status = refused(&suite, &token, at, request).await;
            assert_eq!(reason(&status), "INVALID_FIELDS", "{at}");
            assert_arrives(&status, at);
            let path: Vec<&str> = way.iter().map(FieldDescriptor::name).collect();
            let first = format!("{}[0]", path.join("."));
            let fields = bad_fields(&status);
            assert!(
                fields.iter().any(|f| f.starts_with(&first)),
                "{at}: {fields:?}"
            );
            looked_at += 1;
        }
    }
    assert!(looked_at > 0);
}

async fn long_values_are_shortened_in_errors(suite: Suite) {
    let token = suite.every_scope();
    let long = "会".repeat(1990);
    let mut looked_at = 0;
    for at in served_methods::all() {
        for field in ["filter", "order_by", "page_token"] {
            if at.field(field).is_some() {
                let mut request = at.request(OFFICE);
                request.set_field_by_name(field, Value::String(format!("{long} = 1")));
                assert_arrives(&refused(&suite, &token, &at, request).await, &at);
                looked_at += 1;
            }
        }
        if let Some(field) = at.field("update_mask") {
            let mut mask = DynamicMessage::new(served_methods::message_of(&field));
            let paths = vec![Value::String(long.clone()); 100];
            mask.set_field_by_name("paths", Value::List(paths));
            let mut request = at.request(OFFICE);
            request.set_field(&field, Value::Message(mask));
            let status = refused(&suite, &token, &at, request).await;
            assert!(bad_fields(&status).contains("update_mask"), "{at}");
            assert_arrives(&status, &at);
            looked_at += 1;
        }
    }
    assert!(looked_at > 30);
}

/// Creates a record by a request with all required fields.
async fn created(suite: &Suite, token: &str, resource: &MessageDescriptor) -> Option<String> {
    let create = format!("Create{}", resource.name());
    let at = served_methods::all()
        .into_iter()
        .find(|at| at.method.name() == create)?;
    let answer = at.call_with(suite, token, at.request(OFFICE)).await.ok()?;
    let name = answer.get_field_by_name("name")?;
    Some(name.as_str()?.to_owned())
}

async fn updates_are_bounded_too(suite: Suite) {
    let token = suite.every_scope();
    let mut looked_at = 0;
    for at in served_methods::all() {
        let Some(field) = at.resource_field().filter(|_| !creates(&at)) else {
            continue;
        };
        let resource = served_methods::message_of(&field);
        let name = if served_methods::is_singleton(&resource) {
            served_methods::name(&resource, OFFICE, "")
        } else {
            // Records that depend on others are tested by their service.
            match created(&suite, &token, &resource).await {
                Some(name) => name,
                None => continue,
            }
        };
        let immutable: BTreeSet<String> = resource
            .fields()
            .filter(|f| rule(f).immutable)
            .map(|f| f.name().to_owned())
            .collect();
        let mut spoilt = BTreeSet::new();
        let mut bad = DynamicMessage::new(resource);
        spoil(&mut bad, field.name(), &mut spoilt);
        bad.set_field_by_name("etag", Value::String(String::new()));
        spoilt.remove(&format!("{}.etag", field.name()));
        // A resource of lists only has no such field.
        if spoilt.is_empty() {
            continue;
        }
        let mut request = DynamicMessage::new(at.method.input());
        request.set_field(&field, Value::Message(bad));
        at.set_name(&mut request, &name);
        let fields = refused_fields(&suite, &token, &at, request).await;
        let unnamed: Vec<_> = spoilt.difference(&fields).collect();
        assert!(
            unnamed.is_empty(),
            "{at} does not name {unnamed:?}, only {fields:?}"
        );
        for one in immutable {
            assert!(
                fields.contains(&format!("{}.{one}", field.name())),
                "{at}: {one}"
            );
        }
        looked_at += 1;
    }
    assert!(looked_at >= 7, "only {looked_at} updates");
}

async fn a_malformed_name_is_reported(suite: Suite) {
    let token = suite.every_scope();
    for at in served_methods::all() {
        let place = at.office_field();
        let mut bad = vec![
            String::new(),
            "demo".to_owned(),
            "offices".to_owned(),
            "offices/".to_owned(),
            "offices/De mo".to_owned(),
            format!("/{OFFICE}"),
            format!("{OFFICE}/"),
            format!("{OFFICE}/nothings/n1"),
            format!("{OFFICE}/nothings/n1/x"),
        ];
        if let Some(resource) = at.named_resource() {
            let whole = served_methods::name(&resource, OFFICE, "n1");
            bad.extend([
                OFFICE.to_owned(),
                format!("{whole}/x/y"),
                format!("{whole}/"),
            ]);
            if served_methods::is_singleton(&resource) {
                bad.push(format!("{whole}/n1"));
            } else {
                let collection = served_methods::collection(&resource);
                bad.push(format!("{OFFICE}/{collection}"));
                bad.push(format!("{OFFICE}/{collection}/N1"));
                bad.push(format!("{OFFICE}/{collection}/-"));
                bad.push(format!("{OFFICE}/{collection}/{}", "n".repeat(64)));
            }
        } else {
            bad.push(format!("{OFFICE}/meetings"));
        }
        for name in bad {
            let mut request = at.request(OFFICE);
            at.set_name(&mut request, &name);
            let fields = refused_fields(&suite, &token, &at, request).await;
            assert_eq!(fields, BTreeSet::from([place.clone()]), "{at}: {name:?}");
        }
    }
}

async fn a_negative_page_size_is_reported(suite: Suite) {
    let token = suite.every_scope();
    let mut looked_at = 0;
    for at in served_methods::all() {
        if at.field("page_size").is_none() {
            continue;
        }
        for size in [-1, i32::MIN] {
            let mut request = at.request(OFFICE);
            request.set_field_by_name("page_size", Value::I32(size));
            let fields = refused_fields(&suite, &token, &at, request).await;
            assert_eq!(fields, BTreeSet::from(["page_size".to_owned()]), "{at}");
        }
        looked_at += 1;
    }
    assert!(looked_at > 10);
}

/// The first indicator of the service that serves a method.
async fn an_indicator(suite: &Suite, token: &str, at: &ServedMethod) -> String {
    let list = served_methods::all()
        .into_iter()
        .find(|w| w.role.name == at.role.name && w.method.name() == "ListIndicators")
        .unwrap();
    let answer = list
        .call_with(suite, token, list.request(OFFICE))
        .await
        .unwrap();
    let first = |message: &DynamicMessage, field: &str| -> Option<DynamicMessage> {
        let list = message.get_field_by_name(field)?;
        Some(list.as_list()?.first()?.as_message()?.clone())
    };
    let source = first(&answer, "sources").unwrap_or(answer);
    let indicator = first(&source, "indicators").unwrap();
    let id = indicator.get_field_by_name("id").unwrap();
    id.as_str().unwrap().to_owned()
}

async fn a_forged_page_token_is_refused(suite: Suite) {
    let token = suite.every_scope();
    let mut looked_at = 0;
    for at in served_methods::all() {
        let fields = [("page_token", 2000), ("resume_token", 200)];
        let field = fields.into_iter().find(|(f, _)| at.field(f).is_some());
        let Some((field, longest)) = field else {
            continue;
        };
        for garbage in ["garbage", "AAAA", "令牌", "////", &"A".repeat(longest)] {
            let mut request = at.request(OFFICE);
            request.set_field_by_name(field, Value::String(garbage.into()));
            if at.field("indicator").is_some() {
                let indicator = an_indicator(&suite, &token, &at).await;
                request.set_field_by_name("indicator", Value::String(indicator));
            }
            if let Some(resource) = at.named_resource()
                && let Some(name) = created(&suite, &token, &resource).await
            {
                at.set_name(&mut request, &name);
            }
            let status = refused(&suite, &token, &at, request).await;
            assert_eq!(reason(&status), "INVALID_PAGE_TOKEN", "{at}: {status:?}");
        }
        looked_at += 1;
    }
    assert!(looked_at > 10);
}

async fn a_filter_or_order_over_an_unknown_field_lists_the_known_ones(suite: Suite) {
    let token = suite.every_scope();
    let mut looked_at = 0;
    for at in served_methods::all() {
        if at.field("filter").is_none() {
            continue;
        }
        let asking = |filter: &str, order_by: &str| {
            let mut request = at.request(OFFICE);
            request.set_field_by_name("filter", Value::String(filter.into()));
            request.set_field_by_name("order_by", Value::String(order_by.into()));
            let bearer = format!("Bearer {token}");
            let (at, suite) = (&at, &suite);
            async move {
                let metadata = [
                    ("authorization", bearer.as_str()),
                    ("accept-language", "en"),
                ];
                at.call(suite, &metadata, request).await
            }
        };
        for (field, filter, order_by) in [
            ("filter", "nonsense = 1", ""),
            ("order_by", "", "nonsense desc"),
        ] {
            let status = asking(filter, order_by).await.unwrap_err();
            assert_eq!(error_reason(&status, "en", &at), "INVALID_FIELDS", "{at}");
            let bad = served_methods::violations(&status);
            let [violation] = bad.as_slice() else {
                panic!("{at}: {bad:?}")
            };
            assert_eq!(violation.field, field, "{at}");
            assert!(
                violation.description.contains("nonsense"),
                "{at}: {violation:?}"
            );
            let (_, known) = violation
                .description
                .split_once("expected one of ")
                .unwrap();
            let known: Vec<&str> = known.split(", ").collect();
            for every in ["id", "create_time", "update_time", "delete_time"] {
                assert!(known.contains(&every), "{at}: {known:?}");
            }
            // Each listed field is accepted.
            for path in known {
                let good = asking("", &format!("{path} desc")).await;
                assert!(good.is_ok(), "{at}: {path}: {good:?}");
                let status = asking(&format!("{path} ="), "").await.unwrap_err();
                let status = format!("{status:?}");
                assert!(!status.contains("no field"), "{at}: {path}: {status}");
            }
        }
        looked_at += 1;
    }
    assert!(looked_at >= 8);
}

async fn a_missing_record_is_reported_by_its_name(suite: Suite) {
    let token = suite.every_scope();
    let mut looked_at = 0;
    for at in served_methods::all() {
        let Some(resource) = at
            .named_resource()
            .filter(|r| !served_methods::is_singleton(r))
        else {
            continue;
        };
        let status = refused(&suite, &token, &at, at.request(OFFICE)).await;
        assert_eq!(status.code(), Code::NotFound, "{at}: {status:?}");
        let info = status.get_details_resource_info();
        let info = info.unwrap_or_else(|| panic!("{at}: no ResourceInfo"));
        assert_eq!(
            info.resource_name,
            served_methods::name(&resource, OFFICE, "no-such-one"),
            "{at}"
        );
        assert_eq!(info.resource_type, resource.full_name(), "{at}");
        looked_at += 1;
    }
    assert!(looked_at > 40, "only {looked_at}");
}

async fn errors_are_in_the_requested_language(suite: Suite) {
    let token = format!("Bearer {}", suite.every_scope());
    let languages = [
        ("", "zh-CN"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("fr", "zh-CN"),
        ("en", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("EN", "en"),
    ];
    for at in served_methods::all() {
        for (asked, locale) in languages {
            let mut bad = at.request(OFFICE);
            at.set_name(&mut bad, "nowhere");
            for (authorization, request) in [(&token, bad), (&String::new(), at.request(OFFICE))] {
                let metadata = [
                    ("authorization", authorization.as_str()),
                    ("accept-language", asked),
                ];
                let status = at.call(&suite, &metadata, request).await.unwrap_err();
                error_reason(&status, locale, &at);
                for violation in served_methods::violations(&status) {
                    assert_eq!(has_han(&violation.description), locale == "zh-CN", "{at}");
                }
                // The status message is English, whatever the language.
                assert!(!has_han(status.message()), "{at}: {}", status.message());
            }
        }
    }
}
