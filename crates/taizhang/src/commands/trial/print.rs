//! What `taizhang try` prints: the figures, the evidence of one, and calls to paste.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use taizhang_contracts::reporting::{AnnualReport, ReportFigure};
use taizhang_reporting::decimal;
use taizhang_trial::{Line, OFFICE, Summary};

/// Prints the figures, the records behind one of them, and the files that were written.
pub(super) fn summary(summary: &Summary) {
    println!("已通过 gRPC 录入 {} 条记录", summary.records);
    table(&summary.report.figures, &summary.lines);
    if let Some(example) = &summary.example {
        println!("\n打开一项数据的明细，如「{}」：", example.figure.label);
        for one in &example.evidence {
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
            summary.report.name, example.figure.indicator
        );
    }
    println!(
        "\n总结写入 {}\n数据写入 {}",
        summary.markdown.display(),
        summary.json.display()
    );
}

/// Prints the figures as a table.
fn table(figures: &[ReportFigure], lines: &BTreeMap<String, Line>) {
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
            // Labels are aligned to the left, numbers to the right.
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

/// The change from the year before in percent, with one decimal, rounded half up.
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

/// Prints calls to paste while the services are running.
pub(super) fn calls(
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
