//! Research and information: topics with their reports, numbers of bulletins, and reviews.

use std::collections::BTreeMap;

use futures::future::join_all;
use taizhang_contracts::common::{Date, Level, Period};
use taizhang_contracts::history::ListHistoryRequest;
use taizhang_contracts::history::history_service_client::HistoryServiceClient;
use taizhang_contracts::research::bulletin_service_client::BulletinServiceClient;
use taizhang_contracts::research::field_survey_service_client::FieldSurveyServiceClient;
use taizhang_contracts::research::information_item_service_client::InformationItemServiceClient;
use taizhang_contracts::research::research_report_service_client::ResearchReportServiceClient;
use taizhang_contracts::research::topic_service_client::TopicServiceClient;
use taizhang_contracts::research::*;
use taizhang_contracts::statistics::GatherFiguresRequest;
use taizhang_contracts::statistics::statistics_service_client::StatisticsServiceClient;
use tonic::{Code, Status};

use crate::harness::{Authorized, OFFICE, Suite, reason};
use crate::served_methods::bad_fields;

on_each_database!(
    a_topic_goes_from_the_proposal_to_the_conclusion_with_its_report,
    a_report_of_a_topic_that_is_not_under_way_is_not_finished,
    numbers_of_bulletins_have_no_gaps,
    items_of_a_bulletin_must_exist,
    a_conversion_to_a_record_of_another_office_is_refused,
    a_review_lists_topics_that_are_behind,
    figures_use_the_day_of_the_event_that_they_count,
);

/// Clients of the service.
struct Api {
    topics: TopicServiceClient<Authorized>,
    surveys: FieldSurveyServiceClient<Authorized>,
    reports: ResearchReportServiceClient<Authorized>,
    information: InformationItemServiceClient<Authorized>,
    bulletins: BulletinServiceClient<Authorized>,
    history: HistoryServiceClient<Authorized>,
    statistics: StatisticsServiceClient<Authorized>,
}

impl Api {
    fn of(suite: &Suite) -> Self {
        let channel = suite.authorized("research");
        Self {
            topics: TopicServiceClient::new(channel.clone()),
            surveys: FieldSurveyServiceClient::new(channel.clone()),
            reports: ResearchReportServiceClient::new(channel.clone()),
            information: InformationItemServiceClient::new(channel.clone()),
            bulletins: BulletinServiceClient::new(channel.clone()),
            history: HistoryServiceClient::new(channel.clone()),
            statistics: StatisticsServiceClient::new(channel),
        }
    }

    /// Creates a topic that is planned for a month of 2022.
    async fn topic(&self, level: TopicLevel, month: i32) -> Topic {
        let topic = Topic {
            title: "特色产业发展".into(),
            level: level.into(),
            leader: "张三".into(),
            lead_unit: "农业农村局".into(),
            planned_start: day(month, 1),
            planned_end: day(month, 28),
            ..Default::default()
        };
        let request = CreateTopicRequest {
            parent: OFFICE.into(),
            topic: Some(topic),
            ..Default::default()
        };
        let created = self.topics.clone().create_topic(request).await;
        created.unwrap().into_inner()
    }

    async fn get_topic(&self, name: &str) -> Topic {
        let request = GetTopicRequest { name: name.into() };
        let got = self.topics.clone().get_topic(request).await;
        got.unwrap().into_inner()
    }

    async fn approve(&self, name: &str, on: Option<Date>) {
        let request = ApproveTopicRequest {
            name: name.into(),
            approved_by: "县委书记".into(),
            approved_on: on,
            ..Default::default()
        };
        self.topics.clone().approve_topic(request).await.unwrap();
    }

    async fn start(&self, name: &str, on: Option<Date>) {
        let request = StartTopicRequest {
            name: name.into(),
            started_on: on,
            ..Default::default()
        };
        self.topics.clone().start_topic(request).await.unwrap();
    }

    async fn report(&self, topic: &str) -> Result<ResearchReport, Status> {
        let report = ResearchReport {
            title: "特色产业调研报告".into(),
            topic: topic.into(),
            authors: vec!["李四".into()],
            ..Default::default()
        };
        let request = CreateResearchReportRequest {
            parent: OFFICE.into(),
            research_report: Some(report),
            ..Default::default()
        };
        let created = self.reports.clone().create_research_report(request).await;
        Ok(created?.into_inner())
    }

    async fn finish(&self, name: &str, on: Option<Date>) -> Result<ResearchReport, Status> {
        let request = FinishResearchReportRequest {
            name: name.into(),
            finished_on: on,
            ..Default::default()
        };
        let finished = self.reports.clone().finish_research_report(request).await;
        Ok(finished?.into_inner())
    }

    async fn item(&self, unit_kind: UnitKind, received_on: Option<Date>) -> InformationItem {
        let item = InformationItem {
            title: "春耕进展".into(),
            unit: "某镇".into(),
            unit_kind: unit_kind.into(),
            kind: InformationKind::News.into(),
            received_on,
            ..Default::default()
        };
        let request = CreateInformationItemRequest {
            parent: OFFICE.into(),
            information_item: Some(item),
            ..Default::default()
        };
        let mut information = self.information.clone();
        let created = information.create_information_item(request).await;
        created.unwrap().into_inner()
    }

    async fn bulletin(&self, bulletin: Bulletin) -> Result<Bulletin, Status> {
        let request = CreateBulletinRequest {
            parent: OFFICE.into(),
            bulletin: Some(bulletin),
            ..Default::default()
        };
        let created = self.bulletins.clone().create_bulletin(request).await;
        Ok(created?.into_inner())
    }

    async fn issue(&self, name: &str, on: Option<Date>) {
        let request = IssueBulletinRequest {
            name: name.into(),
            issued_on: on,
            ..Default::default()
        };
        self.bulletins
            .clone()
            .issue_bulletin(request)
            .await
            .unwrap();
    }

    async fn void(&self, name: &str) {
        let request = VoidBulletinRequest {
            name: name.into(),
            reason: "内容有误".into(),
            ..Default::default()
        };
        self.bulletins.clone().void_bulletin(request).await.unwrap();
    }

    /// The methods that changed a record, in order.
    async fn methods(&self, name: &str) -> Vec<String> {
        let request = ListHistoryRequest {
            name: name.into(),
            ..Default::default()
        };
        let history = self.history.clone().list_history(request).await;
        let entries = history.unwrap().into_inner().entries;
        entries.into_iter().map(|e| e.method).collect()
    }

    async fn figures(&self, year: i32) -> BTreeMap<String, i64> {
        let request = GatherFiguresRequest {
            parent: OFFICE.into(),
            period: Some(Period::year(year)),
            ..Default::default()
        };
        let figures = self.statistics.clone().gather_figures(request).await;
        let figures = figures.unwrap().into_inner().figures;
        figures
            .into_iter()
            .map(|f| (f.indicator, f.value))
            .collect()
    }
}

/// A day of 2022.
fn day(month: i32, day: i32) -> Option<Date> {
    Some(Date {
        year: 2022,
        month,
        day,
    })
}

fn work_information(dated_on: Option<Date>) -> Bulletin {
    Bulletin {
        kind: BulletinKind::WorkInformation.into(),
        title: "工作信息".into(),
        dated_on,
        ..Default::default()
    }
}

async fn a_topic_goes_from_the_proposal_to_the_conclusion_with_its_report(suite: Suite) {
    let api = Api::of(&suite);
    let topic = api.topic(TopicLevel::CountyKey, 3).await.name;
    api.approve(&topic, day(2, 20)).await;
    api.start(&topic, day(3, 1)).await;
    let conclude = ConcludeTopicRequest {
        name: topic.clone(),
        conclusion: "建议已采纳".into(),
        concluded_on: day(4, 20),
        ..Default::default()
    };
    // It can't be concluded without a report.
    let early = api.topics.clone().conclude_topic(conclude.clone()).await;
    assert_eq!(reason(&early.unwrap_err()), "WRONG_STATE");

    let report = api.report(&topic).await.unwrap().name;
    let early = api.finish(&report, day(2, 28)).await.unwrap_err();
    assert_eq!(bad_fields(&early), ["finished_on".to_owned()].into());
    let late = api.get_topic(&topic).await;
    assert_eq!(late.state(), TopicState::UnderWay);
    assert_eq!(late.behind.unwrap().stage(), TopicStage::Report);

    api.finish(&report, day(3, 25)).await.unwrap();
    let reported = api.get_topic(&topic).await;
    assert_eq!(
        (reported.state(), reported.reported_on, reported.behind),
        (TopicState::Reported, day(3, 25), None)
    );
    // Another report does not change the topic.
    let second = api.report(&topic).await.unwrap().name;
    api.finish(&second, day(4, 2)).await.unwrap();
    assert_eq!(api.get_topic(&topic).await, reported);

    let concluded = api.topics.clone().conclude_topic(conclude).await;
    assert_eq!(
        concluded.unwrap().into_inner().state(),
        TopicState::Concluded
    );
    assert_eq!(
        api.methods(&topic).await,
        [
            "CreateTopic",
            "ApproveTopic",
            "StartTopic",
            "FinishResearchReport",
            "ConcludeTopic"
        ]
    );
    assert_eq!(suite.audit("research").await.findings, []);
}

async fn a_report_of_a_topic_that_is_not_under_way_is_not_finished(suite: Suite) {
    let api = Api::of(&suite);
    let nowhere = format!("{OFFICE}/topics/nowhere");
    let refused = api.report(&nowhere).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);

    let topic = api.topic(TopicLevel::Township, 3).await.name;
    let report = api.report(&topic).await.unwrap().name;
    let refused = api.finish(&report, None).await.unwrap_err();
    assert_eq!(reason(&refused), "WRONG_STATE");
    assert_eq!(api.methods(&report).await, ["CreateResearchReport"]);
    assert_eq!(api.methods(&topic).await, ["CreateTopic"]);

    // A report without a topic.
    let report = api.report("").await.unwrap().name;
    let finished = api.finish(&report, None).await.unwrap();
    assert_eq!(finished.state(), ResearchReportState::Finished);
}

async fn numbers_of_bulletins_have_no_gaps(suite: Suite) {
    let api = Api::of(&suite);
    let dated = day(5, 9);
    let created = join_all((0..30).map(|_| api.bulletin(work_information(dated)))).await;
    let mut created: Vec<_> = created.into_iter().map(Result::unwrap).collect();
    created.sort_by_key(|b| b.number);
    let numbers: Vec<_> = created.iter().map(|b| b.number).collect();
    assert_eq!(numbers, (1..=30).collect::<Vec<_>>());

    // One was issued before it was voided, the other was not.
    api.issue(&created[6].name, dated).await;
    api.void(&created[6].name).await;
    api.void(&created[29].name).await;
    let next = api.bulletin(work_information(dated)).await.unwrap();
    assert_eq!(next.number, 31);
    let special = Bulletin {
        kind: BulletinKind::Special.into(),
        ..work_information(dated)
    };
    assert_eq!(api.bulletin(special).await.unwrap().number, 1);
    let other_year = Some(Date {
        year: 2021,
        month: 12,
        day: 31,
    });
    let other_year = api.bulletin(work_information(other_year)).await.unwrap();
    assert_eq!(other_year.number, 1);

    let list = ListBulletinsRequest {
        parent: OFFICE.into(),
        page_size: 100,
        filter: "kind = BULLETIN_KIND_WORK_INFORMATION AND year = 2022".into(),
        order_by: "number".into(),
        ..Default::default()
    };
    let listed = api.bulletins.clone().list_bulletins(list).await.unwrap();
    let listed = listed.into_inner().bulletins;
    assert!(listed.iter().map(|b| b.number).eq(1..=31));
    let void = listed.iter().filter(|b| b.state() == BulletinState::Voided);
    assert!(void.map(|b| b.number).eq([7, 30]));
    assert_eq!(api.figures(2022).await["work_info_issues"], 0);
    assert_eq!(suite.audit("research").await.findings, []);
}

async fn items_of_a_bulletin_must_exist(suite: Suite) {
    let api = Api::of(&suite);
    let item = api.item(UnitKind::Township, None).await.name;
    let with = |items: &[&str]| Bulletin {
        items: items.iter().map(|i| (*i).to_owned()).collect(),
        ..work_information(None)
    };
    let absent = format!("{OFFICE}/informationItems/absent");
    let refused = api.bulletin(with(&[&item, &absent])).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    for bad in [
        "offices/another/informationItems/i1",
        "offices/demo/topics/t1",
    ] {
        let refused = api.bulletin(with(&[&item, bad])).await.unwrap_err();
        let fields = ["bulletin.items[1]".to_owned()];
        assert_eq!(bad_fields(&refused), fields.into(), "{bad}");
    }
    // Refused bulletins took no number.
    assert_eq!(api.bulletin(with(&[&item])).await.unwrap().number, 1);
}

async fn a_conversion_to_a_record_of_another_office_is_refused(suite: Suite) {
    let api = Api::of(&suite);
    let report = api.report("").await.unwrap().name;
    api.finish(&report, day(6, 1)).await.unwrap();
    let convert = async |record: &str| {
        let conversion = Conversion {
            record: record.into(),
            converted_on: day(6, 10),
        };
        let request = ConvertResearchReportRequest {
            name: report.clone(),
            conversion: Some(conversion),
            ..Default::default()
        };
        let mut reports = api.reports.clone();
        reports.convert_research_report(request).await
    };
    let refused = convert("offices/another/matters/m1").await.unwrap_err();
    assert_eq!(
        bad_fields(&refused),
        ["conversion.record".to_owned()].into()
    );
    let converted = convert("offices/demo/matters/m1").await.unwrap();
    assert_eq!(converted.into_inner().conversions.len(), 1);
}

async fn a_review_lists_topics_that_are_behind(suite: Suite) {
    let api = Api::of(&suite);
    let waiting = api.topic(TopicLevel::CityKey, 6).await.name;
    let begun = api.topic(TopicLevel::CityKey, 2).await.name;
    api.approve(&begun, day(1, 20)).await;
    api.start(&begun, day(2, 1)).await;
    let approved = api.topic(TopicLevel::Township, 4).await.name;
    api.approve(&approved, day(3, 20)).await;
    let done = api.topic(TopicLevel::Township, 4).await.name;
    api.approve(&done, day(3, 20)).await;
    api.start(&done, day(4, 1)).await;
    let report = api.report(&done).await.unwrap().name;
    api.finish(&report, day(4, 20)).await.unwrap();
    // A topic of another year, and a deleted one.
    let later = api.topic(TopicLevel::Township, 4).await.name;
    api.approve(&later, None).await;
    let deleted = DeleteTopicRequest {
        name: api.topic(TopicLevel::Township, 1).await.name,
        ..Default::default()
    };
    api.topics.clone().delete_topic(deleted).await.unwrap();

    let request = ReviewTopicsRequest {
        parent: OFFICE.into(),
        year: 2022,
    };
    let review = api.topics.clone().review_topics(request).await.unwrap();
    let review = review.into_inner();
    let reminded: Vec<_> = review.reminders.iter().map(|r| r.topic.as_str()).collect();
    assert_eq!(reminded, [begun.as_str(), &approved, &waiting]);
    let stages = review.reminders.iter().map(|r| r.behind.unwrap().stage());
    assert!(stages.eq([TopicStage::Report, TopicStage::Start, TopicStage::Start]));
    let told: Vec<_> = review
        .levels
        .iter()
        .map(|l| [l.proposed, l.approved, l.under_way, l.reported, l.behind])
        .collect();
    assert_eq!(told, [[1, 1, 1, 0, 2], [0; 5], [0, 2, 0, 1, 1]]);
}

async fn figures_use_the_day_of_the_event_that_they_count(suite: Suite) {
    let api = Api::of(&suite);
    let topic = api.topic(TopicLevel::CityKey, 3).await.name;
    api.approve(&topic, day(2, 20)).await;
    api.topic(TopicLevel::CityKey, 3).await;

    let survey = FieldSurvey {
        title: "乡村振兴专题调研".into(),
        topic,
        first_day: day(3, 2),
        last_day: day(3, 4),
        places: vec!["某镇".into()],
        leader: "张三".into(),
        ..Default::default()
    };
    let request = CreateFieldSurveyRequest {
        parent: OFFICE.into(),
        field_survey: Some(survey),
        ..Default::default()
    };
    let mut surveys = api.surveys.clone();
    let survey = surveys.create_field_survey(request.clone()).await.unwrap();
    surveys.create_field_survey(request).await.unwrap();
    let request = CompleteFieldSurveyRequest {
        name: survey.into_inner().name,
        ..Default::default()
    };
    surveys.complete_field_survey(request).await.unwrap();

    // Finished at the year's end, submitted in the next year.
    let report = api.report("").await.unwrap().name;
    api.finish(&report, day(12, 30)).await.unwrap();
    let submission = Submission {
        to: "市委政研室".into(),
        level: Level::City.into(),
        submitted_on: Some(Date {
            year: 2023,
            month: 1,
            day: 4,
        }),
    };
    let request = SubmitResearchReportRequest {
        name: report,
        submission: Some(submission),
        ..Default::default()
    };
    let mut reports = api.reports.clone();
    reports.submit_research_report(request).await.unwrap();

    for unit_kind in [UnitKind::Township, UnitKind::Bureau, UnitKind::Other] {
        let item = api.item(unit_kind, day(7, 1)).await.name;
        let adoption = Adoption {
            adopter: "省委办公厅".into(),
            level: Level::Province.into(),
            adopted_on: day(7, 9),
            mode: AdoptionMode::Single.into(),
            award: unit_kind == UnitKind::Other,
            ..Default::default()
        };
        let request = AdoptInformationItemRequest {
            name: item,
            adoption: Some(adoption),
            ..Default::default()
        };
        let mut information = api.information.clone();
        information.adopt_information_item(request).await.unwrap();
    }
    let bulletin = api.bulletin(work_information(day(8, 1))).await.unwrap();
    api.issue(&bulletin.name, day(8, 2)).await;

    let figures = api.figures(2022).await;
    for (id, value) in [
        ("research_topics_city", 1),
        ("derived_research_topics_sum", 1),
        ("special_research_trips", 1),
        ("research_reports", 1),
        ("research_reports_submitted_city", 1),
        ("info_items_collected", 2),
        ("info_adopted_province", 3),
        ("info_quality_award", 1),
        ("work_info_issues", 1),
    ] {
        assert_eq!(figures[id], value, "{id}");
    }
    assert!(api.figures(2023).await.values().all(|value| *value == 0));
}
