//! Topics, field surveys, research reports, information items and bulletins.

use chrono::NaiveDate;
use taizhang_contracts::common::Level;
use taizhang_contracts::research::{
    self as r, AdoptionMode, BulletinKind, InformationKind, TopicLevel, UnitKind,
};
use tonic::Status;

use super::people;
use crate::client::{Clients, request_id};
use crate::days::{day, later, outside, spread};
use crate::figures::{Figures, Plannable, Sum, indicator, part, planned};
use crate::job::Job;

/// The indicators that a plan can name.
pub(crate) const PLANNABLE: &[Plannable] = &[
    indicator("research_topics_city"),
    indicator("research_topics_county"),
    indicator("research_topics_township"),
    indicator("special_research_trips"),
    indicator("research_reports"),
    part("research_reports_submitted_city", "research_reports"),
    indicator("info_items_collected"),
    indicator("work_info_issues"),
    indicator("info_adopted_province"),
    indicator("info_quality_award"),
];

/// A sum that a plan may state.
pub(crate) const SUM: Sum = Sum {
    id: "derived_research_topics_sum",
    parts: &[
        "research_topics_city",
        "research_topics_county",
        "research_topics_township",
    ],
};

/// A record of the research service.
#[derive(Debug, Clone)]
pub(crate) enum Record {
    /// A topic, and the report on it.
    Topic(Topic),
    /// A survey from this day on.
    Survey(NaiveDate, SurveyOutcome),
    /// A report without a topic.
    Report(Report),
    /// An item of information.
    Information(Information),
    /// A bulletin.
    Bulletin(BulletinKind, NaiveDate, BulletinOutcome),
}

/// A topic.
#[derive(Debug, Clone)]
pub(crate) struct Topic {
    /// Its level.
    level: TopicLevel,
    /// The day it is approved.
    approved: NaiveDate,
    /// Its final state.
    outcome: TopicOutcome,
    /// The report on it.
    report: Option<Report>,
}

/// The final state of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TopicOutcome {
    Proposed,
    Approved,
    UnderWay,
    Concluded,
    Dropped,
}

/// The final state of a survey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SurveyOutcome {
    /// It is only planned.
    Planned,
    /// It was carried out.
    Done,
    /// It is cancelled.
    Cancelled,
}

/// A report.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    /// The day it is finished; `None` for a draft.
    finished: Option<NaiveDate>,
    /// Whether it is submitted to the city.
    submitted: bool,
}

/// An item of information.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Information {
    /// The kind of the unit that reports it.
    unit_kind: UnitKind,
    /// The day it is received.
    received: NaiveDate,
    /// The level that adopts it; `None` if it is not adopted.
    adopted_by: Option<Level>,
    /// Whether the adoption has an award.
    award: bool,
}

/// The final state of a bulletin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BulletinOutcome {
    /// It only has its number.
    Drafted,
    /// It is issued.
    Issued,
    /// It is voided.
    Voided,
}

/// The records that are counted in a year.
pub(crate) fn counted(year: i32, figures: &Figures) -> Vec<Job<Record>> {
    let mut jobs = Vec::new();
    let figure = |id| planned(figures, id);
    let last = day(year, 12, 31);
    let reports = figure("research_reports");
    let submitted = figure("research_reports_submitted_city");
    let mut written = 0;
    for (id, level) in [
        ("research_topics_city", TopicLevel::CityKey),
        ("research_topics_county", TopicLevel::CountyKey),
        ("research_topics_township", TopicLevel::Township),
    ] {
        let topics = figure(id);
        for i in 0..topics {
            let approved = spread(year, i, topics);
            // Every other topic has a report of the same year.
            let mut topic = Topic {
                level,
                approved,
                outcome: if i % 4 == 1 {
                    TopicOutcome::Approved
                } else {
                    TopicOutcome::UnderWay
                },
                report: None,
            };
            if i % 2 == 0 && written < reports {
                topic.report = Some(Report {
                    finished: Some(later(approved, 60).min(last)),
                    submitted: written < submitted,
                });
                topic.outcome = TopicOutcome::Concluded;
                written += 1;
            }
            jobs.push(Job::new(Record::Topic(topic)));
        }
    }
    for i in written..reports {
        jobs.push(Job::new(Record::Report(Report {
            finished: Some(spread(year, i, reports)),
            submitted: i < submitted,
        })));
    }
    let trips = figure("special_research_trips");
    for i in 0..trips {
        let first = spread(year, i, trips);
        jobs.push(Job::new(Record::Survey(first, SurveyOutcome::Done)));
    }

    let collected = figure("info_items_collected");
    let adopted = figure("info_adopted_province");
    let awarded = figure("info_quality_award");
    let items = collected.max(adopted).max(awarded);
    for i in 0..items {
        let unit_kind = match (i < collected, i % 3) {
            // Adopted, but not counted as collected.
            (false, _) => UnitKind::Other,
            (true, 0) => UnitKind::Township,
            (true, _) => UnitKind::Bureau,
        };
        let adopted_by = match (i < adopted, i < awarded) {
            (true, _) => Some(Level::Province),
            (false, true) => Some(Level::City),
            (false, false) => None,
        };
        jobs.push(Job::new(Record::Information(Information {
            unit_kind,
            received: spread(year, i, items),
            adopted_by,
            award: i < awarded,
        })));
    }
    let bulletins = figure("work_info_issues");
    for i in 0..bulletins {
        let kind = BulletinKind::WorkInformation;
        let issued = spread(year, i, bulletins);
        jobs.push(Job::new(Record::Bulletin(
            kind,
            issued,
            BulletinOutcome::Issued,
        )));
    }
    jobs
}

/// Records that no figure of the year or of the year before may count.
pub(crate) fn uncounted(year: i32) -> Vec<Job<Record>> {
    let mut jobs = Vec::new();
    let topic = |approved, outcome| {
        Record::Topic(Topic {
            level: TopicLevel::CountyKey,
            approved,
            outcome,
            report: None,
        })
    };
    let report = |finished| {
        Record::Report(Report {
            finished,
            submitted: finished.is_some(),
        })
    };
    let information = |unit_kind, received| {
        Record::Information(Information {
            unit_kind,
            received,
            adopted_by: Some(Level::City),
            award: false,
        })
    };
    let bulletin =
        |issued, outcome| Record::Bulletin(BulletinKind::WorkInformation, issued, outcome);
    let mid = day(year, 6, 15);
    for record in [
        topic(mid, TopicOutcome::Proposed),
        topic(mid, TopicOutcome::Dropped),
        Record::Survey(mid, SurveyOutcome::Planned),
        Record::Survey(mid, SurveyOutcome::Cancelled),
        report(None),
        information(UnitKind::Other, mid),
        bulletin(mid, BulletinOutcome::Drafted),
        bulletin(mid, BulletinOutcome::Voided),
        Record::Bulletin(BulletinKind::Special, mid, BulletinOutcome::Issued),
    ] {
        jobs.push(Job::new(record));
    }
    for day in outside(year) {
        for record in [
            topic(day, TopicOutcome::Approved),
            Record::Survey(day, SurveyOutcome::Done),
            report(Some(day)),
            Record::Information(Information {
                unit_kind: UnitKind::Township,
                received: day,
                adopted_by: Some(Level::Province),
                award: true,
            }),
            bulletin(day, BulletinOutcome::Issued),
        ] {
            jobs.push(Job::new(record));
        }
    }
    for record in [
        topic(mid, TopicOutcome::Approved),
        Record::Survey(mid, SurveyOutcome::Done),
        report(Some(mid)),
        information(UnitKind::Township, mid),
    ] {
        jobs.push(Job::deleted(record.clone()));
        jobs.push(Job::of_neighbour(record));
    }
    jobs.push(Job::of_neighbour(bulletin(mid, BulletinOutcome::Issued)));
    jobs
}

/// Makes a record and returns its name.
///
/// # Errors
/// The first refusal.
pub(crate) async fn make(
    c: &mut Clients,
    parent: String,
    i: usize,
    record: &Record,
) -> Result<String, Status> {
    match record {
        Record::Topic(topic) => study(c, parent, i, topic).await,
        Record::Survey(first, outcome) => survey(c, parent, i, *first, *outcome).await,
        Record::Report(plan) => report(c, parent, i, String::new(), *plan).await,
        Record::Information(plan) => inform(c, parent, i, plan).await,
        Record::Bulletin(kind, issued, outcome) => {
            let title = format!("《工作信息》{}专刊", people::subject(i));
            bulletin(c, parent, title, *kind, *issued, *outcome).await
        }
    }
}

/// Deletes a record.
///
/// # Errors
/// A refusal.
pub(crate) async fn delete(c: &mut Clients, name: String, record: &Record) -> Result<(), Status> {
    match record {
        Record::Topic(_) => {
            let request = r::DeleteTopicRequest {
                name,
                ..Default::default()
            };
            c.topics.delete_topic(request).await?;
        }
        Record::Survey(..) => {
            let request = r::DeleteFieldSurveyRequest {
                name,
                ..Default::default()
            };
            c.surveys.delete_field_survey(request).await?;
        }
        Record::Report(_) => {
            let request = r::DeleteResearchReportRequest {
                name,
                ..Default::default()
            };
            c.research_reports.delete_research_report(request).await?;
        }
        Record::Information(_) => {
            let request = r::DeleteInformationItemRequest {
                name,
                ..Default::default()
            };
            c.information.delete_information_item(request).await?;
        }
        // A numbered bulletin can't be deleted.
        Record::Bulletin(..) => {}
    }
    Ok(())
}

/// Makes a topic and takes it to its final state.
async fn study(c: &mut Clients, parent: String, i: usize, plan: &Topic) -> Result<String, Status> {
    let approved = plan.approved;
    let topic = r::Topic {
        title: format!("{}调研", people::subject(i)),
        level: plan.level.into(),
        leader: people::person(i),
        lead_unit: people::unit(i).into(),
        members: vec![r::TopicMember {
            person: people::person(i + 1),
            unit: people::unit(i).into(),
            ..Default::default()
        }],
        planned_start: Some(approved.into()),
        planned_end: Some(later(approved, 90).into()),
        expected_output: "形成调研报告".into(),
        ..Default::default()
    };
    let request = r::CreateTopicRequest {
        parent: parent.clone(),
        topic: Some(topic),
        request_id: request_id(),
        ..Default::default()
    };
    let name = c.topics.create_topic(request).await?.into_inner().name;
    if plan.outcome == TopicOutcome::Proposed {
        return Ok(name);
    }
    let request = r::ApproveTopicRequest {
        name: name.clone(),
        approved_by: people::person(i + 2),
        approved_on: Some(approved.into()),
        ..Default::default()
    };
    c.topics.approve_topic(request).await?;
    match plan.outcome {
        TopicOutcome::Proposed | TopicOutcome::Approved => return Ok(name),
        TopicOutcome::Dropped => {
            let request = r::DropTopicRequest {
                name: name.clone(),
                reason: "与上级课题重复".into(),
                dropped_on: Some(approved.into()),
                ..Default::default()
            };
            c.topics.drop_topic(request).await?;
            return Ok(name);
        }
        TopicOutcome::UnderWay | TopicOutcome::Concluded => {}
    }
    let request = r::StartTopicRequest {
        name: name.clone(),
        started_on: Some(approved.into()),
        ..Default::default()
    };
    c.topics.start_topic(request).await?;
    if let Some(plan) = plan.report {
        report(c, parent, i, name.clone(), plan).await?;
    }
    if let (TopicOutcome::Concluded, Some(finished)) =
        (plan.outcome, plan.report.and_then(|r| r.finished))
    {
        let request = r::ConcludeTopicRequest {
            name: name.clone(),
            conclusion: "成果已转化为工作建议".into(),
            concluded_on: Some(finished.into()),
            ..Default::default()
        };
        c.topics.conclude_topic(request).await?;
    }
    Ok(name)
}

async fn survey(
    c: &mut Clients,
    parent: String,
    i: usize,
    first: NaiveDate,
    outcome: SurveyOutcome,
) -> Result<String, Status> {
    let survey = r::FieldSurvey {
        title: format!("{}专题调研", people::subject(i)),
        first_day: Some(first.into()),
        last_day: Some(later(first, 2).into()),
        places: vec![people::place(i).into()],
        leader: people::person(i),
        participants: vec![people::person(i + 1), people::person(i + 2)],
        ..Default::default()
    };
    let request = r::CreateFieldSurveyRequest {
        parent,
        field_survey: Some(survey),
        request_id: request_id(),
        ..Default::default()
    };
    let name = c
        .surveys
        .create_field_survey(request)
        .await?
        .into_inner()
        .name;
    match outcome {
        SurveyOutcome::Planned => {}
        SurveyOutcome::Done => {
            let request = r::CompleteFieldSurveyRequest {
                name: name.clone(),
                findings: "进展总体平稳，个别环节需加强".into(),
                ..Default::default()
            };
            c.surveys.complete_field_survey(request).await?;
        }
        SurveyOutcome::Cancelled => {
            let request = r::CancelFieldSurveyRequest {
                name: name.clone(),
                reason: "并入其他调研".into(),
                ..Default::default()
            };
            c.surveys.cancel_field_survey(request).await?;
        }
    }
    Ok(name)
}

async fn report(
    c: &mut Clients,
    parent: String,
    i: usize,
    topic: String,
    plan: Report,
) -> Result<String, Status> {
    let report = r::ResearchReport {
        title: format!("关于{}的调研报告", people::subject(i)),
        topic,
        authors: vec![people::person(i), people::person(i + 3)],
        ..Default::default()
    };
    let request = r::CreateResearchReportRequest {
        parent,
        research_report: Some(report),
        request_id: request_id(),
        ..Default::default()
    };
    let name = c
        .research_reports
        .create_research_report(request)
        .await?
        .into_inner()
        .name;
    let Some(finished) = plan.finished else {
        return Ok(name);
    };
    let request = r::FinishResearchReportRequest {
        name: name.clone(),
        finished_on: Some(finished.into()),
        ..Default::default()
    };
    c.research_reports.finish_research_report(request).await?;
    if plan.submitted {
        let submission = r::Submission {
            to: "市委政研室".into(),
            level: Level::City.into(),
            submitted_on: Some(finished.into()),
        };
        let request = r::SubmitResearchReportRequest {
            name: name.clone(),
            submission: Some(submission),
            ..Default::default()
        };
        c.research_reports.submit_research_report(request).await?;
    }
    if i.is_multiple_of(5) {
        let adoption = r::Adoption {
            adopter: "市委政研室".into(),
            level: Level::City.into(),
            publication: "调研参考".into(),
            adopted_on: Some(finished.into()),
            mode: AdoptionMode::Single.into(),
            ..Default::default()
        };
        let request = r::AdoptResearchReportRequest {
            name: name.clone(),
            adoption: Some(adoption),
            ..Default::default()
        };
        c.research_reports.adopt_research_report(request).await?;
    }
    if i.is_multiple_of(7) {
        let instruction = r::Instruction {
            leader: people::person(i + 4),
            post: "县委副书记".into(),
            level: Level::County.into(),
            content: "请有关部门研究吸收".into(),
            instructed_on: Some(finished.into()),
        };
        let request = r::InstructResearchReportRequest {
            name: name.clone(),
            instruction: Some(instruction),
            ..Default::default()
        };
        c.research_reports.instruct_research_report(request).await?;
    }
    Ok(name)
}

async fn inform(
    c: &mut Clients,
    parent: String,
    i: usize,
    plan: &Information,
) -> Result<String, Status> {
    let kind = match i % 3 {
        0 => InformationKind::News,
        1 => InformationKind::Experience,
        _ => InformationKind::Problem,
    };
    let unit = match plan.unit_kind {
        UnitKind::Township => people::township(i),
        _ => people::bureau(i),
    };
    let item = r::InformationItem {
        title: format!("{unit}推进{}", people::subject(i)),
        unit: unit.into(),
        unit_kind: plan.unit_kind.into(),
        kind: kind.into(),
        received_on: Some(plan.received.into()),
        ..Default::default()
    };
    let request = r::CreateInformationItemRequest {
        parent,
        information_item: Some(item),
        request_id: request_id(),
        ..Default::default()
    };
    let name = c
        .information
        .create_information_item(request)
        .await?
        .into_inner()
        .name;
    if let Some(level) = plan.adopted_by {
        let adopter = match level {
            Level::Province => "省委办公厅",
            _ => "市委办公室",
        };
        let adoption = r::Adoption {
            adopter: adopter.into(),
            level: level.into(),
            publication: "信息专报".into(),
            adopted_on: Some(plan.received.into()),
            mode: AdoptionMode::Single.into(),
            award: plan.award,
            ..Default::default()
        };
        let request = r::AdoptInformationItemRequest {
            name: name.clone(),
            adoption: Some(adoption),
            ..Default::default()
        };
        c.information.adopt_information_item(request).await?;
    }
    Ok(name)
}

async fn bulletin(
    c: &mut Clients,
    parent: String,
    title: String,
    kind: BulletinKind,
    day: NaiveDate,
    outcome: BulletinOutcome,
) -> Result<String, Status> {
    let bulletin = r::Bulletin {
        kind: kind.into(),
        title,
        dated_on: Some(day.into()),
        ..Default::default()
    };
    let request = r::CreateBulletinRequest {
        parent,
        bulletin: Some(bulletin),
        request_id: request_id(),
        ..Default::default()
    };
    let name = c
        .bulletins
        .create_bulletin(request)
        .await?
        .into_inner()
        .name;
    match outcome {
        BulletinOutcome::Drafted => {}
        BulletinOutcome::Issued => {
            let request = r::IssueBulletinRequest {
                name: name.clone(),
                issued_on: Some(day.into()),
                ..Default::default()
            };
            c.bulletins.issue_bulletin(request).await?;
        }
        BulletinOutcome::Voided => {
            let request = r::VoidBulletinRequest {
                name: name.clone(),
                reason: "内容合并刊发".into(),
                ..Default::default()
            };
            c.bulletins.void_bulletin(request).await?;
        }
    }
    Ok(name)
}
