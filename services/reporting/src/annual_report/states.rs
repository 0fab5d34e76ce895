//! The states of an annual report, and the rules of its methods.

use taizhang_contracts::reporting::{
    AnnualReport, AnnualReportState, FinalizeAnnualReportRequest, ReturnAnnualReportRequest,
    SubmitAnnualReportRequest,
};
use taizhang_contracts::{Error, Reason, Resource, Result, date};
use taizhang_ledger::Moment;
use taizhang_ledger::transition::{Machine, keeps, leads};

use crate::digest::digest;

/// The states of an annual report.
pub const MACHINE: Machine<AnnualReportState> = Machine {
    resource: "AnnualReport",
    initial: AnnualReportState::Draft,
    transitions: &[
        keeps(
            "RefreshAnnualReport",
            "重新取数",
            &[AnnualReportState::Draft],
        ),
        leads(
            "SubmitAnnualReport",
            "送审",
            &[AnnualReportState::Draft],
            AnnualReportState::InReview,
        ),
        leads(
            "ReturnAnnualReport",
            "退回修改",
            &[AnnualReportState::InReview],
            AnnualReportState::Draft,
        ),
        leads(
            "FinalizeAnnualReport",
            "定稿",
            &[AnnualReportState::InReview],
            AnnualReportState::Final,
        ),
    ],
    name: AnnualReportState::as_str_name,
};

/// The most gaps in a refusal; more would not fit into a response's trailers.
const MOST_GAPS: usize = 20;

pub(super) fn submit(
    report: &mut AnnualReport,
    _q: &SubmitAnnualReportRequest,
    _at: Moment,
) -> Result<()> {
    report.set_state(MACHINE.next("SubmitAnnualReport", report.state())?);
    Ok(())
}

pub(super) fn give_back(
    report: &mut AnnualReport,
    q: &ReturnAnnualReportRequest,
    _at: Moment,
) -> Result<()> {
    report.set_state(MACHINE.next("ReturnAnnualReport", report.state())?);
    report.return_reason.clone_from(&q.reason);
    Ok(())
}

/// FinalizeAnnualReport: refuses a report with gaps. Last year's figures may be missing.
pub(super) fn finalize(
    report: &mut AnnualReport,
    _q: &FinalizeAnnualReportRequest,
    at: Moment,
) -> Result<()> {
    report.set_state(MACHINE.next("FinalizeAnnualReport", report.state())?);
    refuse_gaps(report)?;
    report.finalize_time = Some(date::timestamp(at.now));
    report.digest = digest(report);
    Ok(())
}

fn refuse_gaps(report: &AnnualReport) -> Result<()> {
    let figures = report.figures.iter().filter_map(|figure| {
        let current = figure.current.clone().unwrap_or_default();
        current.value.is_none().then(|| {
            (
                "FIGURE_MISSING",
                figure.indicator.clone(),
                format!("{}缺失：{}", figure.label, current.missing_reason),
                format!("{} is missing", figure.indicator),
            )
        })
    });
    let sources = report.missing_sources.iter().map(|missing| {
        (
            "SOURCE_MISSING",
            missing.source.clone(),
            missing.reason.clone(),
            format!("source {} is missing or in conflict", missing.source),
        )
    });
    // Sources first: they are few and explain the missing figures.
    let gaps: Vec<_> = sources.chain(figures).collect();
    if gaps.is_empty() {
        return Ok(());
    }
    let all = gaps.len();
    let mut error = Error::new(Reason::FiguresMissing)
        .with("gaps", all.to_string())
        .about(AnnualReport::MESSAGE, report.name.as_str());
    for (rule, subject, zh, en) in gaps.into_iter().take(MOST_GAPS) {
        error = error.because(rule, subject, zh, en);
    }
    Err(error)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use taizhang_contracts::reporting::{MissingSource, ReportFigure, ReportValue};

    fn figure(current: Option<i64>, previous: Option<i64>) -> ReportFigure {
        let value = |value| {
            Some(ReportValue {
                value,
                ..Default::default()
            })
        };
        ReportFigure {
            indicator: "x".into(),
            label: "某数".into(),
            current: value(current),
            previous: value(previous),
            ..Default::default()
        }
    }

    fn in_review(figures: Vec<ReportFigure>) -> AnnualReport {
        let mut report = AnnualReport {
            year: 2022,
            figures,
            ..Default::default()
        };
        report.set_state(AnnualReportState::InReview);
        report
    }

    fn at() -> Moment {
        Moment {
            now: Default::default(),
            zone: chrono_tz::Asia::Shanghai,
        }
    }

    fn seal(report: &mut AnnualReport) -> Result<()> {
        finalize(report, &FinalizeAnnualReportRequest::default(), at())
    }

    #[test]
    fn a_complete_report_is_finalized() {
        let mut report = in_review(vec![figure(Some(0), None)]);
        seal(&mut report).unwrap();
        assert_eq!(report.state(), AnnualReportState::Final);
        assert_eq!(report.digest, digest(&report));
        assert!(report.finalize_time.is_some());
    }

    #[test]
    fn a_report_with_gaps_is_not_finalized() {
        let mut report = in_review(vec![figure(None, Some(1)), figure(Some(1), Some(1))]);
        let error = seal(&mut report).unwrap_err();
        assert_eq!(error.reason(), Reason::FiguresMissing);
        assert_eq!(error.preconditions().len(), 1);
        assert_eq!(error.preconditions()[0].rule, "FIGURE_MISSING");

        let mut report = in_review(vec![figure(Some(1), None)]);
        report.missing_sources.push(MissingSource::default());
        let error = seal(&mut report).unwrap_err();
        assert_eq!(error.reason(), Reason::FiguresMissing);
        assert_eq!(error.preconditions()[0].rule, "SOURCE_MISSING");

        let mut report = in_review(vec![figure(None, None); 100]);
        assert_eq!(
            seal(&mut report).unwrap_err().preconditions().len(),
            MOST_GAPS
        );
    }

    #[test]
    fn final_is_entered_from_review_only_and_never_left() {
        for row in MACHINE.transitions {
            assert!(
                !row.from.contains(&AnnualReportState::Final),
                "{}",
                row.method
            );
            if row.to == Some(AnnualReportState::Final) {
                assert_eq!(row.from, [AnnualReportState::InReview]);
            }
        }
        let mut draft = AnnualReport::default();
        draft.set_state(AnnualReportState::Draft);
        assert_eq!(seal(&mut draft).unwrap_err().reason(), Reason::WrongState);
    }
}
