//! Information items that units report (信息).

use taizhang_contracts::Result;
use taizhang_contracts::common::Level;
use taizhang_contracts::research::information_item_service_server::InformationItemService;
use taizhang_contracts::research::{
    AdoptInformationItemRequest, CreateInformationItemRequest, DeleteInformationItemRequest,
    GetInformationItemRequest, InformationItem, ListInformationItemsRequest,
    ListInformationItemsResponse, UndeleteInformationItemRequest, UpdateInformationItemRequest,
};
use taizhang_ledger::{Behavior, Moment, Record, Tx, days, serve};

use crate::entities::information_items;
use crate::{Research, adoption};

impl Record for information_items::Entity {
    fn title(item: &InformationItem) -> &str {
        &item.title
    }
}

impl Behavior for information_items::Entity {
    async fn settle(
        item: &mut InformationItem,
        before: Option<&InformationItem>,
        tx: &mut Tx<'_>,
    ) -> Result<()> {
        if before.is_none() {
            let field = "information_item.received_on";
            item.received_on = Some(days::day(field, item.received_on, None, tx.at())?);
        }
        Ok(())
    }
}

fn adopt(item: &mut InformationItem, q: &AdoptInformationItemRequest, at: Moment) -> Result<()> {
    let adoptions = &mut item.adoptions;
    adoption::record(adoptions, q.adoption.as_ref(), item.received_on, at)?;
    item.adopted_on = adoption::first(adoptions, |_| true);
    item.province_adopted_on = adoption::first(adoptions, |a| a.level() == Level::Province);
    item.awarded_on = adoption::first(adoptions, |a| a.award);
    Ok(())
}

serve! {
    InformationItemService for Research, information_items {
        create_information_item(CreateInformationItemRequest) -> InformationItem: create;
        get_information_item(GetInformationItemRequest) -> InformationItem: get;
        list_information_items(ListInformationItemsRequest) -> ListInformationItemsResponse: list;
        update_information_item(UpdateInformationItemRequest) -> InformationItem: update;
        delete_information_item(DeleteInformationItemRequest) -> InformationItem: delete;
        undelete_information_item(UndeleteInformationItemRequest) -> InformationItem: undelete;
        adopt_information_item(AdoptInformationItemRequest) -> InformationItem: change(adopt);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use taizhang_contracts::research::Adoption;

    use super::*;
    use crate::testing::{date, fields, noon, rule};

    fn adoption(level: Level, day: u32, award: bool) -> AdoptInformationItemRequest {
        let adoption = Adoption {
            level: level.into(),
            adopted_on: date(day),
            award,
            ..Default::default()
        };
        AdoptInformationItemRequest {
            adoption: Some(adoption),
            ..Default::default()
        }
    }

    /// An item received on 5 June.
    fn received() -> InformationItem {
        InformationItem {
            received_on: date(5),
            ..Default::default()
        }
    }

    #[test]
    fn an_adoption_is_not_dated_before_the_receipt_or_in_the_future() {
        for day in [4, 11] {
            let q = adoption(Level::City, day, false);
            let refused = adopt(&mut received(), &q, noon(10)).unwrap_err();
            assert_eq!(fields(&refused), ["adoption.adopted_on"], "{day}");
        }
        let mut item = received();
        let mut q = adoption(Level::City, 5, false);
        adopt(&mut item, &q, noon(10)).unwrap();
        q.adoption.as_mut().unwrap().adopted_on = None;
        adopt(&mut item, &q, noon(10)).unwrap();
        let days: Vec<_> = item.adoptions.iter().map(|a| a.adopted_on).collect();
        assert_eq!(days, [date(5), date(10)]);
    }

    #[test]
    fn adoptions_are_limited() {
        let mut item = received();
        let q = adoption(Level::City, 6, false);
        for _ in 0..adoption::MOST {
            adopt(&mut item, &q, noon(10)).unwrap();
        }
        let refused = adopt(&mut item, &q, noon(10)).unwrap_err();
        assert_eq!(rule(&refused), "LIST_FULL");
    }

    proptest! {
        /// Figures use the day of the earliest adoption of each kind, whatever the order of entry.
        #[test]
        fn first_days_are_the_earliest(
            given in prop::collection::vec((1_i32..6, 5_u32..30, any::<bool>()), 0..30),
        ) {
            let mut item = received();
            for (level, day, award) in &given {
                let level = Level::try_from(*level).unwrap();
                adopt(&mut item, &adoption(level, *day, *award), noon(30)).unwrap();
            }
            let first = |meant: &dyn Fn(&(i32, u32, bool)) -> bool| {
                given.iter().filter(|g| meant(g)).map(|g| g.1).min().and_then(date)
            };
            prop_assert_eq!(item.adopted_on, first(&|_| true));
            prop_assert_eq!(item.province_adopted_on, first(&|g| g.0 == Level::Province as i32));
            prop_assert_eq!(item.awarded_on, first(&|g| g.2));
            prop_assert_eq!(item.adoptions.len(), given.len());
        }
    }
}
