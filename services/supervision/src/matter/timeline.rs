//! What happened to a matter, from its registration to its closing (全程).

#[cfg(test)]
mod tests;

use taizhang_contracts::common::Date;
use taizhang_contracts::supervision::{
    ExtensionState, GetMatterTimelineRequest, GetMatterTimelineResponse, Matter, TimelineEntry,
    TimelineKind as Kind,
};
use taizhang_contracts::{Context, Result};

use crate::entities::matters;
use crate::{Supervision, naive};

/// The most entries told.
const MOST: usize = 2_000;

/// The most matters told of: the one asked for and those merged into it or split from it.
const MOST_MATTERS: usize = 200;

/// The most characters of one entry's text.
const LONGEST: usize = 200;

/// GetMatterTimeline.
///
/// # Errors
/// NOT_FOUND; if the database is away.
pub(super) async fn get(
    service: &Supervision,
    context: &Context,
    q: &GetMatterTimelineRequest,
) -> Result<GetMatterTimelineResponse> {
    let first = service
        .ledger
        .read::<matters::Entity>(context, &q.name)
        .await?;
    let mut matters = vec![first];
    let mut next = 0;
    while let Some(matter) = matters.get(next) {
        next += 1;
        for name in within(matter) {
            if matters.len() < MOST_MATTERS {
                let bound = service.ledger.read::<matters::Entity>(context, &name);
                matters.push(bound.await?);
            }
        }
    }
    Ok(timeline(&matters))
}

/// The names of the matters that a matter holds.
fn within(matter: &Matter) -> Vec<String> {
    let parts = matter.parts.iter().map(|part| &part.matter);
    matter.merged.iter().chain(parts).cloned().collect()
}

/// What happened to some matters, in the order of the days.
fn timeline(matters: &[Matter]) -> GetMatterTimelineResponse {
    let mut entries: Vec<TimelineEntry> = matters.iter().flat_map(told).collect();
    entries.sort_by_key(|entry| naive(entry.date));
    let left_out = entries.len().saturating_sub(MOST);
    entries.drain(..left_out);
    GetMatterTimelineResponse {
        entries,
        left_out: i32::try_from(left_out).unwrap_or(i32::MAX),
    }
}

/// What happened to one matter; on the same day what comes first here came first.
fn told(matter: &Matter) -> Vec<TimelineEntry> {
    let m = matter;
    let lead = m.lead_unit.as_str();
    let mut out = Teller {
        matter: &m.name,
        entries: Vec::new(),
    };
    out.tell(m.registered_on, Kind::Registered, &m.title, "");
    out.tell(m.assigned_on, Kind::Assigned, &format!("交{lead}办理"), "");
    out.tell(m.accepted_on, Kind::Accepted, "承办", lead);
    for urging in &m.urgings {
        out.tell(urging.date, Kind::Urged, &urging.content, "");
    }
    for e in &m.extensions {
        let asked = format!("申请延期至{}：{}", in_words(e.to_due_date), e.reason);
        out.tell(e.requested_on, Kind::ExtensionRequested, &asked, lead);
        let (kind, decided) = match e.state() {
            ExtensionState::Granted => (Kind::ExtensionGranted, "同意延期"),
            ExtensionState::Refused => (Kind::ExtensionRefused, "不同意延期"),
            ExtensionState::Unspecified | ExtensionState::Requested => continue,
        };
        out.tell(e.decided_on, kind, decided, &e.decided_by);
    }
    for s in &m.suspensions {
        out.tell(s.suspended_on, Kind::Suspended, &s.reason, "");
        out.tell(s.resumed_on, Kind::Resumed, "恢复办理", "");
    }
    for feedback in &m.feedbacks {
        let kind = if feedback.r#final {
            Kind::FinalReport
        } else {
            Kind::Feedback
        };
        out.tell(feedback.date, kind, &feedback.progress, lead);
    }
    out.tell(m.reviewed_on, Kind::Reviewed, "审核", "");
    for r in &m.returns {
        out.tell(r.returned_on, Kind::Returned, &r.reason, "");
    }
    let merged = format!("并入{}：{}", m.merged_into, m.merge_reason);
    out.tell(m.merged_on, Kind::Merged, &merged, "");
    let split = format!("分解为{}项", m.parts.len());
    out.tell(m.split_on, Kind::Split, &split, "");
    let mut closed_on = None;
    for r in &m.rechecks {
        // One closing may be looked at more than once.
        if r.closed_on != closed_on {
            out.tell(r.closed_on, Kind::Closed, &r.conclusion, "");
        }
        closed_on = r.closed_on.filter(|_| r.passed);
        let kind = if r.passed {
            Kind::RecheckPassed
        } else {
            Kind::RecheckFailed
        };
        out.tell(r.date, kind, &r.findings, &r.by);
    }
    if m.closed_on != closed_on {
        out.tell(m.closed_on, Kind::Closed, &m.conclusion, "");
    }
    out.entries
}

/// Collects what is told of one matter.
struct Teller<'a> {
    matter: &'a str,
    entries: Vec<TimelineEntry>,
}

impl Teller<'_> {
    /// Tells what happened on a day; nothing if there is no day.
    fn tell(&mut self, date: Option<Date>, kind: Kind, what: &str, by: &str) {
        if date.is_some() {
            self.entries.push(TimelineEntry {
                date,
                kind: kind.into(),
                what: shortened(what),
                by: by.to_owned(),
                matter: self.matter.to_owned(),
            });
        }
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let kept = text.chars().take(LONGEST - 1);
    kept.chain(['…']).collect()
}

fn in_words(date: Option<Date>) -> String {
    date.map_or_else(String::new, |d| {
        format!("{}年{}月{}日", d.year, d.month, d.day)
    })
}
