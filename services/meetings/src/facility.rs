//! Rooms, video lines and other equipment (会议场所和视频设施).

use taizhang_contracts::meetings::facility_service_server::FacilityService;
use taizhang_contracts::meetings::{
    CreateFacilityRequest, DeleteFacilityRequest, Facility, GetFacilityRequest,
    ListFacilitiesRequest, ListFacilitiesResponse, UndeleteFacilityRequest, UpdateFacilityRequest,
};
use taizhang_ledger::{Behavior, Record, serve};

use crate::Meetings;
use crate::entities::facilities;

impl Record for facilities::Entity {
    fn title(facility: &Facility) -> &str {
        &facility.title
    }
}

impl Behavior for facilities::Entity {}

serve! {
    FacilityService for Meetings, facilities {
        create_facility(CreateFacilityRequest) -> Facility: create;
        get_facility(GetFacilityRequest) -> Facility: get;
        list_facilities(ListFacilitiesRequest) -> ListFacilitiesResponse: list;
        update_facility(UpdateFacilityRequest) -> Facility: update;
        delete_facility(DeleteFacilityRequest) -> Facility: delete;
        undelete_facility(UndeleteFacilityRequest) -> Facility: undelete;
    }
}
