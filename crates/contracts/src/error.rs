//! Errors as callers see them: `google.rpc.Status` with details (AIP-193).
//!
//! An [`Error`] has a [`Reason`], for programs to switch on, and texts in Chinese and English, for
//! people. It never has the text of a database error or of a panic.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use tonic::Code;
use tonic_types::{ErrorDetails, FieldViolation, PreconditionViolation, StatusExt};

/// A result whose error goes to the caller.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $code:ident, $zh:literal, $en:literal;)+) => {
        /// The reason of an error: the `reason` of its `ErrorInfo`. The names never change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[doc = $doc])+ $variant,)+ }

        impl Reason {
            /// All reasons.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The name on the wire.
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $name),+ } }
            /// The status code of its errors.
            pub const fn code(self) -> Code { match self { $(Self::$variant => Code::$code),+ } }
            /// Its text for people, in Chinese and English.
            pub const fn texts(self) -> (&'static str, &'static str) { match self { $(Self::$variant => ($zh, $en)),+ } }
            /// When an error has it.
            pub const fn doc(self) -> &'static str { match self { $(Self::$variant => concat!($($doc),+)),+ } }
        }
    };
}

reasons! {
    /// One or more fields are bad; `BadRequest` lists them. If they are too many for one answer, it
    /// lists the first ones, and the metadata `bad_fields` has their number.
    InvalidFields = "INVALID_FIELDS", InvalidArgument, "请求有误", "the request is invalid";
    /// The page token is malformed, or belongs to another request.
    InvalidPageToken = "INVALID_PAGE_TOKEN", InvalidArgument, "翻页标记无效", "the page token is invalid";
    /// The `request_id` was used for another request.
    RequestIdReused = "REQUEST_ID_REUSED", InvalidArgument, "请求编号已用于另一请求", "the request id was used for another request";
    /// No bearer token was given.
    TokenMissing = "TOKEN_MISSING", Unauthenticated, "缺少令牌", "a bearer token is required";
    /// The token is malformed, or not signed with the administrator's key.
    TokenInvalid = "TOKEN_INVALID", Unauthenticated, "令牌无效", "the token is invalid";
    /// The token has expired.
    TokenExpired = "TOKEN_EXPIRED", Unauthenticated, "令牌已过期", "the token has expired";
    /// The administrator revoked the token.
    TokenRevoked = "TOKEN_REVOKED", Unauthenticated, "令牌已吊销", "the token was revoked";
    /// The token lacks the scope in the metadata `scope`.
    ScopeMissing = "SCOPE_MISSING", PermissionDenied, "令牌没有所需权限", "the token lacks the scope";
    /// The token does not cover the office of the request.
    OfficeNotGranted = "OFFICE_NOT_GRANTED", PermissionDenied, "令牌不含该单位", "the token does not cover the office";
    /// The resource does not exist.
    NotFound = "NOT_FOUND", NotFound, "没有该记录", "not found";
    /// The id is taken.
    AlreadyExists = "ALREADY_EXISTS", AlreadyExists, "编号已存在", "already exists";
    /// A live booking has the slot; `ResourceInfo` names its meeting.
    SlotTaken = "SLOT_TAKEN", FailedPrecondition, "该时段已被占用", "the slot is taken";
    /// The method is not allowed in the resource's state.
    WrongState = "WRONG_STATE", FailedPrecondition, "当前状态不允许", "not allowed in this state";
    /// The change breaks a rule; `PreconditionFailure` names it.
    RuleRefuses = "RULE_REFUSES", FailedPrecondition, "不符合规定", "a rule refuses";
    /// A figure is missing, so the report can't be finalized.
    FiguresMissing = "FIGURES_MISSING", FailedPrecondition, "有数据缺失，不能定稿", "figures are missing";
    /// The etag is stale: the resource was changed since it was read.
    EtagMismatch = "ETAG_MISMATCH", Aborted, "记录已被他人修改，请重新读取", "the etag is stale";
    /// Concurrent writes conflicted with every attempt; safe to retry.
    LostRace = "LOST_RACE", Aborted, "写入冲突，请重试", "other writes came first; retry";
    /// Too many concurrent calls; retry after the delay in `RetryInfo`.
    Overloaded = "OVERLOADED", ResourceExhausted, "请求过多，请稍后重试", "too many calls; retry later";
    /// The database or a source can't be reached, or the service is shutting down; safe to retry.
    Unavailable = "UNAVAILABLE", Unavailable, "服务暂不可用，请稍后重试", "temporarily unavailable; retry";
    /// The caller's deadline, or the longest that a call may take, has passed.
    DeadlineExceeded = "DEADLINE_EXCEEDED", DeadlineExceeded, "超过时限", "the deadline has passed";
    /// The service has no such method.
    MethodUnknown = "METHOD_UNKNOWN", Unimplemented, "没有该方法", "no such method";
    /// A fault of the service; its log has the cause under the `error_id` in the metadata.
    Internal = "INTERNAL", Internal, "内部错误", "internal error";
}

/// The bad fields of a request, collected while it is checked.
#[derive(Debug, Default)]
pub struct Violations {
    // The path of the message that is being checked.
    at: String,
    list: Vec<Violation>,
}

/// One bad field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its path, such as `meeting.agenda_items[0].title`.
    pub field: String,
    /// What is wrong, in Chinese.
    pub zh: String,
    /// What is wrong, in English.
    pub en: String,
}

impl Violation {
    fn new(field: String, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            field,
            zh: shortened(zh.into()),
            en: shortened(en.into()),
        }
    }

    fn size(&self) -> usize {
        self.field.len() + self.zh.len().max(self.en.len())
    }
}

/// The most bytes of one text, which may quote a value of any length from the request.
const LONGEST_TEXT: usize = 600;

/// The most bytes of a list of violations. With everything else it must fit into the trailers of
/// the response, which gRPC clients limit to 8 KiB; larger ones would close the connection.
const LONGEST_LIST: usize = 3000;

/// The most bad fields that the text names.
const MOST_IN_TEXT: usize = 5;

fn shortened(mut text: String) -> String {
    if text.len() > LONGEST_TEXT {
        text.truncate(text.floor_char_boundary(LONGEST_TEXT));
        text.push('…');
    }
    text
}

/// The first entries of a list that fit into [`LONGEST_LIST`].
fn fitting<T>(list: &[T], size: impl Fn(&T) -> usize) -> &[T] {
    let mut room = LONGEST_LIST;
    let fit = list.iter().take_while(|entry| {
        // Encoded, an entry has about eight more bytes.
        let left = room.checked_sub(size(entry) + 8);
        room = left.unwrap_or(0);
        left.is_some()
    });
    let fit = fit.count();
    list.get(..fit).unwrap_or(list)
}

impl Violations {
    /// An error with one bad field.
    pub fn of(field: &str, zh: impl Into<String>, en: impl Into<String>) -> Error {
        let mut error = Error::new(Reason::InvalidFields);
        error
            .0
            .violations
            .push(Violation::new(field.into(), zh, en));
        error
    }

    /// Adds a violation of a field of the message being checked, or of the message itself if `field`
    /// is empty.
    pub fn add(&mut self, field: &str, zh: impl Into<String>, en: impl Into<String>) {
        let dot = if self.at.is_empty() || field.is_empty() {
            ""
        } else {
            "."
        };
        let field = format!("{}{dot}{field}", self.at);
        self.list.push(Violation::new(field, zh, en));
    }

    /// Runs `check` on the message in `field`, so that its violations have the full path.
    pub fn within(&mut self, field: &str, check: impl FnOnce(&mut Self)) {
        let outer = self.at.len();
        if outer > 0 {
            self.at.push('.');
        }
        self.at.push_str(field);
        check(self);
        self.at.truncate(outer);
    }

    /// Runs `check` on one entry of the list `field`, so that its violations have the full path.
    pub fn item(&mut self, field: &str, index: usize, check: impl FnOnce(&mut Self)) {
        self.within(&format!("{field}[{index}]"), check);
    }

    /// The paths of the violations so far.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|v| v.field.as_str())
    }

    /// # Errors
    /// INVALID_ARGUMENT if there is any violation.
    pub fn finish(self) -> Result<()> {
        if self.list.is_empty() {
            return Ok(());
        }
        let mut error = Error::new(Reason::InvalidFields);
        error.0.violations = self.list;
        Err(error)
    }
}

/// Why a call fails, as its caller sees it.
#[derive(Debug, Clone)]
pub struct Error(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    reason: Reason,
    zh: Option<String>,
    en: Option<String>,
    violations: Vec<Violation>,
    preconditions: Vec<Precondition>,
    resource: Option<(String, String)>,
    retry_after: Option<Duration>,
    metadata: HashMap<String, String>,
}

/// A rule that a change breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Precondition {
    /// The rule's id, such as `EXTENSION_BEFORE_DUE`, or the article it stands in.
    pub rule: String,
    /// What breaks it: the name of a resource or the path of a field.
    pub subject: String,
    /// How to comply, in Chinese.
    pub zh: String,
    /// How to comply, in English.
    pub en: String,
}

impl Precondition {
    fn size(&self) -> usize {
        self.rule.len() + self.subject.len() + self.zh.len().max(self.en.len())
    }
}

impl Error {
    /// An error with the reason's own text.
    pub fn new(reason: Reason) -> Self {
        Self(Box::new(Parts {
            reason,
            zh: None,
            en: None,
            violations: Vec::new(),
            preconditions: Vec::new(),
            resource: None,
            retry_after: matches!(
                reason,
                Reason::LostRace | Reason::Overloaded | Reason::Unavailable
            )
            .then_some(Duration::from_millis(200)),
            metadata: HashMap::new(),
        }))
    }

    /// The reason.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// The bad fields.
    pub fn violations(&self) -> &[Violation] {
        &self.0.violations
    }

    /// The rules that the change breaks.
    pub fn preconditions(&self) -> &[Precondition] {
        &self.0.preconditions
    }

    /// Sets the text, in place of the reason's own.
    #[must_use]
    pub fn saying(mut self, zh: impl Into<String>, en: impl Into<String>) -> Self {
        self.0.zh = Some(shortened(zh.into()));
        self.0.en = Some(shortened(en.into()));
        self
    }

    /// Adds an entry to the metadata of the `ErrorInfo`.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        let value = shortened(value.into());
        self.0.metadata.insert(key.into(), value);
        self
    }

    /// Names the resource that the error is about, in its `ResourceInfo`.
    #[must_use]
    pub fn about(mut self, resource_type: &str, name: impl Into<String>) -> Self {
        self.0.resource = Some((resource_type.into(), name.into()));
        self
    }

    /// Sets the delay before a retry, in its `RetryInfo`.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.0.retry_after = Some(delay);
        self
    }

    /// Names the call of a batch that failed.
    #[must_use]
    pub fn in_call(mut self, index: usize) -> Self {
        for violation in &mut self.0.violations {
            violation.field = format!("calls[{index}].request.{}", violation.field);
        }
        if self.0.violations.is_empty() {
            let (zh, en) = self.0.reason.texts();
            let zh = self.0.zh.take().unwrap_or_else(|| zh.to_owned());
            let en = self.0.en.take().unwrap_or_else(|| en.to_owned());
            self = self.saying(
                format!("calls[{index}]：{zh}"),
                format!("calls[{index}]: {en}"),
            );
        }
        self.with("call", index.to_string())
    }

    /// The error of a resource that does not exist.
    pub fn not_found(resource_type: &str, name: impl Into<String>) -> Self {
        let name = name.into();
        Self::new(Reason::NotFound)
            .saying(
                format!("没有该记录：{name}"),
                format!("{name} was not found"),
            )
            .about(resource_type, name)
    }

    /// A change breaks a rule: its id or article, what breaks it, and how to comply.
    pub fn refused(
        rule: &str,
        subject: impl Into<String>,
        zh: impl Into<String>,
        en: impl Into<String>,
    ) -> Self {
        let (zh, en) = (zh.into(), en.into());
        Self::new(Reason::RuleRefuses)
            .saying(zh.clone(), en.clone())
            .because(rule, subject, zh, en)
    }

    /// Adds one more rule that the change breaks; see [`Error::refused`].
    #[must_use]
    pub fn because(
        mut self,
        rule: &str,
        subject: impl Into<String>,
        zh: impl Into<String>,
        en: impl Into<String>,
    ) -> Self {
        self.0.preconditions.push(Precondition {
            rule: rule.into(),
            subject: subject.into(),
            zh: shortened(zh.into()),
            en: shortened(en.into()),
        });
        self
    }

    /// A fault of the service. The cause goes to the log under an `error_id`; the caller gets only
    /// that id.
    pub fn internal(cause: impl fmt::Display) -> Self {
        let error_id = uuid::Uuid::new_v4().to_string();
        tracing::error!(error_id, %cause, "internal error");
        Self::new(Reason::Internal).with("error_id", error_id)
    }

    fn text(&self, language: Language) -> String {
        let (zh, en) = self.0.reason.texts();
        let mut text = match language {
            Language::Chinese => self.0.zh.as_deref().unwrap_or(zh).to_owned(),
            Language::English => self.0.en.as_deref().unwrap_or(en).to_owned(),
        };
        let all = self.0.violations.len();
        for (i, violation) in self.0.violations.iter().take(MOST_IN_TEXT).enumerate() {
            let (separator, problem) = match language {
                Language::Chinese => (if i == 0 { "：" } else { "；" }, &violation.zh),
                Language::English => (if i == 0 { ": " } else { "; " }, &violation.en),
            };
            text.push_str(&format!("{separator}{} {problem}", violation.field));
        }
        if all > MOST_IN_TEXT {
            text.push_str(&match language {
                Language::Chinese => format!("；共{all}处"),
                Language::English => format!("; {all} in all"),
            });
        }
        shortened(text)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(Language::English))
    }
}

impl std::error::Error for Error {}

/// The language of an error's text for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// zh-CN, the default.
    Chinese,
    /// en.
    English,
}

tokio::task_local! {
    static LANGUAGE: Language;
}

impl Language {
    /// English if `accept-language` begins with `en`, else Chinese.
    pub fn of(headers: &http::HeaderMap) -> Self {
        let asked = headers
            .get("accept-language")
            .and_then(|v| v.to_str().ok())
            .unwrap_or("");
        if asked
            .trim_start()
            .get(..2)
            .is_some_and(|l| l.eq_ignore_ascii_case("en"))
        {
            Self::English
        } else {
            Self::Chinese
        }
    }

    /// Runs a function; statuses made from errors in it have texts in this language.
    pub fn sync_scope<T>(self, run: impl FnOnce() -> T) -> T {
        LANGUAGE.sync_scope(self, run)
    }

    fn current() -> Self {
        LANGUAGE.try_with(|l| *l).unwrap_or(Self::Chinese)
    }
}

/// The `domain` of every `ErrorInfo`.
pub const DOMAIN: &str = "taizhang";

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        let language = Language::current();
        let pick = |zh: &str, en: &str| match language {
            Language::Chinese => zh.to_owned(),
            Language::English => en.to_owned(),
        };
        let message = error.text(Language::English);
        let localized = error.text(language);
        let mut parts = *error.0;
        let violations = fitting(&parts.violations, Violation::size);
        if violations.len() < parts.violations.len() {
            let all = parts.violations.len().to_string();
            parts.metadata.insert("bad_fields".into(), all);
        }
        let preconditions = fitting(&parts.preconditions, Precondition::size);
        let mut details =
            ErrorDetails::with_error_info(parts.reason.name(), DOMAIN, parts.metadata);
        details.set_localized_message(pick("zh-CN", "en"), localized);
        if !violations.is_empty() {
            let violations: Vec<_> = violations
                .iter()
                .map(|v| FieldViolation::new(v.field.clone(), pick(&v.zh, &v.en)))
                .collect();
            details.set_bad_request(violations);
        }
        if !preconditions.is_empty() {
            let violations: Vec<_> = preconditions
                .iter()
                .map(|p| {
                    PreconditionViolation::new(
                        p.rule.clone(),
                        p.subject.clone(),
                        pick(&p.zh, &p.en),
                    )
                })
                .collect();
            details.set_precondition_failure(violations);
        }
        if let Some((resource_type, name)) = parts.resource {
            details.set_resource_info(resource_type, name, "", "");
        }
        if let Some(delay) = parts.retry_after {
            details.set_retry_info(Some(delay));
        }
        if parts.reason == Reason::Overloaded {
            details.add_quota_failure_violation(
                "service",
                pick(parts.reason.texts().0, parts.reason.texts().1),
            );
        }
        Self::with_error_details(parts.reason.code(), message, details)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn size(error: Error) -> usize {
        let status = tonic::Status::from(error);
        let mut headers = http::HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum()
    }

    #[test]
    fn an_error_of_any_size_fits_into_the_trailers() {
        let mut v = Violations::default();
        for i in 0..100_000 {
            v.item("meeting.participants", i, |v| {
                v.add("person", "必填", "is required")
            });
        }
        let many = v.finish().unwrap_err();
        let status = tonic::Status::from(many.clone());
        let told = status.get_details_bad_request().unwrap().field_violations;
        assert!(told.len() >= 30, "{}", told.len());
        assert_eq!(told[0].field, "meeting.participants[0].person");
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.metadata["bad_fields"], "100000");

        let long = "会".repeat(100_000);
        let mut v = Violations::default();
        for _ in 0..100 {
            v.add("filter", &long, &long);
        }
        let mut rules = Error::refused("RULE", "subject", &long, &long);
        for _ in 0..100 {
            rules = rules.because("RULE", "subject", &long, &long);
        }
        let errors = [
            many,
            v.finish().unwrap_err(),
            rules,
            Error::not_found("Meeting", "offices/demo/meetings/m1").saying(&long, &long),
        ];
        for error in errors {
            let size = size(error.clone());
            assert!(size < 7 << 10, "{size} bytes: {error}");
        }
    }

    #[test]
    fn the_text_names_a_few_bad_fields() {
        let mut v = Violations::default();
        v.add("title", "必填", "is required");
        v.add("kind", "必填", "is required");
        let text = v.finish().unwrap_err().to_string();
        assert_eq!(
            text,
            "the request is invalid: title is required; kind is required"
        );
    }
}
