//! Series of numbered papers (期刊系列).

use taizhang_contracts::supervision::issue_series_service_server::IssueSeriesService;
use taizhang_contracts::supervision::{
    CreateIssueSeriesRequest, DeleteIssueSeriesRequest, GetIssueSeriesRequest, IssueSeries,
    ListIssueSeriesRequest, ListIssueSeriesResponse, UndeleteIssueSeriesRequest,
    UpdateIssueSeriesRequest,
};
use taizhang_ledger::{Behavior, Record, serve};

use crate::Supervision;
use crate::entities::issue_series;

impl Record for issue_series::Entity {
    fn title(series: &IssueSeries) -> &str {
        &series.title
    }
}

impl Behavior for issue_series::Entity {}

serve! {
    IssueSeriesService for Supervision, issue_series {
        create_issue_series(CreateIssueSeriesRequest) -> IssueSeries: create;
        get_issue_series(GetIssueSeriesRequest) -> IssueSeries: get;
        list_issue_series(ListIssueSeriesRequest) -> ListIssueSeriesResponse: list;
        update_issue_series(UpdateIssueSeriesRequest) -> IssueSeries: update;
        delete_issue_series(DeleteIssueSeriesRequest) -> IssueSeries: delete;
        undelete_issue_series(UndeleteIssueSeriesRequest) -> IssueSeries: undelete;
    }
}
