//! Gathers a report's figures from all sources.
//!
//! A figure that no source returned is missing, with the reason; it is never a zero.

use futures::future::{join_all, join3};
use sea_orm::sea_query::Condition;
use taizhang_contracts::reporting::{
    AnnualReport, MissingSource, OpeningFigure, ReportFigure, ReportValue,
};
use taizhang_contracts::statistics::{Figure, Indicator};
use taizhang_contracts::{Context, Result};
use tonic::{Code, Status};

use crate::entities::{annual_reports, opening_figures};
use crate::opening_figure::of_years;
use crate::source::{Source, reason};
use crate::template::is_name;
use crate::{Reporting, source};

/// The most indicators that are used of one source.
const MOST_INDICATORS: usize = 500;
/// The longest label or unit word, in characters; longer ones are cut.
const LONGEST_WORD: usize = 100;
/// The most decimals of a figure.
const MOST_DECIMALS: i32 = 9;
/// The most opening figures of two years.
const MOST_OPENING_FIGURES: u64 = 10_000;
/// The most earlier reports that are searched for the indicators of an unavailable source.
const MOST_REPORTS: u64 = 20;

/// The figures of a year, and the sources that failed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gathered {
    pub(crate) figures: Vec<ReportFigure>,
    pub(crate) missing_sources: Vec<MissingSource>,
}

/// The answers of one source.
struct SourceAnswer {
    source: String,
    indicators: Result<Vec<Indicator>, Code>,
    current: Result<Vec<Figure>, Code>,
    previous: Result<Vec<Figure>, Code>,
}

/// The data that is known without the sources.
#[derive(Default)]
struct Background {
    year: i32,
    /// The figures of earlier reports, by priority: they have the indicators of an unavailable
    /// source.
    known: Vec<ReportFigure>,
    opening: Vec<OpeningFigure>,
    /// The indicators that the template refers to.
    wanted: Vec<String>,
}

impl Reporting {
    /// Gathers the figures of a year from all sources concurrently. `before` is the present
    /// version of the report, if it exists, and `wanted` are the indicators that the template
    /// refers to.
    pub(crate) async fn gather(
        &self,
        context: &Context,
        year: i32,
        before: Option<&AnnualReport>,
        wanted: Vec<String>,
    ) -> Result<Gathered> {
        let office = &context.office;
        let answers = join_all(self.sources.iter().map(|s| ask(s, context, year))).await;
        let opening = self
            .ledger
            .select::<opening_figures::Entity>(office, of_years(year), MOST_OPENING_FIGURES)
            .await?;
        let mut known = before.map(|r| r.figures.clone()).unwrap_or_default();
        if answers.iter().any(|answer| answer.indicators.is_err()) {
            let recent = Condition::all().add(annual_reports::COLUMN.year.is_in([year, year - 1]));
            let select = self
                .ledger
                .select::<annual_reports::Entity>(office, recent, MOST_REPORTS);
            let mut reports = select.await?;
            reports.sort_by_key(|r| std::cmp::Reverse(r.gather_time.map(|t| t.seconds)));
            known.extend(reports.into_iter().flat_map(|r| r.figures));
        }
        let background = Background {
            year,
            known,
            opening,
            wanted,
        };
        Ok(assemble(answers, &background))
    }

    /// The indicators of every source, or its error.
    pub(crate) async fn indicators(
        &self,
        context: &Context,
    ) -> Vec<(&Source, Result<Vec<Indicator>, Status>)> {
        join_all(
            self.sources
                .iter()
                .map(|source| async move { (source, source.indicators(context).await) }),
        )
        .await
    }
}

async fn ask(source: &Source, context: &Context, year: i32) -> SourceAnswer {
    let (indicators, current, previous) = join3(
        source.indicators(context),
        source.figures(context, year),
        source.figures(context, year - 1),
    )
    .await;
    SourceAnswer {
        source: source.name.clone(),
        indicators: indicators.map_err(|s| s.code()),
        current: current.map_err(|s| s.code()),
        previous: previous.map_err(|s| s.code()),
    }
}

/// Combines the answers: a pure function.
fn assemble(answers: Vec<SourceAnswer>, background: &Background) -> Gathered {
    let mut figures: Vec<ReportFigure> = Vec::new();
    let mut missing_sources = Vec::new();
    for answer in &answers {
        let mut complaints: Vec<String> = answer.failure().into_iter().collect();
        for indicator in answer.indicators(background) {
            if !is_name(&indicator.id) {
                complaints.push(format!("来源 {} 的一项指标编号无效，未采用", answer.source));
            } else if let Some(first) = figures.iter().find(|f| f.indicator == indicator.id) {
                complaints.push(format!(
                    "指标 {} 已由来源 {} 提供，来源 {} 的同名指标未采用",
                    indicator.id, first.source, answer.source
                ));
            } else {
                figures.push(answer.figure(indicator, background));
            }
        }
        if !complaints.is_empty() {
            complaints.dedup();
            missing_sources.push(MissingSource {
                source: answer.source.clone(),
                reason: complaints.join("；"),
            });
        }
    }
    for id in &background.wanted {
        if !figures.iter().any(|f| f.indicator == *id) {
            figures.push(unknown_indicator(id, &answers, background));
        }
    }
    Gathered {
        figures,
        missing_sources,
    }
}

impl SourceAnswer {
    /// Why an answer is missing, if one is.
    fn failure(&self) -> Option<String> {
        let code = self
            .indicators
            .as_ref()
            .err()
            .or(self.current.as_ref().err())
            .or(self.previous.as_ref().err())?;
        Some(reason(&self.source, *code).0)
    }

    /// The source's indicators; if it did not return them, those of earlier reports.
    fn indicators(&self, background: &Background) -> Vec<Indicator> {
        if let Ok(indicators) = &self.indicators {
            return indicators
                .iter()
                .take(MOST_INDICATORS)
                .map(|i| Indicator {
                    label: bounded(&i.label),
                    unit: bounded(&i.unit),
                    part_of: bounded(&i.part_of),
                    decimals: i.decimals.clamp(0, MOST_DECIMALS),
                    ..i.clone()
                })
                .collect();
        }
        let mut indicators: Vec<Indicator> = Vec::new();
        for figure in background.known.iter().filter(|f| f.source == self.source) {
            if !indicators.iter().any(|i| i.id == figure.indicator) {
                indicators.push(Indicator {
                    id: figure.indicator.clone(),
                    label: figure.label.clone(),
                    unit: figure.unit.clone(),
                    part_of: figure.part_of.clone(),
                    decimals: figure.decimals,
                    ..Default::default()
                });
            }
        }
        indicators
    }

    fn figure(&self, indicator: Indicator, background: &Background) -> ReportFigure {
        let (id, year) = (indicator.id.as_str(), background.year);
        ReportFigure {
            current: Some(self.current(id, background.opening(id, year))),
            previous: Some(self.previous(id, background.opening(id, year - 1))),
            source: self.source.clone(),
            indicator: indicator.id,
            label: indicator.label,
            unit: indicator.unit,
            part_of: indicator.part_of,
            decimals: indicator.decimals,
        }
    }

    /// This year's value. A counted value takes precedence over an opening figure, which is used
    /// only if the ledger was not kept. If no record of the kind exists, the zero is valid only if
    /// another figure shows that the source's ledger was in use that year.
    fn current(&self, id: &str, opening: Option<&OpeningFigure>) -> ReportValue {
        let figure = match self.find(&self.current, id) {
            Ok(figure) => figure,
            Err(missing) => return missing,
        };
        let in_use = || self.current.iter().flatten().any(kept);
        match opening {
            _ if kept(figure) => counted(figure),
            Some(opening) => entered(opening),
            None if in_use() => counted(figure),
            None => missing(NOT_KEPT),
        }
    }

    /// Last year's value. An opening figure takes precedence over a counted value, since it was
    /// entered because the records of that year are incomplete.
    fn previous(&self, id: &str, opening: Option<&OpeningFigure>) -> ReportValue {
        if let Some(opening) = opening {
            return entered(opening);
        }
        match self.find(&self.previous, id) {
            Ok(figure) if kept(figure) => counted(figure),
            Ok(_) => missing(NOT_KEPT),
            Err(missing) => missing,
        }
    }

    /// A figure of a year, or a missing value with the reason.
    fn find<'a>(
        &self,
        figures: &'a Result<Vec<Figure>, Code>,
        id: &str,
    ) -> Result<&'a Figure, ReportValue> {
        let failed = |code: &Code| missing(source::reason(&self.source, *code).0);
        if let Err(code) = &self.indicators {
            return Err(failed(code));
        }
        let figures = figures.as_ref().map_err(failed)?;
        figures
            .iter()
            .find(|f| f.indicator == id)
            .ok_or_else(|| missing(format!("来源 {} 未给出该数", self.source)))
    }
}

impl Background {
    fn opening(&self, indicator: &str, year: i32) -> Option<&OpeningFigure> {
        self.opening
            .iter()
            .find(|f| f.indicator == indicator && f.year == year)
    }
}

/// The figure of an indicator that the template refers to and no source returned.
fn unknown_indicator(id: &str, answers: &[SourceAnswer], background: &Background) -> ReportFigure {
    let away: Vec<&str> = answers
        .iter()
        .filter(|a| a.indicators.is_err())
        .map(|a| a.source.as_str())
        .collect();
    let why = if away.is_empty() {
        "没有来源提供该指标".to_owned()
    } else {
        format!("已答复的来源均无该指标，未答复的来源：{}", away.join("、"))
    };
    let last = background.known.iter().find(|f| f.indicator == id);
    ReportFigure {
        indicator: id.to_owned(),
        label: last.map_or_else(|| id.to_owned(), |f| f.label.clone()),
        unit: last.map(|f| f.unit.clone()).unwrap_or_default(),
        source: last.map(|f| f.source.clone()).unwrap_or_default(),
        part_of: last.map(|f| f.part_of.clone()).unwrap_or_default(),
        decimals: last.map(|f| f.decimals).unwrap_or_default(),
        current: Some(missing(why.clone())),
        previous: Some(match background.opening(id, background.year - 1) {
            Some(opening) => entered(opening),
            None => missing(why),
        }),
    }
}

const NOT_KEPT: &str = "台账启用前无记录，且无期初数";

/// Whether a figure is usable: the ledger was kept, or the value is not zero.
fn kept(figure: &Figure) -> bool {
    figure.kept || figure.value != 0
}

fn counted(figure: &Figure) -> ReportValue {
    ReportValue {
        value: Some(figure.value),
        records: figure.records,
        ..Default::default()
    }
}

fn entered(opening: &OpeningFigure) -> ReportValue {
    ReportValue {
        value: Some(opening.value),
        opening_source: format!("{}：{}", opening.entered_by, opening.source),
        ..Default::default()
    }
}

fn missing(why: impl Into<String>) -> ReportValue {
    ReportValue {
        missing_reason: why.into(),
        ..Default::default()
    }
}

/// A text of a source in one line of limited length: a source may be another team's system.
fn bounded(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_WORD)
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
