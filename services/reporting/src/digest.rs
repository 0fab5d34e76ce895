//! The digest of a final report.
//!
//! SHA-256 over the parts below, in this order. A text is preceded by the number of its UTF-8
//! bytes, a list by the number of its entries, a value that may be absent by 0 or 1; all numbers
//! are signed 64-bit, big-endian. So the encoding is injective, and anyone who has a report can
//! recompute its digest.
//!
//! 1. the text `taizhang.AnnualReport.1`
//! 2. the year
//! 3. the report's text
//! 4. the figures, each: indicator, label, unit, source, part_of, decimals, current, previous
//!    - current and previous, each: whether it is present, and then: value, records,
//!      missing_reason, opening_source

use sha2::{Digest, Sha256};
use taizhang_contracts::reporting::{AnnualReport, ReportValue};

const FORMAT: &str = "taizhang.AnnualReport.1";

/// The digest over a report's year, text and figures, in hexadecimal.
pub(crate) fn digest(report: &AnnualReport) -> String {
    let mut parts = Parts(Sha256::new());
    parts.text(FORMAT);
    parts.number(report.year.into());
    parts.text(&report.text);
    parts.count(report.figures.len());
    for figure in &report.figures {
        parts.text(&figure.indicator);
        parts.text(&figure.label);
        parts.text(&figure.unit);
        parts.text(&figure.source);
        parts.text(&figure.part_of);
        parts.number(figure.decimals.into());
        parts.value(figure.current.as_ref());
        parts.value(figure.previous.as_ref());
    }
    hex::encode(parts.0.finalize())
}

struct Parts(Sha256);

impl Parts {
    fn number(&mut self, number: i64) {
        self.0.update(number.to_be_bytes());
    }

    fn count(&mut self, count: usize) {
        self.number(i64::try_from(count).unwrap_or(i64::MAX));
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.update(text);
    }

    fn value(&mut self, value: Option<&ReportValue>) {
        self.number(value.is_some().into());
        let Some(value) = value else { return };
        self.number(value.value.is_some().into());
        if let Some(number) = value.value {
            self.number(number);
        }
        self.number(value.records);
        self.text(&value.missing_reason);
        self.text(&value.opening_source);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use taizhang_contracts::reporting::ReportFigure;

    fn report() -> AnnualReport {
        AnnualReport {
            year: 2022,
            text: "全年召开会议475次。".into(),
            figures: vec![ReportFigure {
                indicator: "meetings_total".into(),
                label: "会议".into(),
                unit: "次".into(),
                source: "meetings".into(),
                part_of: String::new(),
                decimals: 0,
                current: Some(ReportValue {
                    value: Some(475),
                    records: 475,
                    ..Default::default()
                }),
                previous: Some(ReportValue {
                    missing_reason: "无".into(),
                    ..Default::default()
                }),
            }],
            ..Default::default()
        }
    }

    #[test]
    fn the_digest_covers_year_text_and_figures_and_nothing_else() {
        let sealed = digest(&report());
        assert_eq!(sealed.len(), 64);
        let changed: [fn(&mut AnnualReport); 9] = [
            |r| r.year = 2021,
            |r| r.text.push(' '),
            |r| r.figures.clear(),
            |r| r.figures[0].label = "会".into(),
            |r| {
                // The same characters, split differently between two fields.
                r.figures[0].label = "会".into();
                r.figures[0].unit = "议次".into();
            },
            |r| r.figures[0].current.as_mut().unwrap().value = Some(476),
            |r| r.figures[0].decimals = 1,
            |r| r.figures[0].previous = None,
            |r| r.figures[0].previous.as_mut().unwrap().value = Some(0),
        ];
        let mut digests = vec![sealed.clone()];
        for change in changed {
            let mut other = report();
            change(&mut other);
            digests.push(digest(&other));
        }
        let all = digests.len();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), all);

        let mut other = report();
        other.return_reason = "改".into();
        other.etag = "v9".into();
        assert_eq!(digest(&other), sealed);
    }

    #[test]
    fn the_digest_of_a_known_report_is_stable() {
        // Computed with Python's hashlib and struct from the description above.
        assert_eq!(digest(&report()), EXPECTED);
    }

    const EXPECTED: &str = "b2953fab03f85cd1a88124c50aa56d24a9d1e6da1eeff212408d6bc0516b4a09";
}
