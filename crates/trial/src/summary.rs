//! Has the annual report made, and writes it with its figures to files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use taizhang_contracts::reporting::{
    AnnualReport, CreateAnnualReportRequest, ListEvidenceRequest, ReportFigure, ReportValue,
};
use taizhang_contracts::statistics::Evidence;
use taizhang_files::{Mode, replace};

use crate::client::{Clients, request_id};
use crate::job::OFFICE;

/// What a trial made.
#[derive(Debug)]
pub struct Summary {
    /// How many records were made.
    pub records: usize,
    /// The report.
    pub report: AnnualReport,
    /// The figures of the report, by indicator.
    pub lines: BTreeMap<String, Line>,
    /// One of the figures with its evidence, if one has a few records.
    pub example: Option<Example>,
    /// The file of the report's text, `summary-{year}.md`.
    pub markdown: PathBuf,
    /// The file of the figures, `figures.json`.
    pub json: PathBuf,
}

/// A figure, as `figures.json` has it.
#[derive(Debug, Serialize)]
pub struct Line {
    /// The figure of the year; `None` if it is missing.
    pub value: Option<i64>,
    /// The figure of the year before.
    pub previous: Option<i64>,
    /// How many records it counts.
    pub evidence: usize,
    /// Why it is missing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub missing: String,
}

/// A figure and the records that it counts.
#[derive(Debug)]
pub struct Example {
    /// The figure.
    pub figure: ReportFigure,
    /// Its records.
    pub evidence: Vec<Evidence>,
}

/// Has the report of a year made, and writes its text and its figures to the folder `out`.
///
/// # Errors
/// If a call is refused or a file can't be written.
pub(crate) async fn make(
    clients: &Clients,
    year: i32,
    records: usize,
    out: &Path,
) -> anyhow::Result<Summary> {
    let mut reports = clients.reports.clone();
    let request = CreateAnnualReportRequest {
        parent: format!("offices/{OFFICE}"),
        annual_report: Some(AnnualReport {
            year,
            ..Default::default()
        }),
        request_id: request_id(),
        ..Default::default()
    };
    let report = reports.create_annual_report(request).await?.into_inner();

    let mut lines = BTreeMap::new();
    let mut example = None;
    for figure in &report.figures {
        let current = figure.current.as_ref();
        let evidence = match value(current) {
            Some(_) => evidence(clients, &report.name, &figure.indicator).await?,
            None => Vec::new(),
        };
        let line = Line {
            value: value(current),
            previous: value(figure.previous.as_ref()),
            evidence: evidence.len(),
            missing: current.map_or_else(String::new, |v| v.missing_reason.clone()),
        };
        lines.insert(figure.indicator.clone(), line);
        if example.is_none() && (1..=5).contains(&evidence.len()) {
            let figure = figure.clone();
            example = Some(Example { figure, evidence });
        }
    }

    std::fs::create_dir_all(out).with_context(|| format!("folder {}", out.display()))?;
    let markdown = out.join(format!("summary-{year}.md"));
    write(&markdown, &report.text)?;
    let json = out.join("figures.json");
    write(&json, &(serde_json::to_string_pretty(&lines)? + "\n"))?;
    Ok(Summary {
        records,
        report,
        lines,
        example,
        markdown,
        json,
    })
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    replace(file, text.as_bytes(), Mode::Umask).with_context(|| format!("file {}", file.display()))
}

fn value(value: Option<&ReportValue>) -> Option<i64> {
    value?.value
}

/// The records that a figure of the report's year counts.
async fn evidence(
    clients: &Clients,
    report: &str,
    indicator: &str,
) -> anyhow::Result<Vec<Evidence>> {
    let mut reports = clients.reports.clone();
    let mut all = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListEvidenceRequest {
            name: report.to_owned(),
            indicator: indicator.to_owned(),
            page_size: 1000,
            page_token,
            ..Default::default()
        };
        let page = reports.list_evidence(request).await?.into_inner();
        all.extend(page.evidence);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}
