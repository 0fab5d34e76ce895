#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use taizhang_contracts::Reason;
use taizhang_contracts::common::Date;
use taizhang_contracts::research::{Adoption, Conversion, Instruction, Submission};

use super::*;
use crate::testing::{date, fields, noon, rule};

const TODAY: u32 = 20;

fn drafting() -> ResearchReport {
    let mut report = ResearchReport {
        name: "offices/demo/researchReports/r1".into(),
        ..Default::default()
    };
    report.set_state(MACHINE.initial);
    report
}

/// Finished on 5 June.
fn finished() -> ResearchReport {
    let mut report = drafting();
    let q = FinishResearchReportRequest {
        finished_on: date(5),
        ..Default::default()
    };
    finish(&mut report, &q, noon(TODAY)).unwrap();
    report
}

fn submission(to: &str, level: Level, on: Option<Date>) -> SubmitResearchReportRequest {
    let submission = Submission {
        to: to.into(),
        level: level.into(),
        submitted_on: on,
    };
    SubmitResearchReportRequest {
        submission: Some(submission),
        ..Default::default()
    }
}

fn adoption(on: Option<Date>) -> AdoptResearchReportRequest {
    let adoption = Adoption {
        adopted_on: on,
        ..Default::default()
    };
    AdoptResearchReportRequest {
        adoption: Some(adoption),
        ..Default::default()
    }
}

fn instruction(on: Option<Date>) -> InstructResearchReportRequest {
    let instruction = Instruction {
        instructed_on: on,
        ..Default::default()
    };
    InstructResearchReportRequest {
        instruction: Some(instruction),
        ..Default::default()
    }
}

fn conversion(record: &str, on: Option<Date>) -> ConvertResearchReportRequest {
    let conversion = Conversion {
        record: record.into(),
        converted_on: on,
    };
    ConvertResearchReportRequest {
        conversion: Some(conversion),
        ..Default::default()
    }
}

/// A method that adds to a list of the report, with the field of its day.
type Event = (
    &'static str,
    fn(&mut ResearchReport, Option<Date>) -> Result<()>,
);

const EVENTS: [Event; 4] = [
    ("submission.submitted_on", |r, on| {
        submit(r, &submission("市委政研室", Level::City, on), noon(TODAY))
    }),
    ("adoption.adopted_on", |r, on| {
        adopt(r, &adoption(on), noon(TODAY))
    }),
    ("instruction.instructed_on", |r, on| {
        instruct(r, &instruction(on), noon(TODAY))
    }),
    ("conversion.converted_on", |r, on| {
        convert(r, &conversion("offices/demo/matters/m1", on), noon(TODAY))
    }),
];

#[test]
fn a_report_is_finished_once_and_not_in_the_future() {
    let q = FinishResearchReportRequest {
        finished_on: date(TODAY + 1),
        ..Default::default()
    };
    let refused = finish(&mut drafting(), &q, noon(TODAY)).unwrap_err();
    assert_eq!(fields(&refused), ["finished_on"]);
    let again = FinishResearchReportRequest::default();
    let refused = finish(&mut finished(), &again, noon(TODAY)).unwrap_err();
    assert_eq!(refused.reason(), Reason::WrongState);
}

#[test]
fn events_are_not_dated_before_the_finish_or_in_the_future() {
    for (field, event) in EVENTS {
        let refused = event(&mut drafting(), None).unwrap_err();
        assert_eq!(refused.reason(), Reason::WrongState, "{field}");
        for day in [4, TODAY + 1] {
            let refused = event(&mut finished(), date(day)).unwrap_err();
            assert_eq!(fields(&refused), [field], "{day}");
        }
        let mut report = finished();
        event(&mut report, date(5)).unwrap();
        event(&mut report, None).unwrap();
        assert_eq!(report.state(), Finished);
    }
}

#[test]
fn lists_are_limited() {
    for (i, (field, event)) in EVENTS.into_iter().enumerate() {
        let mut report = finished();
        let most = [MOST, adoption::MOST, MOST_INSTRUCTIONS, MOST][i];
        report.submissions = vec![Submission::default(); most];
        report.adoptions = vec![Adoption::default(); most];
        report.instructions = vec![Instruction::default(); most];
        report.conversions = vec![Conversion::default(); most];
        let refused = event(&mut report, None).unwrap_err();
        assert_eq!(rule(&refused), "LIST_FULL", "{field}");
    }
}

#[test]
fn a_report_is_submitted_to_an_organ_once_a_day() {
    let mut report = finished();
    let q = |to, day| submission(to, Level::City, date(day));
    submit(&mut report, &q("市委政研室", 6), noon(TODAY)).unwrap();
    let refused = submit(&mut report, &q("市委政研室", 6), noon(TODAY)).unwrap_err();
    assert_eq!(rule(&refused), "SUBMITTED_ONCE_A_DAY");
    submit(&mut report, &q("市委政研室", 7), noon(TODAY)).unwrap();
    submit(&mut report, &q("市委办公室", 6), noon(TODAY)).unwrap();
    // The day defaults to today.
    let today = submission("市委办公室", Level::City, None);
    submit(&mut report, &today, noon(TODAY)).unwrap();
    let refused = submit(&mut report, &q("市委办公室", TODAY), noon(TODAY)).unwrap_err();
    assert_eq!(rule(&refused), "SUBMITTED_ONCE_A_DAY");
    assert_eq!(report.submissions.len(), 4);
}

#[test]
fn a_conversion_names_a_decision_or_matter_of_the_same_office() {
    for good in ["offices/demo/decisions/d1", "offices/demo/matters/m1"] {
        let mut report = finished();
        convert(&mut report, &conversion(good, None), noon(TODAY)).unwrap();
        assert_eq!(report.conversions[0].record, good);
        assert_eq!(report.conversions[0].converted_on, date(TODAY));
    }
    for bad in [
        "offices/another/decisions/d1",
        "offices/another/matters/m1",
        "offices/demo/meetings/m1",
        "offices/demo/matters",
        "县委1号文件",
    ] {
        let q = conversion(bad, None);
        let refused = convert(&mut finished(), &q, noon(TODAY)).unwrap_err();
        assert_eq!(fields(&refused), ["conversion.record"], "{bad}");
    }
}

proptest! {
    /// The summary fields follow from the lists, whatever the order of entry.
    #[test]
    fn summary_fields_follow_from_the_lists(
        submitted in prop::collection::vec((1_i32..6, 5_u32..20), 0..20),
        adopted in prop::collection::vec(5_u32..20, 0..10),
        instructed in prop::collection::vec(5_u32..20, 0..10),
    ) {
        let mut report = finished();
        for (i, (level, day)) in submitted.iter().enumerate() {
            let level = Level::try_from(*level).unwrap();
            let q = submission(&format!("单位{i}"), level, date(*day));
            submit(&mut report, &q, noon(TODAY)).unwrap();
        }
        for day in &adopted {
            adopt(&mut report, &adoption(date(*day)), noon(TODAY)).unwrap();
        }
        for day in &instructed {
            instruct(&mut report, &instruction(date(*day)), noon(TODAY)).unwrap();
        }
        let to_city = submitted.iter().any(|(level, _)| *level == Level::City as i32);
        prop_assert_eq!(report.submitted_to_city, to_city);
        let first = |days: &[u32]| days.iter().min().copied().and_then(date);
        prop_assert_eq!(report.adopted_on, first(&adopted));
        prop_assert_eq!(report.instructed_on, first(&instructed));
        prop_assert_eq!(report.submissions.len(), submitted.len());
    }
}
