//! The evidence of a report's figure, read from its source (明细).

use taizhang_contracts::common::Period;
use taizhang_contracts::reporting::{
    AnnualReport, ListEvidenceRequest, ListEvidenceResponse, ReportFigure,
};
use taizhang_contracts::{Context, Error, Reason, Result, Violations, statistics};
use tonic::{Code, Status};

use crate::source::{Source, reason};

/// One page of the records behind a figure, as its source returns them today.
pub(crate) async fn list(
    sources: &[Source],
    context: &Context,
    report: &AnnualReport,
    q: &ListEvidenceRequest,
) -> Result<ListEvidenceResponse, Status> {
    let figure = report
        .figures
        .iter()
        .find(|f| f.indicator == q.indicator)
        .ok_or_else(|| {
            Violations::of(
                "indicator",
                format!("总结中没有指标{}", q.indicator),
                format!("the report has no indicator {}", q.indicator),
            )
        })?;
    let (value, year) = if q.previous {
        (&figure.previous, report.year - 1)
    } else {
        (&figure.current, report.year)
    };
    if let Some(value) = value
        && !value.opening_source.is_empty()
    {
        let entry = &value.opening_source;
        return Err(Error::refused(
            "EVIDENCE_OF_COUNTED_FIGURES",
            q.indicator.as_str(),
            format!("该数为人工填报的期初数，没有明细；填报人和出处：{entry}"),
            format!("the figure was entered by hand and has no records: {entry}"),
        )
        .into());
    }
    let source = source_of(sources, figure)?;
    let forwarded = statistics::ListEvidenceRequest {
        parent: context.office.to_string(),
        period: Some(Period::year(year)),
        indicator: q.indicator.clone(),
        page_size: q.page_size,
        page_token: q.page_token.clone(),
    };
    match source.evidence(context, forwarded).await {
        Ok(page) => Ok(ListEvidenceResponse {
            evidence: page.evidence,
            next_page_token: page.next_page_token,
            source: source.name.clone(),
        }),
        Err(status) => Err(to_caller(&source.name, &status)),
    }
}

fn source_of<'a>(sources: &'a [Source], figure: &ReportFigure) -> Result<&'a Source> {
    let source = sources.iter().find(|s| s.name == figure.source);
    source.ok_or_else(|| {
        Error::refused(
            "SOURCE_CONFIGURED",
            figure.source.as_str(),
            "提供该数的来源未配置，无法查阅明细",
            "the source of the figure is not configured",
        )
    })
}

/// Maps a source's error for the caller: errors of the request are passed through, all others are
/// UNAVAILABLE.
fn to_caller(source: &str, status: &Status) -> Status {
    match status.code() {
        code @ (Code::PermissionDenied | Code::InvalidArgument) => {
            Status::with_details(code, status.message(), status.details().to_vec().into())
        }
        code => {
            let (zh, en) = reason(source, code);
            Error::new(Reason::Unavailable)
                .saying(zh, en)
                .with("source", source)
                .into()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn evidence_needs_a_configured_source() {
        let error = source_of(&[], &ReportFigure::default()).unwrap_err();
        assert_eq!(error.preconditions()[0].rule, "SOURCE_CONFIGURED");
    }
}
