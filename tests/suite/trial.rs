//! `taizhang try`: the figures of the annual report are those of the plan.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use taizhang::roles::ROLES;
use taizhang_contracts::statistics::Measure;

/// Runs the program in a folder.
fn taizhang_try(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_taizhang"))
        .arg("try")
        .args(arguments)
        .current_dir(folder)
        .env("TMPDIR", folder)
        .output()
        .unwrap()
}

/// A plan, parsed without the code under test.
struct Plan {
    year: i64,
    figures: BTreeMap<String, i64>,
    previous: Option<BTreeMap<String, i64>>,
}

impl Plan {
    fn read(text: &str) -> Self {
        let plan: toml::Table = toml::from_str(text).unwrap();
        let figures = |name: &str| -> Option<BTreeMap<String, i64>> {
            let table = plan.get(name)?.as_table().unwrap().iter();
            Some(
                table
                    .map(|(id, value)| (id.clone(), value.as_integer().unwrap()))
                    .collect(),
            )
        };
        Self {
            year: plan["year"].as_integer().unwrap(),
            figures: figures("figures").unwrap(),
            previous: figures("previous"),
        }
    }
}

/// Runs a plan and compares the figures with it.
fn figures_are_as_planned(text: &str) {
    let plan = Plan::read(text);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("plan.toml"), text).unwrap();
    let output = taizhang_try(
        folder.path(),
        &["--plan", "plan.toml", "--out", "somewhere/out"],
    );
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}\n{printed}\n{errors}");

    let out = folder.path().join("somewhere/out");
    let json = fs::read_to_string(out.join("figures.json")).unwrap();
    let lines: BTreeMap<String, Value> = serde_json::from_str(&json).unwrap();
    let counting = ROLES.iter().flat_map(|role| (role.indicators)());
    let measures: BTreeMap<String, Measure> = counting
        .map(|indicator| (indicator.id.clone(), indicator.measure()))
        .collect();
    for (id, planned) in &plan.figures {
        let line = lines
            .get(id)
            .unwrap_or_else(|| panic!("{id} is not in {json}"));
        assert_eq!(line["value"], *planned, "{id} of {text}\n{json}");
        // The figure is the number of records for counts only.
        match measures[id.as_str()] {
            Measure::Count => assert_eq!(line["evidence"], *planned, "{id} of {text}\n{json}"),
            _ => assert_eq!(
                line["evidence"] == 0,
                *planned == 0,
                "{id} of {text}\n{json}"
            ),
        }
        if let Some(previous) = &plan.previous {
            let planned = previous.get(id).copied().unwrap_or(0);
            assert_eq!(
                line["previous"], planned,
                "last year's {id} of {text}\n{json}"
            );
        }
        assert!(
            printed.contains(&planned.to_string()),
            "{id}: {planned} not in\n{printed}"
        );
    }
    for (id, line) in &lines {
        assert!(line["value"].is_i64(), "{id} is missing\n{json}");
    }
    let summary = fs::read_to_string(out.join(format!("summary-{}.md", plan.year))).unwrap();
    assert!(
        summary.starts_with(&format!("# {}年", plan.year)),
        "{summary}"
    );
    let total = plan.figures.get("meetings_total").copied().unwrap_or(0);
    if total > 0 {
        assert!(
            summary.contains(&format!("{total}次")),
            "{total} not in\n{summary}"
        );
    }
    // No other files are left.
    let mut left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["plan.toml", "somewhere"]);
}

#[test]
fn the_figures_of_the_sample_are_as_planned() {
    figures_are_as_planned(include_str!("../../samples/one-county-year.toml"));
}

#[test]
fn a_plan_of_zeros_gives_zeros() {
    let mut text = "year = 2025\n".to_owned();
    let sample = Plan::read(include_str!("../../samples/one-county-year.toml"));
    for table in ["figures", "previous"] {
        writeln!(text, "[{table}]").unwrap();
        for id in sample.figures.keys() {
            writeln!(text, "{id} = 0").unwrap();
        }
    }
    figures_are_as_planned(&text);
}

#[test]
fn random_plans_give_their_figures() {
    let mut runner = TestRunner::deterministic();
    // Leap years and others; more monthly meetings than months; totals equal to their parts.
    for year in [2024, 2019] {
        let figures = || {
            let few = 0u32..8;
            (
                (0u32..30, 0u32..6, 0u32..16),
                (0u32..20, 0u32..10),
                (few.clone(), few.clone(), few.clone()),
                (few.clone(), few.clone(), few.clone()),
                proptest::collection::vec(few, 17),
                (0u32..3, 0u32..400),
            )
        };
        let tree = (figures(), figures()).new_tree(&mut runner).unwrap();
        let (this, last) = tree.current();
        let mut text = format!("year = {year}\n");
        for (table, figures) in [("figures", this), ("previous", last)] {
            let (meetings, (lectures, committee), facilities, matters, few, support) = figures;
            let (others, reform, directors) = meetings;
            let (secretary, notices, county) = matters;
            // A completed assignment has at least one day.
            let (assignments, days) = (support.0, support.0 + support.1);
            let categories = few[0];
            let lines = [
                ("meetings_total", others + reform + directors),
                ("reform_group_meetings", reform),
                ("joint_office_directors_meeting_cadence", directors),
                ("lectures_grassroots", lectures + committee),
                ("lectures_by_standing_committee", committee),
                ("provincial_site_meetings_hosted", facilities.0),
                ("video_systems_installed", facilities.1),
                ("video_duty_rooms_renovated", facilities.2),
                ("city_secretary_instructions_closed", secretary),
                ("city_supervision_notices_implemented", notices),
                ("county_leader_instructions_handled", county),
                (
                    "derived_supervision_handled_sum",
                    secretary + notices + county,
                ),
                ("reform_task_categories", categories),
                // Each category has at least one task.
                ("reform_tasks", categories + few[1].min(categories)),
                ("supervision_bulletins_environment", few[2]),
                ("mining_enterprises_interviewed", few[3]),
                ("county_supervision_notices_issued", few[4]),
                ("county_work_deployment_issues", few[5]),
                ("research_topics_city", few[6]),
                ("research_topics_county", few[7]),
                ("research_topics_township", few[8]),
                ("derived_research_topics_sum", few[6] + few[7] + few[8]),
                ("special_research_trips", few[9]),
                ("research_reports", few[10] + few[11]),
                ("research_reports_submitted_city", few[11]),
                ("info_items_collected", few[12]),
                ("info_adopted_province", few[13]),
                ("info_quality_award", few[14]),
                ("work_info_issues", few[15]),
                ("receptions_vice_minister_up", few[16]),
                ("receptions_province_city_leaders", few[12]),
                ("receptions_study_delegations", few[13]),
                ("derived_receptions_sum", few[16] + few[12] + few[13]),
                ("inspection_support_assignments", assignments),
                ("inspection_support_days", days),
            ];
            writeln!(text, "[{table}]").unwrap();
            for (id, value) in lines {
                writeln!(text, "{id} = {value}").unwrap();
            }
        }
        figures_are_as_planned(&text);
    }
}

#[test]
fn figures_that_a_plan_does_not_name_are_zero() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("plan.toml"), "year = 2021\n").unwrap();
    let output = taizhang_try(folder.path(), &["--plan", "plan.toml", "--out", "out"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let json = fs::read_to_string(folder.path().join("out/figures.json")).unwrap();
    let lines: BTreeMap<String, Value> = serde_json::from_str(&json).unwrap();
    let sample = Plan::read(include_str!("../../samples/one-county-year.toml"));
    for id in sample.figures.keys() {
        assert_eq!(
            (&lines[id]["value"], &lines[id]["evidence"]),
            (&0.into(), &0.into()),
            "{id}"
        );
    }
}

#[test]
fn an_inconsistent_plan_is_refused_with_every_bad_line() {
    let cases: [(&str, &[&str]); 6] = [
        (
            "year = 1\n[figures]\nnonsense = 1\nmeetings_total = 3\nreform_group_meetings = 4\n\
             derived_supervision_handled_sum = 5\n[previous]\nother = 2\nlectures_grassroots = 1\n\
             lectures_by_standing_committee = 2\n",
            &[
                "year",
                "figures.nonsense",
                "figures.meetings_total",
                "figures.derived_supervision_handled_sum",
                "previous.other",
                "previous.lectures_grassroots",
            ],
        ),
        (
            "year = 2022\n[figures]\nmeetings_total = -1\n",
            &["meetings_total"],
        ),
        (
            "year = 2022\n[figures]\nmeetings_total = 4000000\n",
            &["figures.meetings_total"],
        ),
        ("year = 2022\n[figure]\nmeetings_total = 1\n", &["figure"]),
        ("[figures]\nmeetings_total = 1\n", &["year"]),
        ("year = \n", &["plan.toml"]),
    ];
    for (text, named) in cases {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("plan.toml"), text).unwrap();
        let output = taizhang_try(folder.path(), &["--plan", "plan.toml", "--out", "out"]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{text}");
        for part in named {
            assert!(
                errors.contains(part),
                "{part} is not named for {text}\n{errors}"
            );
        }
        assert!(!folder.path().join("out").exists());
    }
    let folder = tempfile::tempdir().unwrap();
    let output = taizhang_try(folder.path(), &["--plan", "nowhere.toml"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("nowhere.toml"));
}
