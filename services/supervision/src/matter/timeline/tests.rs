#![allow(clippy::unwrap_used)]

use taizhang_contracts::supervision::Feedback;

use super::*;
use crate::matter::rules::tests::{Action, FINAL_REPORT, date, matter_after, registered};
use Action::{
    Accept, Ask, Assign, Close, Grant, Merge, Recheck, Resume, Review, SendBack, Suspend, Urge,
};

/// The days of June and the kinds of the entries.
fn kinds(matters: &[Matter]) -> Vec<(i32, Kind)> {
    let told = timeline(matters).entries.into_iter();
    told.map(|e| (e.date.unwrap().day, e.kind())).collect()
}

#[test]
fn a_timeline_has_every_event_in_order() {
    let matter = matter_after(&[
        (2, Assign),
        (3, Accept),
        (4, Urge),
        (5, Action::Report { last: false }),
        (6, Ask { days: 10 }),
        (7, Grant),
        (8, Suspend),
        (9, Resume),
        (10, FINAL_REPORT),
        (11, Review),
        (12, SendBack),
        (13, FINAL_REPORT),
        (14, Review),
        (15, Close),
        (16, Recheck { passed: true }),
        (17, Recheck { passed: false }),
        (18, FINAL_REPORT),
        (19, Review),
        (20, Close),
        (21, Recheck { passed: true }),
    ]);
    assert_eq!(
        kinds(&[matter]),
        [
            (1, Kind::Registered),
            (2, Kind::Assigned),
            (3, Kind::Accepted),
            (4, Kind::Urged),
            (5, Kind::Feedback),
            (6, Kind::ExtensionRequested),
            (7, Kind::ExtensionGranted),
            (8, Kind::Suspended),
            (9, Kind::Resumed),
            (10, Kind::FinalReport),
            (12, Kind::Returned),
            (13, Kind::FinalReport),
            (15, Kind::Closed),
            (16, Kind::RecheckPassed),
            (17, Kind::RecheckFailed),
            (18, Kind::FinalReport),
            (19, Kind::Reviewed),
            (20, Kind::Closed),
            (21, Kind::RecheckPassed),
        ]
    );
}

#[test]
fn each_closing_is_one_entry() {
    let actions = [
        (2, Assign),
        (3, Accept),
        (4, FINAL_REPORT),
        (5, Review),
        (6, Close),
    ];
    let closings = |more: &[(u32, Action)]| {
        let matter = matter_after(&[&actions, more].concat());
        let told = kinds(&[matter]).into_iter();
        told.filter(|(_, kind)| *kind == Kind::Closed)
            .collect::<Vec<_>>()
    };
    let once = vec![(6, Kind::Closed)];
    assert_eq!(closings(&[]), once);
    assert_eq!(closings(&[(7, Recheck { passed: true })]), once);
    let looks = [
        (7, Recheck { passed: true }),
        (8, Recheck { passed: false }),
    ];
    assert_eq!(closings(&looks), once);
    // Reopened and closed again on one day: two closings.
    let again = [
        (6, Recheck { passed: false }),
        (6, FINAL_REPORT),
        (6, Review),
        (6, Close),
        (6, Recheck { passed: true }),
    ];
    assert_eq!(closings(&again), [once.clone(), once].concat());
}

#[test]
fn a_timeline_includes_merged_matters() {
    let other = Matter {
        name: "offices/demo/matters/m2".into(),
        title: "另一事项".into(),
        ..matter_after(&[(4, Merge)])
    };
    let mut matter = matter_after(&[(2, Assign), (5, Accept)]);
    matter.lead_unit = "水务局".into();
    matter.feedbacks = vec![Feedback {
        date: date(6),
        progress: "长".repeat(300),
        ..Default::default()
    }];
    let told = timeline(&[matter, other]).entries;
    let whose: Vec<_> = told
        .iter()
        .map(|e| e.matter.rsplit('/').next().unwrap())
        .collect();
    assert_eq!(whose, ["m1", "m2", "m1", "m2", "m1", "m1"]);
    assert_eq!(told[1].what, "另一事项");
    assert_eq!(
        (told[4].by.as_str(), told[5].by.as_str()),
        ("水务局", "水务局")
    );
    assert_eq!(told[5].what.chars().count(), LONGEST);
}

#[test]
fn a_long_timeline_keeps_the_latest_entries() {
    let mut matter = registered();
    let feedback = Feedback {
        date: date(6),
        ..Default::default()
    };
    matter.feedbacks = vec![feedback; MOST];
    let told = timeline(&[matter]);
    assert_eq!((told.entries.len(), told.left_out), (MOST, 1));
    assert_eq!(told.entries[0].kind(), Kind::Feedback);
}
