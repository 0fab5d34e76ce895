//! Asks for the annual summary, writes it, and shows its figures with the records behind them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use taizhang_contracts::reporting::{
    AnnualReport, CreateAnnualReportRequest, ListEvidenceRequest, ReportFigure, ReportValue,
};
use taizhang_contracts::statistics::Evidence;
use taizhang_reporting::decimal;

use super::{Clients, OFFICE, Plan};

/// One line of `figures.json`.
#[derive(Serialize)]
struct Line {
    value: Option<i64>,
    previous: Option<i64>,
    evidence: usize,
    #[serde(skip_serializing_if = "String::is_empty")]
    missing: String,
}

/// Makes the report of the plan's year, writes `summary-{year}.md` and `figures.json`, and prints
/// the table of figures.
///
/// # Errors
/// If a call or a file fails.
pub(super) async fn make(
    clients: &Clients,
    plan: &Plan,
    out: &Path,
) -> anyhow::Result<AnnualReport> {
    let mut reports = clients.reports.clone();
    let request = CreateAnnualReportRequest {
        parent: format!("offices/{OFFICE}"),
        annual_report: Some(AnnualReport {
            year: plan.year,
            ..Default::default()
        }),
        request_id: uuid::Uuid::new_v4().to_string(),
        ..Default::default()
    };
    let report = reports.create_annual_report(request).await?.into_inner();

    let mut lines = BTreeMap::new();
    let mut example = None;
    for figure in &report.figures {
        let evidence = match value(figure.current.as_ref()) {
            Some(_) => evidence(clients, &report.name, &figure.indicator).await?,
            None => Vec::new(),
        };
        let line = Line {
            value: value(figure.current.as_ref()),
            previous: value(figure.previous.as_ref()),
            evidence: evidence.len(),
            missing: figure
                .current
                .as_ref()
                .map(|v| v.missing_reason.clone())
                .unwrap_or_default(),
        };
        lines.insert(figure.indicator.clone(), line);
        if example.is_none() && (1..=5).contains(&evidence.len()) {
            example = Some((figure, evidence));
        }
    }

    std::fs::create_dir_all(out).with_context(|| format!("folder {}", out.display()))?;
    let markdown = out.join(format!("summary-{}.md", plan.year));
    write(&markdown, &report.text)?;
    let json = out.join("figures.json");
    write(&json, &(serde_json::to_string_pretty(&lines)? + "\n"))?;

    print_table(&report.figures, &lines);
    if let Some((figure, evidence)) = example {
        println!("\n打开一项数据的明细，如「{}」：", figure.label);
        for one in &evidence {
            let day = one
                .date
                .map(|d| format!("{}-{:02}-{:02}", d.year, d.month, d.day));
            println!(
                "  {}  {}  {}",
                day.unwrap_or_default(),
                one.title,
                one.record
            );
        }
        println!(
            "  即 AnnualReportService.ListEvidence(name: \"{}\", indicator: \"{}\")",
            report.name, figure.indicator
        );
    }
    println!(
        "\n总结写入 {}\n数据写入 {}",
        markdown.display(),
        json.display()
    );
    Ok(report)
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text).with_context(|| format!("file {}", file.display()))
}

fn value(value: Option<&ReportValue>) -> Option<i64> {
    value?.value
}

/// Every record behind a figure of this year.
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

fn print_table(figures: &[ReportFigure], lines: &BTreeMap<String, Line>) {
    let mut rows = vec![["指标", "本年", "上年", "同比", "明细"].map(str::to_owned)];
    for figure in figures {
        let Some(line) = lines.get(&figure.indicator) else {
            continue;
        };
        let part = if figure.part_of.is_empty() {
            ""
        } else {
            "　其中："
        };
        let shown = |value: Option<i64>| match value {
            Some(value) => decimal(value, figure.decimals) + &figure.unit,
            None => "缺".to_owned(),
        };
        rows.push([
            format!("{part}{}", figure.label),
            shown(line.value),
            shown(line.previous),
            change(line.value, line.previous),
            line.evidence.to_string(),
        ]);
    }
    let width =
        |text: &str| -> usize { text.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum() };
    let mut widths = [0; 5];
    for row in &rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = width(cell).max(*widest);
        }
    }
    println!();
    for (i, row) in rows.iter().enumerate() {
        let mut text = String::new();
        for (column, (cell, widest)) in row.iter().zip(widths).enumerate() {
            let gap = " ".repeat(widest - width(cell));
            // Labels to the left, numbers to the right.
            let padded = if column == 0 {
                format!("{cell}{gap}")
            } else {
                format!("{gap}{cell}")
            };
            text.push_str(&padded);
            text.push_str("  ");
        }
        println!("{}", text.trim_end());
        if i == 0 {
            println!("{}", "─".repeat(widths.iter().sum::<usize>() + 8));
        }
    }
}

/// The change on last year in percent, rounded half up in tenths.
fn change(value: Option<i64>, previous: Option<i64>) -> String {
    match (value, previous) {
        (Some(_), Some(0)) | (None, _) | (_, None) => "—".into(),
        (Some(value), Some(previous)) => {
            let tenths = ((value - previous).abs() * 2000 + previous) / (2 * previous);
            let sign = match value.cmp(&previous) {
                std::cmp::Ordering::Less => "-",
                std::cmp::Ordering::Equal => "",
                std::cmp::Ordering::Greater => "+",
            };
            format!("{sign}{}.{}%", tenths / 10, tenths % 10)
        }
    }
}

/// Prints calls that can be pasted while the services stay up.
pub(super) fn print_calls(
    addresses: &BTreeMap<&'static str, SocketAddr>,
    token: &str,
    report: &AnnualReport,
) {
    let at = |name: &str| {
        addresses
            .get(name)
            .map(ToString::to_string)
            .unwrap_or_default()
    };
    let (reporting, meetings) = (at("reporting"), at("meetings"));
    println!(
        r#"
服务保持运行，按 Ctrl-C 停止。可以粘贴以下命令：

export TOKEN='{token}'

# 报告（grpcurl）
grpcurl -plaintext -H "authorization: Bearer $TOKEN" \
  -d '{{"name": "{report}"}}' \
  {reporting} taizhang.reporting.v1.AnnualReportService/GetAnnualReport

# 一项数据的明细（buf curl）
buf curl --protocol grpc --http2-prior-knowledge -H "authorization: Bearer $TOKEN" \
  -d '{{"name": "{report}", "indicator": "reform_group_meetings"}}' \
  http://{reporting}/taizhang.reporting.v1.AnnualReportService/ListEvidence

# 会议列表（grpcurl）
grpcurl -plaintext -H "authorization: Bearer $TOKEN" \
  -d '{{"parent": "offices/{OFFICE}", "filter": "kind = REFORM_LEADING_GROUP AND state = HELD"}}' \
  {meetings} taizhang.meetings.v1.MeetingService/ListMeetings"#,
        report = report.name
    );
}

#[cfg(test)]
mod tests {
    use super::change;

    #[test]
    fn changes_are_rounded_half_up() {
        assert_eq!(change(Some(229), Some(262)), "-12.6%");
        assert_eq!(change(Some(475), Some(452)), "+5.1%");
        assert_eq!(change(Some(5), Some(5)), "0.0%");
        assert_eq!(change(Some(5), Some(0)), "—");
        assert_eq!(change(None, Some(1)), "—");
        assert_eq!(change(Some(2001), Some(2000)), "+0.1%");
    }
}
