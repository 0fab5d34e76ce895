//! The tables of the service's records, as sea-orm entities. `migration.rs` creates them.

use taizhang_contracts::common::Level;
use taizhang_contracts::supervision::{
    DailyReminder, Inspection, InspectionKind, InspectionState, Interview, InterviewState,
    InterviewTargetKind, Issue, IssueKind, IssueSeries, IssueState, Matter, MatterState,
    ReformPlan, ReformTask, ReformTaskState, SourceKind, SupervisionSettings, SupervisionTopic,
};
use taizhang_ledger::entity;

entity! {
    /// Rows of [`Inspection`].
    #[sea_orm(table_name = "inspections")]
    pub mod inspections for Inspection {
        kind: InspectionKind,
        topic: SupervisionTopic,
        state: InspectionState,
        first_day: day,
        last_day: day,
        title: text,
    }
}

entity! {
    /// Rows of [`Interview`].
    #[sea_orm(table_name = "interviews")]
    pub mod interviews for Interview {
        target: text,
        target_kind: InterviewTargetKind,
        state: InterviewState,
        held_on: day,
        date: day,
        matter: text,
    }
}

entity! {
    /// Rows of [`Issue`].
    #[sea_orm(table_name = "issues")]
    pub mod issues for Issue {
        series: text,
        year: number = |i| i.dated_on.map_or(0, |day| day.year.into()),
        number: number,
        kind: IssueKind,
        topic: SupervisionTopic,
        state: IssueState,
        issued_on: day,
        dated_on: day,
        title: text,
    }
}

entity! {
    /// Rows of [`IssueSeries`].
    #[sea_orm(table_name = "issue_series")]
    pub mod issue_series for IssueSeries {
        kind: IssueKind,
        title: text,
    }
}

entity! {
    /// Rows of [`Matter`].
    #[sea_orm(table_name = "matters")]
    pub mod matters for Matter {
        number: number,
        year: number = |m| m.registered_on.map_or(0, |day| day.year.into()),
        state: MatterState,
        source_kind ("source.kind"): SourceKind = |m| m.source.as_ref().map_or(0, |s| s.kind),
        source_level ("source.level"): Level = |m| m.source.as_ref().map_or(0, |s| s.level),
        by_secretary ("source.by_secretary"): bool = |m| m.source.as_ref().is_some_and(|s| s.by_secretary),
        registered_on: day,
        reported_on: day,
        closed_on: day,
        due_date: day,
        lead_unit: text,
        title: text,
        split_from: text,
        superseded: bool,
    }
}

entity! {
    /// Rows of [`ReformPlan`].
    #[sea_orm(table_name = "reform_plans")]
    pub mod reform_plans for ReformPlan {
        year: number,
        adopted_on: day,
        title: text,
    }
}

entity! {
    /// Rows of [`ReformTask`].
    #[sea_orm(table_name = "reform_tasks")]
    pub mod reform_tasks for ReformTask {
        plan: text,
        category: text,
        state: ReformTaskState,
        plan_category: text,
        planned_on: day,
        completed_on: day,
        due_date: day,
        percent: number,
        lead_unit: text,
        title: text,
    }
}

entity! {
    /// Rows of [`DailyReminder`].
    #[sea_orm(table_name = "daily_reminders")]
    pub mod daily_reminders for DailyReminder {
        date: day,
    }
}

entity! {
    /// Rows of [`SupervisionSettings`].
    #[sea_orm(table_name = "supervision_settings")]
    pub mod supervision_settings for SupervisionSettings {
    }
}
