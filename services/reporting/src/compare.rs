//! Compares a report with figures gathered today (核对).

use taizhang_contracts::reporting::{
    AnnualReport, AnnualReportState, CompareAnnualReportResponse, FigureDifference, ReportValue,
};

use crate::digest::digest;
use crate::gather::Gathered;

/// The figures of a report that differ from today's, in the report's order, and whether the digest of
/// a final report still matches.
pub(crate) fn compare(report: &AnnualReport, today: &Gathered) -> CompareAnnualReportResponse {
    let differences = report
        .figures
        .iter()
        .filter_map(|figure| {
            let current = today
                .figures
                .iter()
                .find(|f| f.indicator == figure.indicator)
                .map_or_else(not_provided, |f| f.current.clone().unwrap_or_default());
            let reported = figure.current.clone().unwrap_or_default();
            (reported.value != current.value).then(|| FigureDifference {
                indicator: figure.indicator.clone(),
                label: figure.label.clone(),
                reported: Some(reported),
                current: Some(current),
            })
        })
        .collect();
    let sealed = report.state() == AnnualReportState::Final;
    CompareAnnualReportResponse {
        differences,
        digest_matches: !sealed || report.digest == digest(report),
    }
}

/// The value of an indicator that no source has today.
fn not_provided() -> ReportValue {
    ReportValue {
        missing_reason: "没有来源提供该指标".into(),
        ..Default::default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use taizhang_contracts::reporting::ReportFigure;

    fn figure(id: &str, value: Option<i64>) -> ReportFigure {
        ReportFigure {
            indicator: id.into(),
            current: Some(ReportValue {
                value,
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    #[test]
    fn differences_are_changed_and_missing_values() {
        let report = AnnualReport {
            figures: vec![
                figure("same", Some(1)),
                figure("changed", Some(1)),
                figure("came", None),
                figure("went", Some(0)),
                figure("not_provided", Some(2)),
                figure("never", None),
            ],
            ..Default::default()
        };
        let today = Gathered {
            figures: vec![
                figure("went", None),
                figure("same", Some(1)),
                figure("changed", Some(2)),
                figure("came", Some(0)),
                figure("new", Some(9)),
            ],
            missing_sources: Vec::new(),
        };
        let ids: Vec<String> = compare(&report, &today)
            .differences
            .into_iter()
            .map(|d| d.indicator)
            .collect();
        assert_eq!(ids, ["changed", "came", "went", "not_provided"]);
    }

    #[test]
    fn a_final_report_that_was_tampered_with_does_not_match() {
        let today = Gathered {
            figures: Vec::new(),
            missing_sources: Vec::new(),
        };
        let mut report = AnnualReport {
            text: "正文".into(),
            ..Default::default()
        };
        report.set_state(AnnualReportState::Final);
        report.digest = digest(&report);
        assert!(compare(&report, &today).digest_matches);
        report.text.push('改');
        assert!(!compare(&report, &today).digest_matches);
        report.set_state(AnnualReportState::Draft);
        assert!(compare(&report, &today).digest_matches);
    }
}
