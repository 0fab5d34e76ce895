use super::*;

fn indicator(id: &str) -> Indicator {
    Indicator {
        id: id.into(),
        label: format!("{id}的名称"),
        unit: "次".into(),
        ..Default::default()
    }
}

fn figure(id: &str, value: i64, kept: bool) -> Figure {
    Figure {
        indicator: id.into(),
        value,
        records: value,
        kept,
    }
}

fn answer(source: &str, figures: &[(&str, i64, bool)], last: &[(&str, i64, bool)]) -> SourceAnswer {
    let list = |of: &[(&str, i64, bool)]| {
        of.iter()
            .map(|(id, v, kept)| figure(id, *v, *kept))
            .collect()
    };
    SourceAnswer {
        source: source.into(),
        indicators: Ok(figures.iter().map(|(id, ..)| indicator(id)).collect()),
        current: Ok(list(figures)),
        previous: Ok(list(last)),
    }
}

fn down(source: &str, code: Code) -> SourceAnswer {
    SourceAnswer {
        source: source.into(),
        indicators: Err(code),
        current: Err(code),
        previous: Err(code),
    }
}

fn opening(id: &str, year: i32, value: i64) -> OpeningFigure {
    OpeningFigure {
        indicator: id.into(),
        year,
        value,
        entered_by: "王某".into(),
        source: "上年总结".into(),
        ..Default::default()
    }
}

fn background(opening: Vec<OpeningFigure>, wanted: &[&str]) -> Background {
    Background {
        year: 2022,
        opening,
        wanted: wanted.iter().map(|w| (*w).to_owned()).collect(),
        ..Default::default()
    }
}

fn find<'a>(gathered: &'a Gathered, id: &str) -> (&'a ReportValue, &'a ReportValue) {
    let figure = gathered.figures.iter().find(|f| f.indicator == id).unwrap();
    (
        figure.current.as_ref().unwrap(),
        figure.previous.as_ref().unwrap(),
    )
}

#[test]
fn counted_values_are_used_and_values_not_kept_are_missing() {
    let answers = vec![answer(
        "a",
        &[("x", 5, true), ("y", 0, true), ("z", 0, false)],
        &[("x", 4, true), ("y", 0, true), ("z", 0, false)],
    )];
    let got = assemble(answers, &background(vec![], &["x"]));
    assert!(got.missing_sources.is_empty());
    let (x, before) = find(&got, "x");
    assert_eq!((x.value, x.records, before.value), (Some(5), 5, Some(4)));
    // A zero of a kept ledger is a zero.
    assert_eq!(find(&got, "y").1.value, Some(0));
    // No record of this kind: zero this year, when the ledger was in use; unknown last year.
    let (z, before) = find(&got, "z");
    assert_eq!(z.value, Some(0));
    assert_eq!(
        (before.value, before.missing_reason.as_str()),
        (None, NOT_KEPT)
    );
}

#[test]
fn a_ledger_that_was_not_in_use_has_no_zeros() {
    let answers = vec![answer("a", &[("x", 0, false), ("y", 0, false)], &[])];
    let got = assemble(answers, &background(vec![opening("y", 2022, 7)], &[]));
    assert_eq!(
        (
            find(&got, "x").0.value,
            find(&got, "x").0.missing_reason.as_str()
        ),
        (None, NOT_KEPT)
    );
    let y = find(&got, "y").0;
    assert_eq!(
        (y.value, y.opening_source.as_str()),
        (Some(7), "王某：上年总结")
    );
}

#[test]
fn opening_figures_override_last_years_records_only() {
    let answers = vec![answer("a", &[("x", 5, true)], &[("x", 1, true)])];
    let entered = vec![opening("x", 2021, 40), opening("x", 2022, 99)];
    let got = assemble(answers, &background(entered, &[]));
    let (x, before) = find(&got, "x");
    assert_eq!((x.value, x.opening_source.as_str()), (Some(5), ""));
    assert_eq!((before.value, before.records), (Some(40), 0));
    assert_eq!(before.opening_source, "王某：上年总结");
}

#[test]
fn known_figures_of_an_unavailable_source_are_missing() {
    let known = ReportFigure {
        indicator: "y".into(),
        label: "旧名".into(),
        unit: "件".into(),
        source: "b".into(),
        ..Default::default()
    };
    let mut with = background(vec![opening("y", 2021, 3)], &["x", "y", "w"]);
    with.known = vec![known];
    let answers = vec![
        answer("a", &[("x", 5, true)], &[("x", 4, true)]),
        down("b", Code::DeadlineExceeded),
    ];
    let got = assemble(answers, &with);
    let ids: Vec<_> = got.figures.iter().map(|f| f.indicator.as_str()).collect();
    assert_eq!(ids, ["x", "y", "w"]);
    let (y, before) = find(&got, "y");
    assert_eq!(y.value, None);
    assert_eq!(y.missing_reason, "来源 b 未答复：超过时限");
    assert_eq!(before.value, Some(3));
    assert_eq!(got.figures[1].label, "旧名");
    // In the template, but of no source.
    let (w, _) = find(&got, "w");
    assert_eq!(w.missing_reason, "已答复的来源均无该指标，未答复的来源：b");
    assert_eq!(got.missing_sources.len(), 1);
    assert_eq!(got.missing_sources[0].reason, "来源 b 未答复：超过时限");
}

#[test]
fn a_source_with_a_partial_answer_is_missing() {
    let mut half = answer("a", &[("x", 5, true)], &[]);
    half.previous = Err(Code::Unavailable);
    let got = assemble(vec![half], &background(vec![], &[]));
    let (x, before) = find(&got, "x");
    assert_eq!(x.value, Some(5));
    assert_eq!(before.missing_reason, "来源 a 未答复：无法连接");
    assert_eq!(got.missing_sources.len(), 1);
}

#[test]
fn the_first_of_two_indicators_with_one_id_wins() {
    let answers = vec![
        answer("a", &[("x", 5, true)], &[]),
        answer("b", &[("x", 6, true), ("not an id", 1, true)], &[]),
    ];
    let got = assemble(answers, &background(vec![], &[]));
    assert_eq!(got.figures.len(), 1);
    assert_eq!(find(&got, "x").0.value, Some(5));
    assert_eq!(got.missing_sources.len(), 1);
    let why = &got.missing_sources[0].reason;
    assert!(
        why.contains("指标 x 已由来源 a 提供") && why.contains("编号无效"),
        "{why}"
    );
}

#[test]
fn a_figure_that_the_source_omits_is_missing() {
    let mut partial = answer("a", &[("x", 5, true)], &[]);
    partial.current = Ok(vec![]);
    let got = assemble(vec![partial], &background(vec![], &[]));
    assert_eq!(find(&got, "x").0.missing_reason, "来源 a 未给出该数");
}
