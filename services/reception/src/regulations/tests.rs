#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use chrono::DateTime;
use proptest::prelude::*;
use taizhang_contracts::common::Date;
use taizhang_contracts::date::timestamp;
use taizhang_contracts::reception::*;
use taizhang_ledger::Moment;

use super::checks::too_many;
use super::{Case, RULES, Rule, Source, Step, refuse};

/// A day before and a day after the regulation of 2025.
const OLD: &str = "2024-06-03";
const NEW: &str = "2025-11-03";

/// A reception, its office's settings, and the additional data of a case.
#[derive(Clone)]
struct Fixture {
    reception: Reception,
    settings: ReceptionSettings,
    shares_letter: bool,
    spent_fen: i64,
}

impl Fixture {
    fn case(&self) -> Case<'_> {
        Case {
            reception: &self.reception,
            settings: self.settings.clone(),
            at: Moment {
                now: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
                zone: chrono_tz::Asia::Shanghai,
            },
            shares_letter: self.shares_letter,
            spent_fen: self.spent_fen,
        }
    }

    /// The broken rules, up to the last step.
    fn broken(&self) -> BTreeSet<&'static str> {
        let findings = self.case().findings(Step::Settlement);
        findings.iter().map(|f| f.rule.id).collect()
    }

    fn fields(&self, rule: &str) -> Vec<String> {
        let findings = self.case().findings(Step::Settlement);
        let own = findings.into_iter().filter(|f| f.rule.id == rule);
        own.map(|f| f.field).collect()
    }
}

fn date(text: &str) -> Date {
    text.parse::<chrono::NaiveDate>().unwrap().into()
}

/// A reception of one day that meets every rule, from the letter to the settlement.
fn good(day: &str) -> Fixture {
    let on = Some(date(day));
    let time = |hour: u32| {
        let time = format!("{day}T{hour:02}:00:00+08:00");
        let time = DateTime::parse_from_rfc3339(&time).unwrap();
        Some(timestamp(time.to_utc()))
    };
    let reception = Reception {
        name: "offices/demo/receptions/r1".into(),
        title: "省水利厅调研组".into(),
        letter: Some(Letter {
            unit: "省水利厅".into(),
            number: "水函〔2024〕8号".into(),
            date: on,
            purpose: LetterPurpose::Research.into(),
            content: "调研水库除险加固".into(),
            persons: 2,
            tells_itinerary: true,
        }),
        nature: ReceptionNature::LeadersVisit.into(),
        guest_origin: GuestOrigin::OutsideCounty.into(),
        guests: ["甲", "乙"]
            .map(|person| Guest {
                person: person.into(),
                unit: "省水利厅".into(),
                post: "处长".into(),
                rank: Rank::DivisionHead.into(),
            })
            .into(),
        itinerary_items: vec![ItineraryItem {
            start_time: time(9),
            end_time: time(11),
            title: "看水库".into(),
            place: "西山水库".into(),
            kind: ActivityKind::Visit.into(),
            ..Default::default()
        }],
        companions: vec![Companion {
            person: "丙".into(),
            unit: "县水利局".into(),
            post: "局长".into(),
        }],
        meals: vec![Meal {
            date: on,
            kind: MealKind::WorkingMeal.into(),
            time_of_day: MealTime::Lunch.into(),
            guests: 2,
            companions: 1,
            standard_fen: 9000,
            cost_fen: 27_000,
            ..Default::default()
        }],
        lodgings: vec![Lodging {
            guest: "甲".into(),
            room_kind: RoomKind::Standard.into(),
            nights: 1,
            price_fen: 30_000,
            paid_by_guest_unit: true,
        }],
        vehicles: vec![Vehicle {
            kind: "中巴".into(),
            seats: 12,
            count: 1,
        }],
        costs: vec![Cost {
            category: CostCategory::Transport.into(),
            amount_fen: 3000,
            paid_by_host_unit: true,
            ..Default::default()
        }],
        applicant: "丁".into(),
        arrival_day: on,
        departure_day: on,
        approver: "戊".into(),
        approved_on: on,
        begun_on: on,
        ended_on: on,
        signed_by: "戊".into(),
        signed_on: on,
        total_cost_fen: 30_000,
        settlement: Some(Settlement {
            voucher_number: "P1".into(),
            method: SettlementMethod::Transfer.into(),
            amount_fen: 30_000,
            settled_on: on,
        }),
        ..Default::default()
    };
    let valid_from = Some(date("2013-12-08"));
    let settings = ReceptionSettings {
        meal_standards: vec![MealStandard {
            guest_origin: GuestOrigin::OutsideCounty.into(),
            time_of_day: MealTime::Lunch.into(),
            amount_fen: 9000,
            valid_from,
            valid_until: None,
        }],
        lodging_caps: vec![LodgingCap {
            rank_group: RankGroup::Others.into(),
            amount_fen: 30_000,
            valid_from,
            valid_until: None,
        }],
        yearly_budgets: [2024, 2025]
            .map(|year| YearlyBudget {
                year,
                business: false,
                amount_fen: 100_000,
            })
            .into(),
        ..Default::default()
    };
    Fixture {
        reception,
        settings,
        shares_letter: false,
        spent_fen: 70_000,
    }
}

type Change = fn(&mut Fixture);

fn letter(s: &mut Fixture) -> &mut Letter {
    s.reception.letter.as_mut().unwrap()
}

fn arrangements(s: &mut Fixture) -> &mut Arrangements {
    s.reception.arrangements.get_or_insert_default()
}

fn settlement(s: &mut Fixture) -> &mut Settlement {
    s.reception.settlement.as_mut().unwrap()
}

/// For each rule a change that breaks it, and a similar one that does not.
const CASES: &[(&str, Change, Change)] = &[
    (
        "LETTER_REQUIRED",
        |s| s.reception.letter = None,
        |s| letter(s).number = "水函〔2024〕9号".into(),
    ),
    (
        "LETTER_TELLS",
        |s| letter(s).tells_itinerary = false,
        |s| letter(s).persons = 1,
    ),
    (
        "PURPOSE_OFFICIAL",
        |s| letter(s).purpose = 0,
        |s| letter(s).set_purpose(LetterPurpose::Reporting),
    ),
    (
        "APPROVAL_BEFORE_ACTIVITY",
        |s| s.reception.approved_on = Some(date("2025-11-04")),
        |s| s.reception.approved_on = Some(date("2024-06-02")),
    ),
    (
        "APPROVER_IS_ANOTHER",
        |s| s.reception.approver = s.reception.applicant.clone(),
        |s| s.reception.approver = "己".into(),
    ),
    (
        "ONE_LETTER_ONE_RECEPTION",
        |s| s.shares_letter = true,
        |s| s.shares_letter = false,
    ),
    (
        "BUSINESS_APART",
        |s| s.reception.set_nature(ReceptionNature::Business),
        |s| {
            s.reception.set_nature(ReceptionNature::Business);
            let guests = s.reception.guests.iter_mut();
            guests.for_each(|guest| guest.set_rank(Rank::None));
        },
    ),
    (
        "NO_SEE_OFF_AT_GATES",
        |s| {
            let item = &mut s.reception.itinerary_items[0];
            item.set_kind(ActivityKind::MeetOrSeeOff);
            item.set_place_kind(PlaceKind::Border);
        },
        // Visiting a station is not seeing someone off there.
        |s| s.reception.itinerary_items[0].set_place_kind(PlaceKind::Station),
    ),
    (
        "NO_POMP",
        |s| arrangements(s).carpet = true,
        |s| *arrangements(s) = Arrangements::default(),
    ),
    (
        "COMPANIONS_FEW",
        |s| s.reception.companions = vec![s.reception.companions[0].clone(); 4],
        |s| s.reception.companions = vec![s.reception.companions[0].clone(); 3],
    ),
    (
        "SUITE_BY_RANK",
        |s| s.reception.lodgings[0].set_room_kind(RoomKind::Suite),
        |s| {
            s.reception.lodgings[0].set_room_kind(RoomKind::Suite);
            s.reception.guests[0].set_rank(Rank::ViceMinister);
        },
    ),
    (
        "LODGING_CAP",
        |s| s.reception.lodgings[0].price_fen = 30_001,
        |s| {
            // The office has no cap for this rank.
            s.reception.lodgings[0].price_fen = 30_001;
            s.reception.guests[0].set_rank(Rank::DeputyDirectorGeneral);
        },
    ),
    (
        "NO_TOILETRIES",
        |s| arrangements(s).toiletries = true,
        |s| *arrangements(s) = Arrangements::default(),
    ),
    (
        "LODGING_PAID_BY_GUESTS",
        |s| s.reception.costs[0].set_category(CostCategory::Lodging),
        |s| s.reception.lodgings.clear(),
    ),
    (
        "ONE_WORKING_MEAL",
        |s| s.reception.meals.push(s.reception.meals[0].clone()),
        |s| {
            let mut own = s.reception.meals[0].clone();
            own.set_kind(MealKind::SelfPaid);
            s.reception.meals.push(own);
        },
    ),
    (
        "MEAL_COMPANIONS",
        |s| s.reception.meals[0].companions = 4,
        |s| s.reception.meals[0].companions = 3,
    ),
    (
        "NO_CIGARETTES",
        |s| s.reception.meals[0].with_cigarettes = true,
        |s| s.reception.meals[0].dishes = "豆腐".into(),
    ),
    (
        "NO_PREMIUM_LIQUOR",
        |s| s.reception.meals[0].with_premium_liquor = true,
        |s| s.reception.meals[0].dishes = "豆腐".into(),
    ),
    (
        "NO_ALCOHOL",
        |s| s.reception.meals[0].with_alcohol = true,
        |s| s.reception.meals[0].dishes = "豆腐".into(),
    ),
    (
        "NO_DELICACIES",
        |s| s.reception.meals[0].with_delicacies = true,
        |s| s.reception.meals[0].dishes = "豆腐".into(),
    ),
    (
        "NO_PRIVATE_CLUB",
        |s| s.reception.itinerary_items[0].set_place_kind(PlaceKind::PrivateClub),
        |s| s.reception.itinerary_items[0].set_place_kind(PlaceKind::Normal),
    ),
    (
        "MEAL_STANDARD",
        |s| s.reception.meals[0].cost_fen = 27_001,
        |s| {
            s.reception.meals[0].set_time_of_day(MealTime::Dinner);
            s.reception.meals[0].cost_fen = 27_001;
        },
    ),
    (
        "VEHICLES_FEW",
        |s| s.reception.vehicles[0].count = 2,
        |s| {
            s.reception.vehicles[0].count = 2;
            s.reception.vehicles[0].seats = 2;
        },
    ),
    (
        "TRAFFIC_UNDISTURBED",
        |s| arrangements(s).police_escort = true,
        |s| *arrangements(s) = Arrangements::default(),
    ),
    (
        "NO_TOURS",
        |s| s.reception.itinerary_items[0].set_place_kind(PlaceKind::TouristSite),
        |s| s.reception.itinerary_items[0].set_kind(ActivityKind::Meeting),
    ),
    (
        "NO_ENTERTAINMENT",
        |s| s.reception.itinerary_items[0].set_place_kind(PlaceKind::Entertainment),
        |s| s.reception.itinerary_items[0].set_kind(ActivityKind::Other),
    ),
    (
        "NO_PERFORMANCES",
        |s| s.reception.itinerary_items[0].set_kind(ActivityKind::Performance),
        |s| s.reception.itinerary_items[0].set_kind(ActivityKind::Meal),
    ),
    (
        "NO_GIFTS",
        |s| s.reception.gifts = vec![Gift::default()],
        |s| s.reception.gifts.clear(),
    ),
    ("YEAR_BUDGET", |s| s.spent_fen = 70_001, |s| s.spent_fen = 0),
    (
        "COST_CATEGORY",
        |s| s.reception.costs[0].set_category(CostCategory::Other),
        |s| s.reception.costs[0].set_category(CostCategory::Venue),
    ),
    (
        "HOST_PAYS",
        |s| s.reception.costs[0].paid_by_host_unit = false,
        |s| s.reception.costs[0].note = "县委办公室".into(),
    ),
    (
        "LIST_SIGNED_AFTER_END",
        |s| s.reception.signed_on = Some(date("2024-06-02")),
        |s| s.reception.signed_on = Some(date("2025-12-01")),
    ),
    (
        "LIST_NAMES_GUESTS",
        |s| s.reception.guests[1].post.clear(),
        |s| s.reception.guests.truncate(1),
    ),
    (
        "LIST_TELLS_ACTIVITIES",
        |s| s.reception.itinerary_items[0].place.clear(),
        |s| s.reception.itinerary_items[0].end_time = None,
    ),
    (
        "LIST_TELLS_COSTS",
        |s| {
            s.reception.costs.clear();
            s.reception.meals.clear();
        },
        |s| s.reception.costs.clear(),
    ),
    (
        "LIST_NAMES_COMPANIONS",
        |s| s.reception.companions[0].unit.clear(),
        |s| s.reception.companions.clear(),
    ),
    (
        "SETTLEMENT_PAPERS",
        |s| settlement(s).voucher_number.clear(),
        |s| settlement(s).voucher_number = "P2".into(),
    ),
    (
        "SETTLEMENT_AMOUNT",
        |s| settlement(s).amount_fen = 29_999,
        |s| settlement(s).set_method(SettlementMethod::OfficialCard),
    ),
    (
        "NO_CASH",
        |s| settlement(s).set_method(SettlementMethod::Cash),
        |s| settlement(s).set_method(SettlementMethod::Treasury),
    ),
];

/// A day on which a row of the table is in force.
fn day_of(rule: &Rule) -> &'static str {
    let day = [NEW, OLD]
        .into_iter()
        .find(|day| rule.is_in_force(date(day).naive().unwrap()));
    day.unwrap()
}

#[test]
fn a_good_reception_breaks_no_rule() {
    for day in [OLD, NEW] {
        assert_eq!(good(day).broken(), BTreeSet::new(), "{day}");
    }
}

#[test]
fn every_rule_has_a_case_that_breaks_it_and_one_that_does_not() {
    for rule in RULES {
        let (_, breaks, keeps) = CASES
            .iter()
            .find(|(id, _, _)| *id == rule.id)
            .unwrap_or_else(|| panic!("no case for {}", rule.id));
        let day = day_of(rule);
        let mut bad = good(day);
        breaks(&mut bad);
        assert!(bad.broken().contains(rule.id), "{} on {day}", rule.id);
        let fields = bad.fields(rule.id);
        assert!(fields.iter().all(|f| f.starts_with("reception.")));
        let mut fine = good(day);
        keeps(&mut fine);
        assert!(!fine.broken().contains(rule.id), "{} on {day}", rule.id);
    }
    let known = |id: &str| RULES.iter().any(|rule| rule.id == id);
    assert!(CASES.iter().all(|(id, _, _)| known(id)));
}

#[test]
fn each_rule_has_at_most_one_row_in_force_on_a_day() {
    for (i, rule) in RULES.iter().enumerate() {
        let others = RULES.iter().skip(i + 1).filter(|r| r.id == rule.id);
        for other in others {
            for day in ["2013-12-08", OLD, "2025-05-17", "2025-05-18", NEW] {
                let day = date(day).naive().unwrap();
                let both = rule.is_in_force(day) && other.is_in_force(day);
                assert!(!both, "{} on {day}", rule.id);
                let one = rule.is_in_force(day) || other.is_in_force(day);
                assert!(one, "{} on {day}", rule.id);
            }
        }
        let (zh, en) = (rule.zh, rule.en);
        assert!(!zh.0.is_empty() && !zh.1.is_empty(), "{}", rule.id);
        assert!(en.0.is_ascii() && en.1.is_ascii(), "{}", rule.id);
    }
}

#[test]
fn a_reception_is_checked_against_the_rules_of_its_day() {
    let with_wine = |day: &str| {
        let mut fixture = good(day);
        fixture.reception.meals[0].with_alcohol = true;
        fixture.broken()
    };
    assert_eq!(with_wine(OLD), BTreeSet::new());
    assert_eq!(with_wine("2025-05-17"), BTreeSet::new());
    assert_eq!(with_wine("2025-05-18"), BTreeSet::from(["NO_ALCOHOL"]));
    assert_eq!(with_wine(NEW), BTreeSet::from(["NO_ALCOHOL"]));

    // Expensive liquor has a rule of its own before 2025, and falls under alcohol since.
    let with_liquor = |day: &str| {
        let mut fixture = good(day);
        fixture.reception.meals[0].with_premium_liquor = true;
        fixture.broken()
    };
    assert_eq!(with_liquor(OLD), BTreeSet::from(["NO_PREMIUM_LIQUOR"]));
    assert_eq!(with_liquor(NEW), BTreeSet::from(["NO_ALCOHOL"]));

    // The newer rule is verified, the older one from memory.
    let refuses = |day: &str| {
        let mut fixture = good(day);
        let item = &mut fixture.reception.itinerary_items[0];
        item.set_kind(ActivityKind::MeetOrSeeOff);
        item.set_place_kind(PlaceKind::Airport);
        fixture.case().findings(Step::Approval)[0].refuses
    };
    assert!(!refuses(OLD) && refuses(NEW));
}

#[test]
fn the_limit_of_companions_is_a_whole_number() {
    for (guests, most) in [
        (0, 3),
        (1, 3),
        (10, 3),
        (11, 3),
        (12, 4),
        (14, 4),
        (15, 5),
        (30, 10),
    ] {
        assert!(!too_many(most, guests), "{most} for {guests}");
        assert!(too_many(most + 1, guests), "{} for {guests}", most + 1);
    }
}

#[test]
fn guests_at_a_meal_are_limited_to_the_guests_named() {
    let mut fixture = good(NEW);
    fixture.reception.meals[0].guests = 30;
    fixture.reception.meals[0].companions = 10;
    assert!(fixture.broken().contains("MEAL_COMPANIONS"));
    fixture.reception.guests = vec![fixture.reception.guests[0].clone(); 30];
    assert!(!fixture.broken().contains("MEAL_COMPANIONS"));
    // If none are named, the planned number counts.
    fixture.reception.guests.clear();
    assert!(!fixture.broken().contains("MEAL_COMPANIONS"));
}

#[test]
fn an_unverified_rule_warns_until_the_office_enforces_it() {
    let mut fixture = good(NEW);
    settlement(&mut fixture).set_method(SettlementMethod::Cash);
    refuse(&fixture.case().findings(Step::Settlement)).unwrap();
    let enforced = |from: &str, until: Option<&str>| EnforcedRule {
        rule_id: "NO_CASH".into(),
        valid_from: Some(date(from)),
        valid_until: until.map(date),
    };
    fixture.settings.enforced_rules = vec![enforced("2024-01-01", Some("2025-11-02"))];
    refuse(&fixture.case().findings(Step::Settlement)).unwrap();
    fixture.settings.enforced_rules = vec![enforced(NEW, None)];
    let refused = refuse(&fixture.case().findings(Step::Settlement)).unwrap_err();
    assert_eq!(refused.preconditions()[0].rule, "NO_CASH");
    assert_eq!(
        refused.preconditions()[0].subject,
        "reception.settlement.method"
    );
}

#[test]
fn a_refusal_names_every_rule_once_with_its_article() {
    let mut fixture = good(NEW);
    fixture.reception.letter = None;
    fixture.reception.guests[0].unit.clear();
    fixture.reception.guests[1].unit.clear();
    let refused = refuse(&fixture.case().findings(Step::Signature)).unwrap_err();
    let told: Vec<_> = refused
        .preconditions()
        .iter()
        .map(|p| (p.rule.as_str(), p.subject.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("LETTER_REQUIRED", "reception.letter"),
            ("LIST_NAMES_GUESTS", "reception.guests[0].unit"),
        ]
    );
    let first = &refused.preconditions()[0];
    assert!(
        first
            .zh
            .contains("《党政机关国内公务接待管理规定》（2013年）第7条")
    );
    assert!(first.en.contains("Art. 7"), "{}", first.en);
    // Rules of the signature are not checked before.
    let refused = refuse(&fixture.case().findings(Step::Approval)).unwrap_err();
    assert_eq!(refused.preconditions().len(), 1);
}

#[test]
fn the_budget_includes_the_years_other_receptions_of_the_kind() {
    let mut fixture = good(NEW);
    fixture.spent_fen = 70_001;
    assert_eq!(fixture.broken(), BTreeSet::from(["YEAR_BUDGET"]));
    // Business has a budget of its own, and this office set none.
    fixture.reception.set_nature(ReceptionNature::Business);
    assert_eq!(fixture.fields("YEAR_BUDGET"), Vec::<String>::new());
}

#[test]
fn verified_rules_have_an_article_or_are_of_2025() {
    for rule in RULES.iter().filter(|r| r.stands.source == Source::Verified) {
        let known = rule.stands.article > 0;
        assert_eq!(
            known,
            rule.stands.regulation == super::Regulation::Receptions2013,
            "{}",
            rule.id
        );
    }
}

proptest! {
    /// A later step includes the rules of the steps before.
    #[test]
    fn later_steps_include_the_findings_of_earlier_ones(which in prop::collection::vec(0..CASES.len(), 0..6), new in any::<bool>()) {
        let mut fixture = good(if new { NEW } else { OLD });
        for i in which {
            // A change may need a field that another one removed.
            if fixture.reception.letter.is_some() && !fixture.reception.guests.is_empty()
                && !fixture.reception.meals.is_empty() && !fixture.reception.costs.is_empty()
                && !fixture.reception.lodgings.is_empty() && !fixture.reception.companions.is_empty()
                && fixture.reception.guests.len() > 1 {
                (CASES[i].1)(&mut fixture);
            }
        }
        let ids = |step| -> BTreeSet<_> {
            fixture.case().findings(step).into_iter().map(|f| (f.rule.id, f.field)).collect()
        };
        prop_assert!(ids(Step::Approval).is_subset(&ids(Step::Signature)));
        prop_assert!(ids(Step::Signature).is_subset(&ids(Step::Settlement)));
    }
}
