//! The tables of the service's records, as sea-orm entities. `migration.rs` creates them.

use taizhang_contracts::research::{
    Bulletin, BulletinKind, BulletinState, FieldSurvey, FieldSurveyState, InformationItem,
    InformationKind, ResearchReport, ResearchReportState, Topic, TopicLevel, TopicState, UnitKind,
};
use taizhang_ledger::entity;

entity! {
    /// Rows of [`Bulletin`].
    #[sea_orm(table_name = "bulletins")]
    pub mod bulletins for Bulletin {
        kind: BulletinKind,
        state: BulletinState,
        issued_on: day,
        number: number,
        year: number = |b| b.dated_on.map_or(0, |day| day.year.into()),
        dated_on: day,
        title: text,
    }
}

entity! {
    /// Rows of [`FieldSurvey`].
    #[sea_orm(table_name = "field_surveys")]
    pub mod field_surveys for FieldSurvey {
        state: FieldSurveyState,
        first_day: day,
        last_day: day,
        title: text,
        topic: text,
        leader: text,
    }
}

entity! {
    /// Rows of [`InformationItem`].
    #[sea_orm(table_name = "information_items")]
    pub mod information_items for InformationItem {
        unit_kind: UnitKind,
        received_on: day,
        province_adopted_on: day,
        awarded_on: day,
        adopted_on: day,
        kind: InformationKind,
        title: text,
        unit: text,
    }
}

entity! {
    /// Rows of [`ResearchReport`].
    #[sea_orm(table_name = "research_reports")]
    pub mod research_reports for ResearchReport {
        state: ResearchReportState,
        finished_on: day,
        submitted_to_city: bool,
        adopted_on: day,
        instructed_on: day,
        title: text,
        topic: text,
    }
}

entity! {
    /// Rows of [`Topic`].
    #[sea_orm(table_name = "topics")]
    pub mod topics for Topic {
        level: TopicLevel,
        state: TopicState,
        approved_on: day,
        concluded_on: day,
        planned_start: day,
        planned_end: day,
        title: text,
        leader: text,
        lead_unit: text,
    }
}
