//! Every served method with a valid request for it, generated from the descriptors, so that new
//! methods are tested without being named.

use std::collections::BTreeSet;
use std::fmt;

use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, ReflectMessage,
    Value,
};
use taizhang::roles::{ROLES, Role};
use taizhang_client::DynamicCodec;
use taizhang_contracts::common::{Date, Period, Rule};
use taizhang_contracts::descriptors::pool;
use taizhang_contracts::{METHODS, Reason};
use tonic::{Request, Status};
use tonic_types::{FieldViolation, StatusExt};

use crate::harness::Suite;

/// A method as served by one service.
#[derive(Clone)]
pub struct ServedMethod {
    pub role: &'static Role,
    pub method: MethodDescriptor,
}

impl fmt::Display for ServedMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.method.full_name(), self.role.name)
    }
}

/// Every method of every service.
pub fn all() -> Vec<ServedMethod> {
    let mut all = Vec::new();
    for role in ROLES {
        for service in role.grpc_services {
            let service = pool().get_service_by_name(service).unwrap();
            all.extend(
                service
                    .methods()
                    .map(|method| ServedMethod { role, method }),
            );
        }
    }
    all
}

/// Every scope that a method requires.
pub fn scopes() -> BTreeSet<String> {
    all().iter().map(ServedMethod::scope).collect()
}

impl ServedMethod {
    pub fn path(&self) -> String {
        let service = self.method.parent_service();
        format!("/{}/{}", service.full_name(), self.method.name())
    }

    /// The scope that the method requires in its service.
    pub fn scope(&self) -> String {
        let method = METHODS.iter().find(|m| m.path == self.path()).unwrap();
        method.scope.replace("{service}", self.role.name)
    }

    pub fn field(&self, name: &str) -> Option<FieldDescriptor> {
        self.method.input().get_field_by_name(name)
    }

    /// The field that holds a resource, if the request has one.
    pub fn resource_field(&self) -> Option<FieldDescriptor> {
        resource_field(&self.method.input())
    }

    /// The resource whose name the request requires, if any. For the history, which takes any, the
    /// service's first.
    pub fn named_resource(&self) -> Option<MessageDescriptor> {
        if let Some(field) = self.field("name") {
            let reference = rule(&field).reference;
            let output = self.method.output();
            let wanted = |m: &MessageDescriptor| match (&reference, pattern(&output)) {
                (reference, _) if !reference.is_empty() => collection(m) == *reference,
                (_, Some(_)) => *m == output,
                (_, None) => m.package_name() == format!("taizhang.{}.v1", self.role.name),
            };
            return resources().into_iter().find(wanted);
        }
        let field = self.resource_field()?;
        self.field("parent").is_none().then(|| message_of(&field))
    }

    /// The path of the field that determines the office.
    pub fn office_field(&self) -> String {
        match (self.field("parent"), self.field("name")) {
            (Some(_), _) => "parent".to_owned(),
            (None, Some(_)) => "name".to_owned(),
            (None, None) => format!("{}.name", self.resource_field().unwrap().name()),
        }
    }

    /// A request with valid values in all required fields, for an office and a resource that does
    /// not exist.
    pub fn request(&self, office: &str) -> DynamicMessage {
        let mut request = DynamicMessage::new(self.method.input());
        fill(&mut request, office);
        let name = self
            .named_resource()
            .map(|r| name(&r, office, "no-such-one"));
        self.set_name(&mut request, &name.unwrap_or_else(|| office.to_owned()));
        request
    }

    /// Sets the field at [`ServedMethod::office_field`].
    pub fn set_name(&self, request: &mut DynamicMessage, name: &str) {
        let office_field = self.office_field();
        match office_field.split_once('.') {
            None => request.set_field_by_name(&office_field, Value::String(name.into())),
            Some((outer, inner)) => {
                let resource = request.get_field_by_name_mut(outer).unwrap();
                let resource = resource.as_message_mut().unwrap();
                resource.set_field_by_name(inner, Value::String(name.into()));
            }
        }
    }

    /// Calls the method with metadata; returns the first message of a stream.
    pub async fn call(
        &self,
        suite: &Suite,
        metadata: &[(&'static str, &str)],
        message: DynamicMessage,
    ) -> Result<DynamicMessage, Status> {
        assert!(!self.method.is_client_streaming());
        let mut client = tonic::client::Grpc::new(suite.shared_channel(self.role.name));
        client.ready().await.unwrap();
        let mut request = Request::new(message);
        for (key, value) in metadata {
            request.metadata_mut().insert(*key, value.parse().unwrap());
        }
        let path = self.path().parse().unwrap();
        let codec = DynamicCodec(self.method.output());
        if self.method.is_server_streaming() {
            let answer = client.server_streaming(request, path, codec).await?;
            let first = answer.into_inner().message().await?;
            return Ok(first.unwrap_or_else(|| panic!("{self} ended without a message")));
        }
        let answer = client.unary(request, path, codec);
        Ok(answer.await?.into_inner())
    }

    /// Calls the method with a token.
    pub async fn call_with(
        &self,
        suite: &Suite,
        token: &str,
        message: DynamicMessage,
    ) -> Result<DynamicMessage, Status> {
        let bearer = format!("Bearer {token}");
        self.call(suite, &[("authorization", &bearer)], message)
            .await
    }
}

/// The field of a message that holds a resource.
pub fn resource_field(message: &MessageDescriptor) -> Option<FieldDescriptor> {
    message.fields().find(|f| match f.kind() {
        Kind::Message(m) => !f.is_list() && pattern(&m).is_some(),
        _ => false,
    })
}

pub fn message_of(field: &FieldDescriptor) -> MessageDescriptor {
    field.kind().as_message().unwrap().clone()
}

/// The rule in the options of a field.
pub fn rule(field: &FieldDescriptor) -> Rule {
    let extension = pool().get_extension_by_name("taizhang.common.v1.rule");
    match field.options().get_extension(&extension.unwrap()).as_ref() {
        Value::Message(rule) => rule.transcode_to().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// The pattern of a resource's name; `None` if the message is not a resource.
pub fn pattern(message: &MessageDescriptor) -> Option<String> {
    let extension = pool().get_extension_by_name("taizhang.common.v1.resource");
    match message
        .options()
        .get_extension(&extension.unwrap())
        .as_ref()
    {
        Value::String(pattern) => Some(pattern.clone()).filter(|p| !p.is_empty()),
        other => panic!("{other:?}"),
    }
}

pub fn resources() -> Vec<MessageDescriptor> {
    pool()
        .all_messages()
        .filter(|m| pattern(m).is_some())
        .collect()
}

/// The part of a resource's name after the office.
pub fn collection(resource: &MessageDescriptor) -> String {
    let pattern = pattern(resource).unwrap();
    pattern.split('/').nth(2).unwrap().to_owned()
}

pub fn is_singleton(resource: &MessageDescriptor) -> bool {
    pattern(resource).unwrap().split('/').count() == 3
}

/// A resource's name in an office.
pub fn name(resource: &MessageDescriptor, office: &str, id: &str) -> String {
    let collection = collection(resource);
    if is_singleton(resource) {
        format!("{office}/{collection}")
    } else {
        format!("{office}/{collection}/{id}")
    }
}

/// Whether a message is one of Taizhang's, whose fields have rules.
pub fn is_own(message: &MessageDescriptor) -> bool {
    message.full_name().starts_with("taizhang.")
}

/// Sets every required field, and the first alternative of each oneof, to a valid value.
fn fill(message: &mut DynamicMessage, office: &str) {
    for field in message.descriptor().fields() {
        let rule = rule(&field);
        let alternative = field
            .containing_oneof()
            .is_some_and(|o| !o.is_synthetic() && o.fields().next() == Some(field.clone()));
        if rule.output_only || !(rule.required || alternative) {
            continue;
        }
        let value = valid_value(&field, &rule, office);
        let value = if field.is_list() {
            Value::List(vec![value])
        } else {
            value
        };
        message.set_field(&field, value);
    }
}

/// A valid value of a field, or of one entry of a list.
pub fn valid_value(field: &FieldDescriptor, rule: &Rule, office: &str) -> Value {
    match field.kind() {
        Kind::String if rule.reference.is_empty() => Value::String("文".into()),
        Kind::String => Value::String(format!("{office}/{}/no-such-one", rule.reference)),
        Kind::Int32 => Value::I32(rule.min.max(1).try_into().unwrap()),
        Kind::Int64 => Value::I64(rule.min.max(1)),
        Kind::Bool => Value::Bool(true),
        Kind::Enum(_) => Value::EnumNumber(1),
        Kind::Message(m) => {
            let mut inner = DynamicMessage::new(m.clone());
            match m.full_name() {
                "taizhang.common.v1.Date" => inner.transcode_from(&day(1)).unwrap(),
                "taizhang.common.v1.Period" => {
                    let period = Period {
                        first_day: Some(day(1)),
                        last_day: Some(day(30)),
                    };
                    inner.transcode_from(&period).unwrap();
                }
                "google.protobuf.Timestamp" => {
                    // Fields with a higher number get later times, so that an end is after its start.
                    let seconds = 2_000_000_000 + 3_600 * i64::from(field.number());
                    let time = prost_types::Timestamp { seconds, nanos: 0 };
                    inner.transcode_from(&time).unwrap();
                }
                _ => fill(&mut inner, office),
            }
            Value::Message(inner)
        }
        other => panic!("{other:?} of {}", field.full_name()),
    }
}

/// A day in the future.
fn day(day: i32) -> Date {
    Date {
        year: 2031,
        month: 6,
        day,
    }
}

/// Asserts that an error has a documented reason, the code of that reason, and a localized message
/// in `locale`; returns the reason.
pub fn error_reason(status: &Status, locale: &str, at: &dyn fmt::Display) -> String {
    let info = status.get_details_error_info();
    let info = info.unwrap_or_else(|| panic!("{at}: no ErrorInfo: {status:?}"));
    assert_eq!(info.domain, "taizhang", "{at}");
    let reason = Reason::ALL.iter().find(|r| r.name() == info.reason);
    let reason = reason.unwrap_or_else(|| panic!("{at}: {} is not documented", info.reason));
    assert_eq!(status.code(), reason.code(), "{at}: {status:?}");
    let localized = status.get_details_localized_message();
    let localized = localized.unwrap_or_else(|| panic!("{at}: no LocalizedMessage"));
    assert_eq!(localized.locale, locale, "{at}");
    assert_eq!(
        has_han(&localized.message),
        locale == "zh-CN",
        "{at}: {}",
        localized.message
    );
    info.reason
}

pub fn has_han(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

/// The field violations of an error.
pub fn violations(status: &Status) -> Vec<FieldViolation> {
    let bad = status.get_details_bad_request();
    bad.map(|bad| bad.field_violations).unwrap_or_default()
}

/// The paths of the fields in an error.
pub fn bad_fields(status: &Status) -> BTreeSet<String> {
    violations(status).into_iter().map(|v| v.field).collect()
}
