//! The template of the summary (总结模板). Its language is documented in `docs/template.md`.

mod check;
mod render;
mod scan;
mod wording;

pub(crate) use check::references;
pub(crate) use render::{Failure, render};
pub use wording::decimal;

use taizhang_contracts::reporting::template_service_server::TemplateService;
use taizhang_contracts::reporting::{GetTemplateRequest, Template, UpdateTemplateRequest};
use taizhang_contracts::statistics::Indicator;
use taizhang_contracts::{Context, Error, Reason, Result, Violations};
use taizhang_ledger::{Behavior, Moment, Record, serve};
use tonic::{Code, Status};

use crate::Reporting;
use crate::entities::templates;
use crate::source::reason;

/// The default template.
const DEFAULT: &str = include_str!("template/default.md");

impl Record for templates::Entity {
    fn title(_template: &Template) -> &str {
        "总结模板"
    }

    fn initial(template: &mut Template, _at: Moment) {
        template.text = DEFAULT.to_owned();
    }
}

impl Behavior for templates::Entity {}

/// Whether a template can refer to an indicator of this id.
pub(crate) fn is_name(id: &str) -> bool {
    let mut bytes = id.bytes();
    let keyword = ["and", "or", "not", "is", "in", "if", "else", "for", "loop"];
    let constant = ["true", "false", "none"];
    id.len() <= 100
        && bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !keyword.contains(&id)
        && !constant.contains(&id)
        && !render::VARIABLES.contains(&id)
}

/// Checks the template before the write; the result is returned within the write, after the errors
/// of the request and not for a retry of a successful call.
async fn update(
    reporting: &Reporting,
    context: &Context,
    q: &UpdateTemplateRequest,
) -> Result<Template, Status> {
    let text = q.template.as_ref().map_or("", |t| t.text.as_str());
    let verdict = reporting.examine(context, text).await;
    let rule = move |_: &Template, _: &Template, _: Moment| verdict.clone();
    let updated = reporting
        .ledger
        .update_entered::<templates::Entity, _>(context, q.clone(), rule);
    Ok(updated.await?)
}

serve! {
    TemplateService for Reporting, templates {
        get_template(GetTemplateRequest) -> Template: get;
    } and {
        update_template(UpdateTemplateRequest) -> Template = update;
    }
}

impl Reporting {
    /// Checks a template against the indicators of all sources.
    async fn examine(&self, context: &Context, text: &str) -> Result<()> {
        // The ledger refuses an empty or too long text.
        if text.is_empty() || text.len() > render::LONGEST_TEXT {
            return Ok(());
        }
        refuse_if_any(check::syntax(text))?;
        let mut known: Vec<Indicator> = Vec::new();
        for (source, indicators) in self.indicators(context).await {
            match indicators {
                Ok(indicators) => known.extend(indicators.into_iter().filter(|i| is_name(&i.id))),
                Err(status) => return Err(unchecked(&source.name, status.code())),
            }
        }
        refuse_if_any(check::check(text, &known))
    }
}

fn refuse_if_any(problems: Vec<Failure>) -> Result<()> {
    let mut v = Violations::default();
    for problem in problems {
        let (zh, en) = match problem.line {
            Some(line) => (
                format!("第{line}行{}", problem.zh),
                format!("line {line}: {}", problem.en),
            ),
            None => (problem.zh, problem.en),
        };
        v.add("template.text", zh, en);
    }
    v.finish()
}

/// The error that a template can't be checked, since a source did not list its indicators.
fn unchecked(source: &str, code: Code) -> Error {
    let (zh, en) = reason(source, code);
    let kind = match code {
        // A retry with the same token can't succeed.
        Code::PermissionDenied => Reason::ScopeMissing,
        _ => Reason::Unavailable,
    };
    Error::new(kind)
        .saying(
            format!("暂不能核对模板：{zh}"),
            format!("the template can't be checked now: {en}"),
        )
        .with("source", source)
}
