//! Field surveys (专题调研).

use taizhang_contracts::research::field_survey_service_server::FieldSurveyService;
use taizhang_contracts::research::{
    CancelFieldSurveyRequest, CompleteFieldSurveyRequest, CreateFieldSurveyRequest,
    DeleteFieldSurveyRequest, FieldSurvey, FieldSurveyState, GetFieldSurveyRequest,
    ListFieldSurveysRequest, ListFieldSurveysResponse, UndeleteFieldSurveyRequest,
    UpdateFieldSurveyRequest,
};
use taizhang_contracts::{Error, Result, Violations};
use taizhang_ledger::days::naive;
use taizhang_ledger::transition::{Machine, keeps, leads};
use taizhang_ledger::{Behavior, Moment, Record, Tx, serve};

use crate::Research;
use crate::entities::{field_surveys, topics};

/// The states of a field survey.
pub const MACHINE: Machine<FieldSurveyState> = Machine {
    resource: "FieldSurvey",
    initial: FieldSurveyState::Planned,
    transitions: &[
        leads(
            "CompleteFieldSurvey",
            "调研完成",
            &[FieldSurveyState::Planned],
            FieldSurveyState::Done,
        ),
        leads(
            "CancelFieldSurvey",
            "取消调研",
            &[FieldSurveyState::Planned],
            FieldSurveyState::Cancelled,
        ),
        keeps(
            "UpdateFieldSurvey",
            "修改",
            &[FieldSurveyState::Planned, FieldSurveyState::Done],
        ),
    ],
    name: FieldSurveyState::as_str_name,
};

impl Record for field_surveys::Entity {
    fn title(survey: &FieldSurvey) -> &str {
        &survey.title
    }

    fn initial(survey: &mut FieldSurvey, _at: Moment) {
        survey.set_state(MACHINE.initial);
    }

    fn check(survey: &FieldSurvey, v: &mut Violations) {
        if naive(survey.last_day) < naive(survey.first_day) {
            v.add(
                "last_day",
                "不得早于开始日期",
                "must not be before the first day",
            );
        }
    }
}

impl Behavior for field_surveys::Entity {
    async fn settle(
        survey: &mut FieldSurvey,
        before: Option<&FieldSurvey>,
        tx: &mut Tx<'_>,
    ) -> Result<()> {
        if before.is_none() && !survey.topic.is_empty() {
            tx.refer::<topics::Entity>("field_survey.topic", &survey.topic)
                .await?;
        }
        Ok(())
    }
}

/// A completed survey can't get a last day in the future.
fn update(before: &FieldSurvey, after: &FieldSurvey, at: Moment) -> Result<()> {
    let state = MACHINE.next("UpdateFieldSurvey", before.state())?;
    match state {
        FieldSurveyState::Done => over(after, at),
        _ => Ok(()),
    }
}

fn complete(survey: &mut FieldSurvey, q: &CompleteFieldSurveyRequest, at: Moment) -> Result<()> {
    survey.set_state(MACHINE.next("CompleteFieldSurvey", survey.state())?);
    if !q.findings.is_empty() {
        survey.findings.clone_from(&q.findings);
    }
    over(survey, at)
}

fn over(survey: &FieldSurvey, at: Moment) -> Result<()> {
    if naive(survey.last_day) <= Some(at.today()) {
        return Ok(());
    }
    Err(Error::refused(
        "SURVEY_LAST_DAY_HAS_COME",
        "field_survey.last_day",
        "调研尚未结束",
        "the last day of the survey is in the future",
    ))
}

fn cancel(survey: &mut FieldSurvey, q: &CancelFieldSurveyRequest, _at: Moment) -> Result<()> {
    survey.set_state(MACHINE.next("CancelFieldSurvey", survey.state())?);
    survey.reason.clone_from(&q.reason);
    Ok(())
}

serve! {
    FieldSurveyService for Research, field_surveys {
        create_field_survey(CreateFieldSurveyRequest) -> FieldSurvey: create;
        get_field_survey(GetFieldSurveyRequest) -> FieldSurvey: get;
        list_field_surveys(ListFieldSurveysRequest) -> ListFieldSurveysResponse: list;
        update_field_survey(UpdateFieldSurveyRequest) -> FieldSurvey: update_with(update);
        delete_field_survey(DeleteFieldSurveyRequest) -> FieldSurvey: delete;
        undelete_field_survey(UndeleteFieldSurveyRequest) -> FieldSurvey: undelete;
        complete_field_survey(CompleteFieldSurveyRequest) -> FieldSurvey: change(complete);
        cancel_field_survey(CancelFieldSurveyRequest) -> FieldSurvey: change(cancel);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use taizhang_contracts::Reason;

    use super::*;
    use crate::testing::{date, fields, noon, rule};

    /// From 8 to 10 June.
    fn planned() -> FieldSurvey {
        let mut survey = FieldSurvey {
            first_day: date(8),
            last_day: date(10),
            findings: "初步情况".into(),
            ..Default::default()
        };
        field_surveys::Entity::initial(&mut survey, noon(1));
        survey
    }

    #[test]
    fn a_survey_is_completed_on_its_last_day_or_later() {
        let q = CompleteFieldSurveyRequest::default();
        let early = complete(&mut planned(), &q, noon(9)).unwrap_err();
        assert_eq!(rule(&early), "SURVEY_LAST_DAY_HAS_COME");
        let mut survey = planned();
        complete(&mut survey, &q, noon(10)).unwrap();
        assert_eq!(
            (survey.state(), survey.findings.as_str()),
            (FieldSurveyState::Done, "初步情况")
        );
        let again = complete(&mut survey, &q, noon(11)).unwrap_err();
        assert_eq!(again.reason(), Reason::WrongState);

        let mut later = survey.clone();
        later.last_day = date(12);
        let refused = update(&survey, &later, noon(11)).unwrap_err();
        assert_eq!(rule(&refused), "SURVEY_LAST_DAY_HAS_COME");
        assert!(update(&survey, &later, noon(12)).is_ok());
        assert!(update(&planned(), &later, noon(1)).is_ok());
    }

    #[test]
    fn a_cancelled_survey_is_immutable() {
        let mut survey = planned();
        let q = CancelFieldSurveyRequest {
            reason: "汛期".into(),
            ..Default::default()
        };
        cancel(&mut survey, &q, noon(1)).unwrap();
        assert_eq!(survey.reason, "汛期");
        let refused = update(&survey, &survey, noon(1)).unwrap_err();
        assert_eq!(refused.reason(), Reason::WrongState);
    }

    #[test]
    fn the_last_day_is_not_before_the_first() {
        let mut survey = planned();
        survey.last_day = date(7);
        let mut v = Violations::default();
        field_surveys::Entity::check(&survey, &mut v);
        assert_eq!(fields(&v.finish().unwrap_err()), ["last_day"]);
    }
}
