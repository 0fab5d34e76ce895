//! Receptions, from the letter to the archive.

use prost_types::FieldMask;
use taizhang_contracts::common::Period;
use taizhang_contracts::reception::reception_service_client::ReceptionServiceClient;
use taizhang_contracts::reception::reception_settings_service_client::ReceptionSettingsServiceClient;
use taizhang_contracts::reception::support_assignment_service_client::SupportAssignmentServiceClient;
use taizhang_contracts::reception::*;
use taizhang_contracts::statistics::GatherFiguresRequest;
use taizhang_contracts::statistics::statistics_service_client::StatisticsServiceClient;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::harness::{Authorized, OFFICE, Suite, reason};
use crate::records::{at, day};
use crate::served_methods::bad_fields;

on_each_database!(
    a_reception_from_the_proposal_to_the_archive,
    the_rules_are_those_of_the_day_of_arrival,
    an_office_enforces_a_rule,
    the_budget_and_the_letter_depend_on_other_receptions,
    clashes_name_both_receptions,
    settings_are_checked,
    a_support_assignment_has_its_days,
);

struct Receptions(ReceptionServiceClient<Authorized>);

/// Calls a method of a reception: its name, the request, and fields of its own.
macro_rules! call {
    ($api:ident.$method:ident($request:ident { name: $name:expr $(, $field:ident: $value:expr)* })) => {
        $api.0.clone().$method($request {
            name: $name.to_owned(),
            $($field: $value,)*
            ..Default::default()
        }).await.map(tonic::Response::into_inner)
    };
}

impl Receptions {
    fn of(suite: &Suite) -> Self {
        Self(ReceptionServiceClient::new(suite.authorized("reception")))
    }

    async fn create(&self, reception: Reception) -> Reception {
        let request = CreateReceptionRequest {
            parent: OFFICE.into(),
            reception: Some(reception),
            ..Default::default()
        };
        let created = self.0.clone().create_reception(request).await;
        created.unwrap().into_inner()
    }

    async fn update(&self, reception: Reception, paths: &[&str]) -> Result<Reception, Status> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let request = UpdateReceptionRequest {
            reception: Some(reception),
            update_mask: Some(FieldMask { paths }),
            ..Default::default()
        };
        let updated = self.0.clone().update_reception(request).await;
        Ok(updated?.into_inner())
    }

    async fn approve(&self, name: &str, on: &str) -> Result<Reception, Status> {
        let api = self;
        call!(api.approve_reception(ApproveReceptionRequest {
            name: name,
            approver: "戊".into(),
            approved_on: Some(day(on))
        }))
    }

    async fn check(&self, name: &str) -> Vec<Finding> {
        let request = CheckReceptionRequest { name: name.into() };
        let answer = self.0.clone().check_reception(request).await;
        answer.unwrap().into_inner().findings
    }
}

/// The rules in an error.
fn rules(status: &Status) -> Vec<(String, String)> {
    assert_eq!(
        (status.code(), reason(status)),
        (Code::FailedPrecondition, "RULE_REFUSES".into())
    );
    let failure = status.get_details_precondition_failure().unwrap();
    let violations = failure.violations.into_iter();
    violations.map(|v| (v.r#type, v.subject)).collect()
}

fn letter(number: &str) -> Letter {
    Letter {
        unit: "省水利厅".into(),
        number: number.into(),
        date: Some(day("2025-11-01")),
        purpose: LetterPurpose::Research.into(),
        content: "调研水库除险加固".into(),
        persons: 1,
        tells_itinerary: true,
    }
}

/// A reception of one guest on a letter, for one day.
fn reception(number: &str, on: &str) -> Reception {
    Reception {
        title: "省水利厅调研组".into(),
        letter: Some(letter(number)),
        nature: ReceptionNature::LeadersVisit.into(),
        guest_origin: GuestOrigin::OutsideCounty.into(),
        guests: vec![Guest {
            person: "甲".into(),
            unit: "省水利厅".into(),
            post: "处长".into(),
            rank: Rank::DivisionHead.into(),
        }],
        itinerary_items: vec![item(on, "01", "西山水库", "")],
        costs: vec![Cost {
            category: CostCategory::Transport.into(),
            amount_fen: 30_050,
            paid_by_host_unit: true,
            activity: "看水库".into(),
            ..Default::default()
        }],
        applicant: "丁".into(),
        arrival_day: Some(day(on)),
        departure_day: Some(day(on)),
        ..Default::default()
    }
}

/// An activity of one hour; the start is in UTC.
fn item(on: &str, hour: &str, place: &str, host_leader: &str) -> ItineraryItem {
    ItineraryItem {
        start_time: at(&format!("{on}T{hour}:00:00Z")),
        end_time: at(&format!("{on}T{hour}:59:00Z")),
        title: "看水库".into(),
        place: place.into(),
        kind: ActivityKind::Visit.into(),
        host_leader: host_leader.into(),
        ..Default::default()
    }
}

async fn figures(suite: &Suite, year: i32) -> Vec<(String, i64)> {
    let mut statistics = StatisticsServiceClient::new(suite.authorized("reception"));
    let request = GatherFiguresRequest {
        parent: OFFICE.into(),
        period: Some(Period::year(year)),
        ..Default::default()
    };
    let answer = statistics.gather_figures(request).await.unwrap();
    let figures = answer.into_inner().figures.into_iter();
    figures.map(|f| (f.indicator, f.value)).collect()
}

fn figure(figures: &[(String, i64)], id: &str) -> i64 {
    figures.iter().find(|(i, _)| i == id).unwrap().1
}

async fn configure(suite: &Suite, settings: ReceptionSettings) -> Result<(), Status> {
    let mut api = ReceptionSettingsServiceClient::new(suite.authorized("reception"));
    let request = UpdateReceptionSettingsRequest {
        reception_settings: Some(ReceptionSettings {
            name: format!("{OFFICE}/receptionSettings"),
            ..settings
        }),
        ..Default::default()
    };
    api.update_reception_settings(request).await.map(|_| ())
}

async fn a_reception_from_the_proposal_to_the_archive(suite: Suite) {
    let api = Receptions::of(&suite);
    let planned = Reception {
        letter: None,
        guests: Vec::new(),
        arrangements: Some(Arrangements {
            carpet: true,
            ..Default::default()
        }),
        ..reception("", "2025-11-10")
    };
    let created = api.create(planned.clone()).await;
    let name = created.name.clone();
    assert_eq!(created.state(), ReceptionState::Proposed);
    assert_eq!(created.reception_class(), ReceptionClass::LeadersVisit);
    assert_eq!(
        (
            created.total_cost_fen,
            created.finding_count,
            created.compliant
        ),
        (30_050, 2, false)
    );
    let told: Vec<_> = api
        .check(&name)
        .await
        .into_iter()
        .map(|f| (f.rule_id.clone(), f.severity(), f.field))
        .collect();
    let expected = [
        ("LETTER_REQUIRED", Severity::Refuse, "reception.letter"),
        ("NO_POMP", Severity::Warn, "reception.arrangements.carpet"),
    ];
    assert_eq!(
        told,
        expected.map(|(rule, severity, field)| (rule.to_owned(), severity, field.to_owned()))
    );

    // All rules are reported at once: no letter, approved by the applicant, and too late.
    let refused = call!(api.approve_reception(ApproveReceptionRequest {
        name: name,
        approver: "丁".into(),
        approved_on: Some(day("2025-11-11"))
    }));
    let pairs = rules(&refused.unwrap_err());
    let ids: Vec<_> = pairs.iter().map(|(rule, _)| rule.as_str()).collect();
    assert_eq!(
        ids,
        [
            "LETTER_REQUIRED",
            "APPROVAL_BEFORE_ACTIVITY",
            "APPROVER_IS_ANOTHER"
        ]
    );
    let with_letter = Reception {
        name: name.clone(),
        letter: Some(letter("水函〔2025〕8号")),
        ..Default::default()
    };
    let updated = api.update(with_letter, &["letter", "arrangements"]).await;
    assert!(updated.unwrap().compliant);
    let approved = api.approve(&name, "2025-11-09").await.unwrap();
    assert_eq!(approved.state(), ReceptionState::Approved);
    assert_eq!(figure(&figures(&suite, 2025).await, "receptions_all"), 0);

    let on = |d: &str| Some(day(d));
    let begun = call!(api.begin_reception(BeginReceptionRequest {
        name: name,
        begun_on: on("2025-11-10")
    }));
    assert_eq!(begun.unwrap().state(), ReceptionState::Receiving);
    let ended = call!(api.end_reception(EndReceptionRequest {
        name: name,
        ended_on: on("2025-11-10")
    }));
    assert_eq!(ended.unwrap().state(), ReceptionState::Listing);

    // The list is incomplete, and the reception has not ended.
    let sign = async |date: &str| {
        call!(api.sign_reception_list(SignReceptionListRequest {
            name: name,
            signed_by: "戊".into(),
            signed_on: on(date)
        }))
    };
    let refused = sign("2025-11-09").await.unwrap_err();
    assert_eq!(
        rules(&refused),
        [
            ("LIST_SIGNED_AFTER_END", "reception.signed_on"),
            ("LIST_NAMES_GUESTS", "reception.guests"),
        ]
        .map(|(rule, subject)| (rule.to_owned(), subject.to_owned()))
    );
    let with_guest = Reception {
        name: name.clone(),
        ..reception("", "2025-11-10")
    };
    api.update(with_guest.clone(), &["guests"]).await.unwrap();
    assert_eq!(
        sign("2025-11-12").await.unwrap().state(),
        ReceptionState::Signed
    );
    let refused = api.update(with_guest, &["guests"]).await.unwrap_err();
    assert_eq!(reason(&refused), "WRONG_STATE");

    let settled = call!(api.settle_reception(SettleReceptionRequest {
        name: name,
        voucher_number: "P1".into(),
        method: SettlementMethod::Transfer.into(),
        amount_fen: 30_050,
        settled_on: on("2026-01-05")
    }));
    let settled = settled.unwrap();
    assert!(settled.compliant, "{:?}", api.check(&name).await);
    let archived = call!(api.archive_reception(ArchiveReceptionRequest { name: name }));
    assert_eq!(archived.unwrap().state(), ReceptionState::Archived);

    // It is counted in the year of the arrival, and paid for in the year of the settlement.
    let (then, after) = (figures(&suite, 2025).await, figures(&suite, 2026).await);
    for (id, value) in [
        ("receptions_vice_minister_up", 0),
        ("receptions_province_city_leaders", 1),
        ("derived_receptions_sum", 1),
        ("receptions_all", 1),
        ("receptions_compliant", 1),
        ("reception_guests", 1),
        ("reception_spending", 0),
    ] {
        assert_eq!(figure(&then, id), value, "{id}");
    }
    assert_eq!(figure(&after, "reception_spending"), 30_050);

    let request = PrintReceptionRequest { name: name.clone() };
    let printed = api.0.clone().print_reception(request).await.unwrap();
    let printed = printed.into_inner();
    for text in [
        "| 甲 | 省水利厅 | 处长 |",
        "| 看水库 | 11月10日 09:00-09:59 | 西山水库 | 300.50 |",
        "合计：300.50元",
    ] {
        assert!(
            printed.list.contains(text),
            "{text} not in {}",
            printed.list
        );
    }
    assert!(printed.programme.contains("西山水库"));
    assert!(suite.audit("reception").await.findings.is_empty());
}

async fn the_rules_are_those_of_the_day_of_arrival(suite: Suite) {
    let api = Receptions::of(&suite);
    let with_wine = |on: &str| Reception {
        meals: vec![Meal {
            date: Some(day(on)),
            kind: MealKind::WorkingMeal.into(),
            time_of_day: MealTime::Lunch.into(),
            guests: 1,
            companions: 1,
            with_alcohol: true,
            ..Default::default()
        }],
        ..reception(on, on)
    };
    let old = api.create(with_wine("2024-06-03")).await;
    assert!(old.compliant);
    api.approve(&old.name, "2024-06-01").await.unwrap();
    let new = api.create(with_wine("2025-11-10")).await;
    let refused = api.approve(&new.name, "2025-11-09").await.unwrap_err();
    assert_eq!(
        rules(&refused),
        [(
            "NO_ALCOHOL".to_owned(),
            "reception.meals[0].with_alcohol".to_owned()
        )]
    );
    let violation = &refused
        .get_details_precondition_failure()
        .unwrap()
        .violations[0];
    assert!(violation.description.contains("厉行节约反对浪费条例"));
}

async fn an_office_enforces_a_rule(suite: Suite) {
    let api = Receptions::of(&suite);
    let with_gift = |on: &str| Reception {
        gifts: vec![Gift {
            title: "土特产".into(),
            ..Default::default()
        }],
        ..reception(on, on)
    };
    let first = api.create(with_gift("2025-10-10")).await;
    assert_eq!(first.finding_count, 1);
    api.approve(&first.name, "2025-10-09").await.unwrap();
    let enforced = EnforcedRule {
        rule_id: "NO_GIFTS".into(),
        valid_from: Some(day("2025-11-01")),
        valid_until: None,
    };
    let settings = ReceptionSettings {
        enforced_rules: vec![enforced],
        ..Default::default()
    };
    configure(&suite, settings).await.unwrap();
    let second = api.create(with_gift("2025-11-10")).await;
    let refused = api.approve(&second.name, "2025-11-09").await.unwrap_err();
    assert_eq!(rules(&refused)[0].0, "NO_GIFTS");
    // The first reception arrived before the rule was enforced.
    let begun = call!(api.begin_reception(BeginReceptionRequest {
        name: first.name,
        begun_on: Some(day("2025-10-10"))
    }));
    begun.unwrap();
}

async fn the_budget_and_the_letter_depend_on_other_receptions(suite: Suite) {
    let api = Receptions::of(&suite);
    let budget = YearlyBudget {
        year: 2025,
        business: false,
        amount_fen: 60_100,
    };
    let settings = ReceptionSettings {
        yearly_budgets: vec![budget],
        ..Default::default()
    };
    configure(&suite, settings).await.unwrap();
    let ids = async |name: &str| -> Vec<String> {
        let found = api.check(name).await;
        found.into_iter().map(|f| f.rule_id).collect()
    };
    let first = api.create(reception("1", "2025-11-10")).await;
    assert_eq!(ids(&first.name).await, Vec::<String>::new());
    let second = api.create(reception("2", "2025-11-11")).await;
    assert_eq!(ids(&second.name).await, Vec::<String>::new());
    let third = api.create(reception("2", "2025-11-12")).await;
    assert_eq!(
        ids(&third.name).await,
        ["ONE_LETTER_ONE_RECEPTION", "YEAR_BUDGET"]
    );
    // Receptions of another year, of business and cancelled ones are not added up.
    let other_year = api.create(reception("3", "2024-11-12")).await;
    assert_eq!(ids(&other_year.name).await, Vec::<String>::new());
    let cancelled = call!(api.cancel_reception(CancelReceptionRequest {
        name: second.name,
        reason: "改期".into()
    }));
    cancelled.unwrap();
    assert_eq!(ids(&third.name).await, Vec::<String>::new());
}

async fn clashes_name_both_receptions(suite: Suite) {
    let api = Receptions::of(&suite);
    let on = "2025-11-10";
    let with = |number: &str, items: Vec<ItineraryItem>| Reception {
        itinerary_items: items,
        ..reception(number, on)
    };
    let first = api
        .create(with("1", vec![item(on, "01", "一号会议室", "张三")]))
        .await;
    let second = api
        .create(with(
            "2",
            vec![
                item(on, "01", "开发区", "张三"),
                item(on, "02", "一号会议室", "李四"),
            ],
        ))
        .await;
    let off = api
        .create(with("3", vec![item(on, "02", "一号会议室", "")]))
        .await;
    let cancelled = call!(api.cancel_reception(CancelReceptionRequest {
        name: off.name,
        reason: "改期".into()
    }));
    cancelled.unwrap();
    let find = async |first: &str, last: &str| {
        let request = FindClashesRequest {
            parent: OFFICE.into(),
            period: Some(Period {
                first_day: Some(day(first)),
                last_day: Some(day(last)),
            }),
        };
        let answer = api.0.clone().find_clashes(request).await;
        answer.map(|a| a.into_inner().clashes)
    };
    let clashes = find("2025-11-01", "2025-11-30").await.unwrap();
    let [clash] = clashes.as_slice() else {
        panic!("{clashes:?}")
    };
    let mut both = [&clash.first_reception, &clash.second_reception];
    both.sort();
    let mut names = [&first.name, &second.name];
    names.sort();
    assert_eq!(both, names);
    assert_eq!(
        (clash.host_leader.as_str(), clash.place.as_str()),
        ("张三", "")
    );
    assert!(find("2025-11-11", "2025-11-30").await.unwrap().is_empty());
    let long = find("2024-01-01", "2025-12-31").await.unwrap_err();
    assert!(bad_fields(&long).contains("period"));
}

async fn settings_are_checked(suite: Suite) {
    let cap = |from: &str| LodgingCap {
        rank_group: RankGroup::Others.into(),
        amount_fen: 30_000,
        valid_from: Some(day(from)),
        valid_until: None,
    };
    let settings = ReceptionSettings {
        lodging_caps: vec![cap("2024-01-01"), cap("2025-01-01")],
        enforced_rules: vec![EnforcedRule {
            rule_id: "NO_SUCH_RULE".into(),
            valid_from: Some(day("2024-01-01")),
            valid_until: None,
        }],
        ..Default::default()
    };
    let refused = configure(&suite, settings).await.unwrap_err();
    let fields: Vec<_> = bad_fields(&refused).into_iter().collect();
    assert_eq!(
        fields,
        [
            "reception_settings.enforced_rules[0].rule_id",
            "reception_settings.lodging_caps[1].valid_from",
        ]
    );
}

async fn a_support_assignment_has_its_days(suite: Suite) {
    let mut api = SupportAssignmentServiceClient::new(suite.authorized("reception"));
    let request = CreateSupportAssignmentRequest {
        parent: OFFICE.into(),
        support_assignment: Some(SupportAssignment {
            title: "省委巡视组保障".into(),
            kind: SupportKind::Inspection.into(),
            team: "省委巡视组".into(),
            first_day: Some(day("2025-03-01")),
            last_day: Some(day("2025-04-01")),
            members: vec!["甲".into()],
            ..Default::default()
        }),
        ..Default::default()
    };
    let created = api.create_support_assignment(request).await.unwrap();
    let created = created.into_inner();
    assert_eq!(
        (created.days, created.state()),
        (32, SupportAssignmentState::Planned)
    );
    let request = BeginSupportAssignmentRequest {
        name: created.name.clone(),
        begun_on: Some(day("2025-03-03")),
        ..Default::default()
    };
    let begun = api.begin_support_assignment(request).await.unwrap();
    assert_eq!(begun.into_inner().days, 30);
    let request = CompleteSupportAssignmentRequest {
        name: created.name,
        completed_on: Some(day("2025-04-11")),
        ..Default::default()
    };
    let completed = api.complete_support_assignment(request).await.unwrap();
    assert_eq!(completed.into_inner().days, 40);
    let figures = figures(&suite, 2025).await;
    assert_eq!(figure(&figures, "inspection_support_assignments"), 1);
}
