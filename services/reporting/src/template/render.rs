//! Renders the text of a report from a template.
//!
//! The engine is a sandbox: a template has only the names below, sees only the report's figures, and
//! has a bounded amount of work, which bounds its memory too.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr};
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};
use taizhang_contracts::Office;
use taizhang_contracts::reporting::{ReportFigure, ReportValue};

use super::wording::{Words, decimal};

/// The variables beside the indicators; no indicator can have such an id.
pub(super) const VARIABLES: &[&str] = &["figures", "office", "year"];
/// The filters.
pub(super) const FILTERS: &[&str] = &[
    "unit",
    "yu",
    "yu_unit",
    "yoy",
    "of_which",
    "rate",
    "missing_or",
    "cell",
];
/// The tests after `is`.
pub(super) const TESTS: &[&str] = &["missing", "zero"];
/// The attributes of a figure and of `loop`.
pub(super) const PARTS: &[&str] = &[
    "id",
    "label",
    "unit",
    "source",
    "part_of",
    "value",
    "previous",
    "change",
    "records",
    "missing_reason",
    "opening_source",
    "previous_missing_reason",
    "previous_opening_source",
    "index",
    "first",
    "last",
];

/// The fuel of one rendering. A table of 500 figures takes about a tenth of it.
const FUEL: u64 = 500_000;
/// The longest text of a report, in bytes.
pub(super) const LONGEST_TEXT: usize = 1 << 20;

/// A problem of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The line, if it is known.
    pub(crate) line: Option<usize>,
    /// What is wrong, in Chinese.
    pub(crate) zh: String,
    /// What is wrong, in English.
    pub(crate) en: String,
}

impl From<minijinja::Error> for Failure {
    fn from(error: minijinja::Error) -> Self {
        // The engine's message is about the caller's own template, so it is passed on.
        let detail = error.detail().unwrap_or_default();
        let (zh, en) = match error.kind() {
            ErrorKind::OutOfFuel => ("运算过多", "it takes too much work"),
            ErrorKind::SyntaxError => ("语法有误", "syntax error"),
            ErrorKind::UndefinedError => ("引用了不存在的内容", "it refers to something unknown"),
            _ => ("无法生成", "it can't be rendered"),
        };
        let colon = |text: &str, colon: &str| {
            if detail.is_empty() || error.kind() == ErrorKind::OutOfFuel {
                text.to_owned()
            } else {
                format!("{text}{colon}{detail}")
            }
        };
        Self {
            line: error.line(),
            zh: colon(zh, "："),
            en: colon(en, ": "),
        }
    }
}

/// The engine with the names of the template language.
pub(super) fn engine() -> Environment<'static> {
    let mut engine = Environment::empty();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_fuel(Some(FUEL));
    engine.set_debug(false);
    engine.add_filter("unit", |f: &Shown| f.0.with_unit());
    engine.add_filter("yu", |f: &Shown| f.0.lower_bound());
    engine.add_filter("yu_unit", |f: &Shown| f.0.lower_bound_with_unit());
    engine.add_filter("yoy", |f: &Shown| f.0.yoy());
    engine.add_filter("of_which", |f: &Shown| f.0.of_which());
    engine.add_filter("rate", |f: &Shown| f.0.rate(f.1));
    engine.add_filter("missing_or", |f: &Shown, instead: String| {
        if f.0.number().is_none() && !instead.trim().is_empty() {
            instead
        } else {
            f.0.plain()
        }
    });
    engine.add_filter("cell", |text: &Value| cell(&text.to_string()));
    engine.add_test("missing", |f: &Shown| f.0.number().is_none());
    engine.add_test("zero", |f: &Shown| f.0.number() == Some(0));
    engine
}

/// Renders a template with the figures of a year.
pub(crate) fn render(
    template: &str,
    office: &Office,
    year: i32,
    figures: &[ReportFigure],
) -> Result<String, Failure> {
    let mut context: BTreeMap<String, Value> = BTreeMap::new();
    let mut all = Vec::with_capacity(figures.len());
    for figure in figures {
        let whole = figures.iter().find(|f| f.indicator == figure.part_of);
        let whole = whole.and_then(Words::number);
        let value = Value::from_object(Shown(figure.clone(), whole));
        context.insert(figure.indicator.clone(), value.clone());
        all.push(value);
    }
    context.insert("figures".into(), all.into());
    context.insert("office".into(), office.id().into());
    context.insert("year".into(), year.into());

    let engine = engine();
    let text = engine
        .template_from_named_str("template", template)?
        .render(Value::from(context))?;
    if text.len() > LONGEST_TEXT {
        return Err(Failure {
            line: None,
            zh: "生成的正文过长".into(),
            en: "the text is too long".into(),
        });
    }
    Ok(tidy(&text))
}

/// Reduces the empty lines that tags leave behind to one between paragraphs.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank = true;
    for line in text.lines().map(str::trim_end) {
        if !line.is_empty() || !blank {
            out.push_str(line);
            out.push('\n');
        }
        blank = line.is_empty();
    }
    while out.ends_with("\n\n") {
        out.pop();
    }
    out
}

/// A text escaped for one cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace(['\n', '\r'], " ")
}

/// A figure as an object of the template, and the value of the whole that it is a part of.
#[derive(Debug)]
struct Shown(ReportFigure, Option<i64>);

impl Object for Shown {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let f = &self.0;
        let current = f.current.clone().unwrap_or_default();
        let previous = f.previous.clone().unwrap_or_default();
        Some(match key.as_str()? {
            "id" => f.indicator.as_str().into(),
            "label" => f.label.as_str().into(),
            "unit" => f.unit.as_str().into(),
            "source" => f.source.as_str().into(),
            "part_of" => f.part_of.as_str().into(),
            "value" => number_or_gap(&current, f.decimals),
            "previous" => number_or_gap(&previous, f.decimals),
            "change" => f.change().into(),
            "records" => records(&current),
            "missing_reason" => current.missing_reason.into(),
            "opening_source" => current.opening_source.into(),
            "previous_missing_reason" => previous.missing_reason.into(),
            "previous_opening_source" => previous.opening_source.into(),
            _ => return None,
        })
    }

    /// A figure is true unless it is zero; a missing one is true.
    fn is_true(self: &Arc<Self>) -> bool {
        self.0.number() != Some(0)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.plain())
    }
}

/// For a table, where the label is in the same row.
fn number_or_gap(value: &ReportValue, decimals: i32) -> Value {
    match value.value {
        Some(number) => decimal(number, decimals).into(),
        None => format!("［缺：{}］", value.missing_reason).into(),
    }
}

/// The number of records behind a value; a dash if it was not counted.
fn records(value: &ReportValue) -> Value {
    if value.value.is_none() || !value.opening_source.is_empty() {
        "—".into()
    } else {
        value.records.into()
    }
}
