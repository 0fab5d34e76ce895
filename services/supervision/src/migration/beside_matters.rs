//! The tables of issues, inspections, interviews, reform plans and reform tasks.

use sea_orm_migration::prelude::*;
use taizhang_ledger::schema::ColumnType::{Day, Number, Text};
use taizhang_ledger::schema::{create_index, create_record_table};

pub(super) struct BesideMatters;

impl MigrationName for BesideMatters {
    fn name(&self) -> &'static str {
        "m0003_beside_matters"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for BesideMatters {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        issues(m).await?;
        inspections(m).await?;
        interviews(m).await?;
        reform(m).await
    }
}

async fn issues(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    create_record_table(m, "issue_series", &[("kind", Number), ("title", Text)]).await?;

    let columns = [
        ("series", Text),
        ("year", Number),
        ("number", Number),
        ("kind", Number),
        ("topic", Number),
        ("state", Number),
        ("issued_on", Day),
        ("dated_on", Day),
        ("title", Text),
    ];
    create_record_table(m, "issues", &columns).await?;
    // Numbers are unique by series and year; the greatest is read from the end of the index.
    let numbered = ["series", "year", "number"];
    create_index(m, "issues", "issues_number", true, &numbered).await?;
    let counted = ["issued_on", "kind", "topic", "state", "delete_time"];
    create_index(m, "issues", "issues_issued", false, &counted).await
}

async fn inspections(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = [
        ("kind", Number),
        ("topic", Number),
        ("state", Number),
        ("first_day", Day),
        ("last_day", Day),
        ("title", Text),
    ];
    create_record_table(m, "inspections", &columns).await?;
    let counted = ["last_day", "kind", "state", "delete_time"];
    create_index(m, "inspections", "inspections_last_day", false, &counted).await
}

async fn interviews(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = [
        ("target", Text),
        ("target_kind", Number),
        ("state", Number),
        ("held_on", Day),
        ("date", Day),
        ("matter", Text),
    ];
    create_record_table(m, "interviews", &columns).await?;
    let counted = ["held_on", "target_kind", "state", "target", "delete_time"];
    create_index(m, "interviews", "interviews_held", false, &counted).await
}

async fn reform(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = [("year", Number), ("adopted_on", Day), ("title", Text)];
    create_record_table(m, "reform_plans", &columns).await?;

    let columns = [
        ("plan", Text),
        ("category", Text),
        ("state", Number),
        ("plan_category", Text),
        ("planned_on", Day),
        ("completed_on", Day),
        ("due_date", Day),
        ("percent", Number),
        ("lead_unit", Text),
        ("title", Text),
    ];
    create_record_table(m, "reform_tasks", &columns).await?;
    create_index(m, "reform_tasks", "reform_tasks_plan", false, &["plan"]).await?;
    let planned = ["planned_on", "state", "plan_category", "delete_time"];
    create_index(m, "reform_tasks", "reform_tasks_planned", false, &planned).await?;
    let completed = ["completed_on", "state", "delete_time"];
    create_index(
        m,
        "reform_tasks",
        "reform_tasks_completed",
        false,
        &completed,
    )
    .await
}
