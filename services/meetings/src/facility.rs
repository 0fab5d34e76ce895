//! Rooms, video lines and other equipment (会议场所和视频设施).

use taizhang_contracts::meetings::facility_service_server::FacilityService;
use taizhang_contracts::meetings::{
    CreateFacilityRequest, DeleteFacilityRequest, Facility, FacilityKind, GetFacilityRequest,
    ListFacilitiesRequest, ListFacilitiesResponse, UndeleteFacilityRequest, UpdateFacilityRequest,
};
use taizhang_ledger::column::day;
use taizhang_ledger::{Column, Record, enum_column, serve};

use crate::Meetings;

pub(crate) const KIND: Column<Facility> = enum_column!(Facility, kind: FacilityKind);
pub(crate) const INSTALLED_ON: Column<Facility> =
    Column::day("installed_on", |f| day(f.installed_on.as_ref()));
pub(crate) const RENOVATED_ON: Column<Facility> =
    Column::day("renovated_on", |f| day(f.renovated_on.as_ref()));

impl Record<Meetings> for Facility {
    const TABLE: &'static str = "facilities";

    const COLUMNS: &'static [Column<Self>] = &[
        KIND,
        INSTALLED_ON,
        RENOVATED_ON,
        Column::text("title", |f| f.title.as_str().into()),
        Column::number("seats", |f| i64::from(f.seats).into()),
    ];

    fn title(&self) -> &str {
        &self.title
    }
}

serve! {
    FacilityService for Meetings {
        create_facility(CreateFacilityRequest) -> Facility: create;
        get_facility(GetFacilityRequest) -> Facility: get;
        list_facilities(ListFacilitiesRequest) -> ListFacilitiesResponse: list;
        update_facility(UpdateFacilityRequest) -> Facility: update;
        delete_facility(DeleteFacilityRequest) -> Facility: delete;
        undelete_facility(UndeleteFacilityRequest) -> Facility: undelete;
    }
}
