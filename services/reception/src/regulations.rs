//! The regulations on receptions, as data: a row for each rule in each regulation that has it.
//!
//! A reception is checked against the rows in force on its day of arrival; a step, against the rows of
//! that step and those before. Rules verified in the text of the regulation refuse; others warn,
//! unless the office enforces them.

mod case;
mod checks;
mod table;
#[cfg(test)]
mod tests;

use chrono::{Datelike, NaiveDate};
use taizhang_contracts::reception::{self as api, ReceptionState, Severity};
use taizhang_contracts::{Error, Reason, Result};

pub(crate) use case::Case;
pub use table::RULES;

/// A rule of one regulation.
#[derive(Debug)]
pub struct Rule {
    /// Its id, which is the same in a newer regulation that replaces the rule.
    pub id: &'static str,
    /// Its number in the guide to the domain.
    pub number: &'static str,
    /// Its source and validity.
    pub stands: Stands,
    /// The step at which it is first checked.
    pub step: Step,
    /// The rule and the remedy, in Chinese.
    pub zh: (&'static str, &'static str),
    /// The same in English.
    pub en: (&'static str, &'static str),
    /// Returns the paths of the fields that break it.
    pub(crate) check: fn(&Case<'_>) -> Vec<String>,
}

/// The regulation of a rule, its validity, and how well it is known.
#[derive(Debug, Clone, Copy)]
pub struct Stands {
    /// The regulation.
    pub regulation: Regulation,
    /// The article; 0 if it is not known.
    pub article: u8,
    /// The last day on which it is in force; `None` if there is no end.
    pub until: Option<Day>,
    /// How well it is known.
    pub source: Source,
}

/// A day as year, month and day.
pub type Day = (i32, u32, u32);

/// The regulations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Regulation {
    /// 《党政机关国内公务接待管理规定》.
    Receptions2013,
    /// 《党政机关厉行节约反对浪费条例》, revised.
    Frugality2025,
    /// Local practice in addition to the national regulations (地方做法).
    LocalPractice,
}

impl Regulation {
    /// Its title in Chinese and English.
    pub const fn titles(self) -> (&'static str, &'static str) {
        match self {
            Self::Receptions2013 => (
                "《党政机关国内公务接待管理规定》（2013年）",
                "Rules on Official Receptions (2013)",
            ),
            Self::Frugality2025 => (
                "《党政机关厉行节约反对浪费条例》（2025年修订）",
                "Regulations on Frugality (2025)",
            ),
            Self::LocalPractice => ("地方做法", "local practice"),
        }
    }

    /// The first day on which it is assumed to be in force. For 2025 this is the day of publication;
    /// the day in the text is still to be verified.
    pub const fn from(self) -> Day {
        match self {
            Self::Receptions2013 | Self::LocalPractice => (2013, 12, 8),
            Self::Frugality2025 => (2025, 5, 18),
        }
    }
}

/// How well a rule is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Verified in the text of the regulation.
    Verified,
    /// From memory, to be verified in the text.
    Remembered,
    /// A local practice or amount.
    Local,
}

/// The steps at which rules are checked, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Rules of the plan: checked when a reception is approved, begun and ended (审批).
    Approval,
    /// Rules of the list: checked when it is signed (审签).
    Signature,
    /// Rules of the settlement: checked when a reception is settled and archived (结算).
    Settlement,
}

impl Step {
    /// The next step of a reception; `None` if it was refused or cancelled.
    pub(crate) fn ahead(state: ReceptionState) -> Option<Self> {
        match state {
            ReceptionState::Unspecified
            | ReceptionState::Proposed
            | ReceptionState::Approved
            | ReceptionState::Receiving => Some(Self::Approval),
            ReceptionState::Listing => Some(Self::Signature),
            ReceptionState::Signed | ReceptionState::Settled | ReceptionState::Archived => {
                Some(Self::Settlement)
            }
            ReceptionState::Refused | ReceptionState::Cancelled => None,
        }
    }
}

impl Rule {
    /// Whether it is in force on a day.
    pub fn is_in_force(&self, day: NaiveDate) -> bool {
        let day = (day.year(), day.month(), day.day());
        self.stands.regulation.from() <= day && self.stands.until.is_none_or(|until| day <= until)
    }

    /// Its article, in Chinese and English; empty if it is not known.
    pub fn article(&self) -> (String, String) {
        match self.stands.article {
            0 => Default::default(),
            n => (format!("第{n}条"), format!("Art. {n}")),
        }
    }
}

/// A field of a reception that breaks a rule.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) rule: &'static Rule,
    pub(crate) field: String,
    pub(crate) refuses: bool,
}

/// Refuses a step if a finding refuses it. The error names every such rule, each with its first
/// field.
///
/// # Errors
/// RULE_REFUSES.
pub(crate) fn refuse(findings: &[Finding]) -> Result<()> {
    let mut rules: Vec<&Finding> = findings.iter().filter(|f| f.refuses).collect();
    rules.dedup_by_key(|finding| finding.rule.id);
    let Some(first) = rules.first() else {
        return Ok(());
    };
    let count = rules.len();
    let (zh, en) = first.rule.texts();
    let error = Error::new(Reason::RuleRefuses).saying(
        format!("不符合接待规定{count}条：{zh}"),
        format!("{count} rules on receptions are broken: {en}"),
    );
    Err(rules.into_iter().fold(error, |error, finding| {
        let (zh, en) = finding.rule.texts();
        error.because(finding.rule.id, &finding.field, zh, en)
    }))
}

impl Rule {
    /// The rule, its regulation and article, and the remedy.
    fn texts(&self) -> (String, String) {
        let (title_zh, title_en) = self.stands.regulation.titles();
        let (article_zh, article_en) = self.article();
        let comma = if article_en.is_empty() { "" } else { ", " };
        let ((zh, cure_zh), (en, cure_en)) = (self.zh, self.en);
        (
            format!("{zh}（{title_zh}{article_zh}）；{cure_zh}"),
            format!("{en} ({title_en}{comma}{article_en}); {cure_en}"),
        )
    }
}

impl From<Finding> for api::Finding {
    fn from(finding: Finding) -> Self {
        let rule = finding.rule;
        let severity = if finding.refuses {
            Severity::Refuse
        } else {
            Severity::Warn
        };
        Self {
            rule_id: rule.id.into(),
            regulation: rule.stands.regulation.titles().0.into(),
            article: rule.article().0,
            severity: severity.into(),
            field: finding.field,
            message_zh: rule.zh.0.into(),
            message_en: rule.en.0.into(),
            cure_zh: rule.zh.1.into(),
            cure_en: rule.en.1.into(),
        }
    }
}
