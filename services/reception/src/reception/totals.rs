//! The derived fields of a reception: its class, its number of guests, its total cost.

use taizhang_contracts::reception::{MealKind, Rank, Reception, ReceptionClass, ReceptionNature};

/// Sets the class, the number of guests and the total cost.
pub(super) fn work_out(reception: &mut Reception) {
    reception.set_reception_class(class(reception));
    reception.guest_count = i32::try_from(reception.guests.len()).unwrap_or(i32::MAX);
    reception.total_cost_fen = total_cost(reception);
}

/// The one class that a reception is counted in.
fn class(reception: &Reception) -> ReceptionClass {
    let is_high = |rank| is_at_least(rank, Rank::ViceMinister);
    if reception.guests.iter().any(|guest| is_high(guest.rank())) {
        return ReceptionClass::ViceMinisterUp;
    }
    match reception.nature() {
        ReceptionNature::LeadersVisit => ReceptionClass::LeadersVisit,
        ReceptionNature::StudyDelegation => ReceptionClass::StudyDelegation,
        ReceptionNature::Inspection => ReceptionClass::Inspection,
        ReceptionNature::Business => ReceptionClass::Business,
        ReceptionNature::Other | ReceptionNature::Unspecified => ReceptionClass::Other,
    }
}

/// Whether a rank is at least another; in the contract the highest rank comes first.
pub(crate) fn is_at_least(rank: Rank, limit: Rank) -> bool {
    rank != Rank::Unspecified && rank as i32 <= limit as i32
}

/// The sum of all cost lines and working meals.
fn total_cost(reception: &Reception) -> i64 {
    let costs = reception.costs.iter().map(|cost| cost.amount_fen);
    let meals = reception.meals.iter();
    let meals = meals.filter(|meal| meal.kind() == MealKind::WorkingMeal);
    costs.chain(meals.map(|meal| meal.cost_fen)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use taizhang_contracts::reception::{Cost, Guest, Meal};

    fn of(nature: i32, ranks: &[i32]) -> Reception {
        let guest = |rank: &i32| Guest {
            rank: *rank,
            ..Default::default()
        };
        Reception {
            nature,
            guests: ranks.iter().map(guest).collect(),
            ..Default::default()
        }
    }

    proptest! {
        #[test]
        fn each_reception_is_in_one_class_whatever_the_order_of_its_guests(
            nature in 1..=5_i32,
            (ranks, shuffled) in prop::collection::vec(0..=11_i32, 0..20)
                .prop_flat_map(|ranks| (Just(ranks.clone()), Just(ranks).prop_shuffle())),
        ) {
            let class = class(&of(nature, &ranks));
            prop_assert_ne!(class, ReceptionClass::Unspecified);
            let high = ranks.iter().any(|rank| (1..=4).contains(rank));
            prop_assert_eq!(class == ReceptionClass::ViceMinisterUp, high);
            if !high {
                let nature = ReceptionNature::try_from(nature).unwrap_or_default();
                let name = |prefix: &str, name: &'static str| name.strip_prefix(prefix).map(str::to_owned);
                prop_assert_eq!(
                    name("RECEPTION_CLASS_", class.as_str_name()),
                    name("RECEPTION_NATURE_", nature.as_str_name())
                );
            }
            prop_assert_eq!(class, super::class(&of(nature, &shuffled)));
        }
    }

    #[test]
    fn vice_ministers_are_in_the_highest_class() {
        let visit = ReceptionNature::LeadersVisit as i32;
        for (rank, expected) in [
            (Rank::ViceMinister, ReceptionClass::ViceMinisterUp),
            (Rank::DirectorGeneral, ReceptionClass::LeadersVisit),
            (Rank::None, ReceptionClass::LeadersVisit),
        ] {
            assert_eq!(class(&of(visit, &[rank as i32])), expected, "{rank:?}");
        }
    }

    #[test]
    fn meals_paid_by_guests_are_not_a_cost() {
        let meal = |kind: MealKind, cost_fen| Meal {
            kind: kind.into(),
            cost_fen,
            ..Default::default()
        };
        let reception = Reception {
            meals: vec![
                meal(MealKind::WorkingMeal, 900),
                meal(MealKind::SelfPaid, 500),
            ],
            costs: vec![Cost {
                amount_fen: 100,
                ..Default::default()
            }],
            ..Default::default()
        };
        assert_eq!(total_cost(&reception), 1000);
    }
}
