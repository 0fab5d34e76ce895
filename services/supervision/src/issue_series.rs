//! Series of numbered papers (期刊系列).

use taizhang_contracts::supervision::issue_series_service_server::IssueSeriesService;
use taizhang_contracts::supervision::{
    CreateIssueSeriesRequest, DeleteIssueSeriesRequest, GetIssueSeriesRequest, IssueKind,
    IssueSeries, ListIssueSeriesRequest, ListIssueSeriesResponse, UndeleteIssueSeriesRequest,
    UpdateIssueSeriesRequest,
};
use taizhang_ledger::{Column, Record, enum_column, serve};

use crate::Supervision;

impl Record<Supervision> for IssueSeries {
    const TABLE: &'static str = "issue_series";

    const COLUMNS: &'static [Column<Self>] = &[
        enum_column!(IssueSeries, kind: IssueKind),
        Column::text("title", |s| s.title.as_str().into()),
    ];

    fn title(&self) -> &str {
        &self.title
    }
}

serve! {
    IssueSeriesService for Supervision {
        create_issue_series(CreateIssueSeriesRequest) -> IssueSeries: create;
        get_issue_series(GetIssueSeriesRequest) -> IssueSeries: get;
        list_issue_series(ListIssueSeriesRequest) -> ListIssueSeriesResponse: list;
        update_issue_series(UpdateIssueSeriesRequest) -> IssueSeries: update;
        delete_issue_series(DeleteIssueSeriesRequest) -> IssueSeries: delete;
        undelete_issue_series(UndeleteIssueSeriesRequest) -> IssueSeries: undelete;
    }
}
