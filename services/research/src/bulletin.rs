//! Information bulletins (《工作信息》等刊物).

use std::collections::BTreeSet;

use chrono::Datelike;
use sea_orm::sea_query::Condition;
use taizhang_contracts::research::bulletin_service_server::BulletinService;
use taizhang_contracts::research::{
    Bulletin, BulletinState, CreateBulletinRequest, GetBulletinRequest, IssueBulletinRequest,
    ListBulletinsRequest, ListBulletinsResponse, UpdateBulletinRequest, VoidBulletinRequest,
};
use taizhang_contracts::{Result, Violations};
use taizhang_ledger::days::{self, naive};
use taizhang_ledger::transition::{Machine, keeps, leads};
use taizhang_ledger::{Behavior, Moment, Record, Tx, serve};

use crate::Research;
use crate::entities::{bulletins, information_items};

/// The states of a bulletin.
pub const MACHINE: Machine<BulletinState> = Machine {
    resource: "Bulletin",
    initial: BulletinState::Drafted,
    transitions: &[
        leads(
            "IssueBulletin",
            "印发",
            &[BulletinState::Drafted],
            BulletinState::Issued,
        ),
        leads(
            "VoidBulletin",
            "作废",
            &[BulletinState::Drafted, BulletinState::Issued],
            BulletinState::Voided,
        ),
        keeps("UpdateBulletin", "修改", &[BulletinState::Drafted]),
    ],
    name: BulletinState::as_str_name,
};

impl Record for bulletins::Entity {
    fn title(bulletin: &Bulletin) -> &str {
        &bulletin.title
    }

    fn initial(bulletin: &mut Bulletin, _at: Moment) {
        bulletin.set_state(MACHINE.initial);
    }

    fn check(bulletin: &Bulletin, v: &mut Violations) {
        let mut seen = BTreeSet::new();
        for (i, item) in bulletin.items.iter().enumerate() {
            if !seen.insert(item) {
                v.item("items", i, |v| v.add("", "信息重复", "is a duplicate"));
            }
        }
    }
}

impl Behavior for bulletins::Entity {
    /// Numbers a new bulletin. Information items that are added to it must exist.
    async fn settle(
        bulletin: &mut Bulletin,
        before: Option<&Bulletin>,
        tx: &mut Tx<'_>,
    ) -> Result<()> {
        if before.is_none() {
            let dated_on = days::day("bulletin.dated_on", bulletin.dated_on, None, tx.at())?;
            bulletin.dated_on = Some(dated_on);
            let series = Condition::all()
                .add(bulletins::COLUMN.kind.eq(bulletin.kind()))
                .add(bulletins::COLUMN.year.eq(year(bulletin)));
            bulletin.number = tx.next_number(bulletins::COLUMN.number, series).await?;
        }
        for (i, item) in bulletin.items.iter().enumerate() {
            if before.is_none_or(|b| !b.items.contains(item)) {
                let field = format!("bulletin.items[{i}]");
                tx.refer::<information_items::Entity>(&field, item).await?;
            }
        }
        Ok(())
    }
}

/// The year that the number belongs to.
fn year(bulletin: &Bulletin) -> i32 {
    naive(bulletin.dated_on).map_or(0, |day| day.year())
}

fn update(before: &Bulletin, _after: &Bulletin, _at: Moment) -> Result<()> {
    MACHINE.next("UpdateBulletin", before.state()).map(|_| ())
}

fn issue(bulletin: &mut Bulletin, q: &IssueBulletinRequest, at: Moment) -> Result<()> {
    bulletin.set_state(MACHINE.next("IssueBulletin", bulletin.state())?);
    let dated = naive(bulletin.dated_on);
    bulletin.issued_on = Some(days::day("issued_on", q.issued_on, dated, at)?);
    Ok(())
}

fn void(bulletin: &mut Bulletin, q: &VoidBulletinRequest, _at: Moment) -> Result<()> {
    bulletin.set_state(MACHINE.next("VoidBulletin", bulletin.state())?);
    bulletin.reason.clone_from(&q.reason);
    Ok(())
}

serve! {
    BulletinService for Research, bulletins {
        create_bulletin(CreateBulletinRequest) -> Bulletin: create;
        get_bulletin(GetBulletinRequest) -> Bulletin: get;
        list_bulletins(ListBulletinsRequest) -> ListBulletinsResponse: list;
        update_bulletin(UpdateBulletinRequest) -> Bulletin: update_with(update);
        issue_bulletin(IssueBulletinRequest) -> Bulletin: change(issue);
        void_bulletin(VoidBulletinRequest) -> Bulletin: change(void);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use taizhang_contracts::Reason;

    use super::*;
    use crate::testing::{date, fields, noon};

    /// Dated 5 June.
    fn drafted() -> Bulletin {
        let mut bulletin = Bulletin {
            number: 7,
            dated_on: date(5),
            ..Default::default()
        };
        bulletins::Entity::initial(&mut bulletin, noon(5));
        bulletin
    }

    #[test]
    fn a_bulletin_is_issued_on_or_after_its_day_and_is_immutable_then() {
        for day in [4, 11] {
            let q = IssueBulletinRequest {
                issued_on: date(day),
                ..Default::default()
            };
            let refused = issue(&mut drafted(), &q, noon(10)).unwrap_err();
            assert_eq!(fields(&refused), ["issued_on"], "{day}");
        }
        let mut bulletin = drafted();
        let q = IssueBulletinRequest::default();
        issue(&mut bulletin, &q, noon(10)).unwrap();
        assert_eq!(bulletin.issued_on, date(10));
        let refused = update(&bulletin, &bulletin, noon(10)).unwrap_err();
        assert_eq!(refused.reason(), Reason::WrongState);
        assert!(update(&drafted(), &drafted(), noon(10)).is_ok());
    }

    #[test]
    fn a_void_bulletin_keeps_its_number_and_can_not_be_issued() {
        let mut issued = drafted();
        issue(&mut issued, &IssueBulletinRequest::default(), noon(6)).unwrap();
        for mut bulletin in [drafted(), issued] {
            let q = VoidBulletinRequest {
                reason: "印错".into(),
                ..Default::default()
            };
            void(&mut bulletin, &q, noon(7)).unwrap();
            assert_eq!((bulletin.number, bulletin.reason.as_str()), (7, "印错"));
            let again = issue(&mut bulletin, &IssueBulletinRequest::default(), noon(8));
            assert_eq!(again.unwrap_err().reason(), Reason::WrongState);
        }
    }

    #[test]
    fn an_item_is_in_a_bulletin_once() {
        let items = ["a", "b", "a"].map(|id| format!("offices/demo/informationItems/{id}"));
        let bulletin = Bulletin {
            items: items.into(),
            ..drafted()
        };
        let mut v = Violations::default();
        bulletins::Entity::check(&bulletin, &mut v);
        assert_eq!(fields(&v.finish().unwrap_err()), ["items[2]"]);
    }
}
