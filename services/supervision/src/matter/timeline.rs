//! The timeline of a matter, from its registration to its closing (全程).

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

/// The most entries of a timeline.
const MOST: usize = 2_000;

/// The most matters in a timeline: the one requested and those merged into it or split from it.
const MOST_MATTERS: usize = 200;

/// The most characters of one entry's text.
const LONGEST: usize = 200;

/// GetMatterTimeline.
///
/// # Errors
/// NOT_FOUND; if the database is unavailable.
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
        for name in bound_matters(matter) {
            if matters.len() < MOST_MATTERS {
                let bound = service.ledger.read::<matters::Entity>(context, &name);
                matters.push(bound.await?);
            }
        }
    }
    Ok(timeline(&matters))
}

/// The names of the matters that were merged into a matter or split from it.
fn bound_matters(matter: &Matter) -> Vec<String> {
    let parts = matter.parts.iter().map(|part| &part.matter);
    matter.merged.iter().chain(parts).cloned().collect()
}

/// The timeline of some matters, ordered by day.
fn timeline(matters: &[Matter]) -> GetMatterTimelineResponse {
    let mut entries: Vec<TimelineEntry> = matters.iter().flat_map(entries_of).collect();
    entries.sort_by_key(|entry| naive(entry.date));
    let left_out = entries.len().saturating_sub(MOST);
    entries.drain(..left_out);
    GetMatterTimelineResponse {
        entries,
        left_out: i32::try_from(left_out).unwrap_or(i32::MAX),
    }
}

/// The entries of one matter; entries of the same day stay in this order.
fn entries_of(matter: &Matter) -> Vec<TimelineEntry> {
    let m = matter;
    let lead = m.lead_unit.as_str();
    let mut out = Entries {
        matter: &m.name,
        entries: Vec::new(),
    };
    out.add(m.registered_on, Kind::Registered, &m.title, "");
    out.add(m.assigned_on, Kind::Assigned, &format!("交{lead}办理"), "");
    out.add(m.accepted_on, Kind::Accepted, "承办", lead);
    for urging in &m.urgings {
        out.add(urging.date, Kind::Urged, &urging.content, "");
    }
    for e in &m.extensions {
        let asked = format!("申请延期至{}：{}", date_text(e.to_due_date), e.reason);
        out.add(e.requested_on, Kind::ExtensionRequested, &asked, lead);
        let (kind, decided) = match e.state() {
            ExtensionState::Granted => (Kind::ExtensionGranted, "同意延期"),
            ExtensionState::Refused => (Kind::ExtensionRefused, "不同意延期"),
            ExtensionState::Unspecified | ExtensionState::Requested => continue,
        };
        out.add(e.decided_on, kind, decided, &e.decided_by);
    }
    for s in &m.suspensions {
        out.add(s.suspended_on, Kind::Suspended, &s.reason, "");
        out.add(s.resumed_on, Kind::Resumed, "恢复办理", "");
    }
    for feedback in &m.feedbacks {
        let kind = if feedback.r#final {
            Kind::FinalReport
        } else {
            Kind::Feedback
        };
        out.add(feedback.date, kind, &feedback.progress, lead);
    }
    out.add(m.reviewed_on, Kind::Reviewed, "审核", "");
    for r in &m.returns {
        out.add(r.returned_on, Kind::Returned, &r.reason, "");
    }
    let merged = format!("并入{}：{}", m.merged_into, m.merge_reason);
    out.add(m.merged_on, Kind::Merged, &merged, "");
    let split = format!("分解为{}项", m.parts.len());
    out.add(m.split_on, Kind::Split, &split, "");
    let mut closed_on = None;
    for r in &m.rechecks {
        // One closing may have several rechecks.
        if r.closed_on != closed_on {
            out.add(r.closed_on, Kind::Closed, &r.conclusion, "");
        }
        closed_on = r.closed_on.filter(|_| r.passed);
        let kind = if r.passed {
            Kind::RecheckPassed
        } else {
            Kind::RecheckFailed
        };
        out.add(r.date, kind, &r.findings, &r.by);
    }
    if m.closed_on != closed_on {
        out.add(m.closed_on, Kind::Closed, &m.conclusion, "");
    }
    out.entries
}

/// Collects the entries of one matter.
struct Entries<'a> {
    matter: &'a str,
    entries: Vec<TimelineEntry>,
}

impl Entries<'_> {
    /// Adds an entry; none without a day.
    fn add(&mut self, date: Option<Date>, kind: Kind, what: &str, by: &str) {
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

fn date_text(date: Option<Date>) -> String {
    date.map_or_else(String::new, |d| {
        format!("{}年{}月{}日", d.year, d.month, d.day)
    })
}
