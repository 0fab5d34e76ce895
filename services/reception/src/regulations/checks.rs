//! The check of each rule: pure functions of a case that return the paths of the fields that break
//! the rule.

use taizhang_contracts::reception::{
    ActivityKind, CostCategory, ItineraryItem, LetterPurpose, Meal, MealKind, PlaceKind, Rank,
    RankGroup, RoomKind, SettlementMethod,
};
use taizhang_ledger::days::naive;

use super::Case;
use super::case::is_business;
use crate::reception::is_at_least;
use crate::settings::holds;

/// One field, if it is bad.
fn field(path: &str, bad: bool) -> Vec<String> {
    if bad {
        vec![format!("reception.{path}")]
    } else {
        Vec::new()
    }
}

/// Those of several fields that are bad.
fn fields<const N: usize>(within: &str, all: [(&str, bool); N]) -> Vec<String> {
    let bad = all.into_iter().filter(|(_, bad)| *bad);
    bad.map(|(path, _)| format!("reception.{within}.{path}"))
        .collect()
}

/// A field of each entry of a list that is bad.
fn entries<T>(list: &[T], name: &str, path: &str, bad: impl Fn(&T) -> bool) -> Vec<String> {
    let bad = list.iter().enumerate().filter(|(_, entry)| bad(entry));
    bad.map(|(i, _)| format!("reception.{name}[{i}].{path}"))
        .collect()
}

fn items(case: &Case<'_>, path: &str, bad: impl Fn(&ItineraryItem) -> bool) -> Vec<String> {
    entries(
        &case.reception.itinerary_items,
        "itinerary_items",
        path,
        bad,
    )
}

fn meals(case: &Case<'_>, path: &str, bad: impl Fn(&Meal) -> bool) -> Vec<String> {
    entries(&case.reception.meals, "meals", path, bad)
}

fn is_working_meal(meal: &Meal) -> bool {
    meal.kind() == MealKind::WorkingMeal
}

// ---- letter and approval ----

pub(super) fn letter_required(case: &Case<'_>) -> Vec<String> {
    field("letter", case.reception.letter.is_none())
}

pub(super) fn letter_tells(case: &Case<'_>) -> Vec<String> {
    let Some(letter) = &case.reception.letter else {
        return Vec::new();
    };
    fields(
        "letter",
        [
            ("unit", letter.unit.is_empty()),
            ("number", letter.number.is_empty()),
            ("date", letter.date.is_none()),
            ("content", letter.content.is_empty()),
            ("persons", letter.persons == 0),
            ("tells_itinerary", !letter.tells_itinerary),
        ],
    )
}

pub(super) fn purpose_official(case: &Case<'_>) -> Vec<String> {
    let letter = case.reception.letter.as_ref();
    let private = letter.is_some_and(|l| l.purpose() == LetterPurpose::Unspecified);
    field("letter.purpose", private)
}

pub(super) fn approval_before_activity(case: &Case<'_>) -> Vec<String> {
    let r = case.reception;
    let items = r.itinerary_items.iter();
    let first = items
        .filter_map(|item| case.begins_on(item))
        .chain(naive(r.arrival_day))
        .min();
    field("approved_on", naive(r.approved_on) > first)
}

pub(super) fn approver_is_another(case: &Case<'_>) -> Vec<String> {
    let r = case.reception;
    let same = !r.approver.is_empty() && r.approver.trim() == r.applicant.trim();
    field("approver", same)
}

pub(super) fn one_letter_one_reception(case: &Case<'_>) -> Vec<String> {
    field("letter.number", case.shares_letter)
}

pub(super) fn business_apart(case: &Case<'_>) -> Vec<String> {
    if !is_business(case.reception) {
        return Vec::new();
    }
    entries(&case.reception.guests, "guests", "rank", |guest| {
        !matches!(guest.rank(), Rank::None | Rank::Unspecified)
    })
}

// ---- programme ----

pub(super) fn no_see_off_at_gates(case: &Case<'_>) -> Vec<String> {
    items(case, "place_kind", |item| {
        item.kind() == ActivityKind::MeetOrSeeOff
            && matches!(
                item.place_kind(),
                PlaceKind::Airport | PlaceKind::Station | PlaceKind::Port | PlaceKind::Border
            )
    })
}

pub(super) fn no_pomp(case: &Case<'_>) -> Vec<String> {
    let pomp = case.reception.arrangements.unwrap_or_default();
    fields(
        "arrangements",
        [
            ("banners", pomp.banners),
            ("crowd", pomp.crowd),
            ("carpet", pomp.carpet),
            ("head_meets", pomp.head_meets),
        ],
    )
}

pub(super) fn companions_few(case: &Case<'_>) -> Vec<String> {
    let r = case.reception;
    let many = too_many(r.companions.len() as i64, r.guests.len() as i64);
    field("companions", many)
}

pub(super) fn traffic_undisturbed(case: &Case<'_>) -> Vec<String> {
    let arranged = case.reception.arrangements.unwrap_or_default();
    fields(
        "arrangements",
        [
            ("police_escort", arranged.police_escort),
            ("venue_cleared", arranged.venue_cleared),
        ],
    )
}

/// Broken if all would have a seat with one vehicle less.
pub(super) fn vehicles_few(case: &Case<'_>) -> Vec<String> {
    let r = case.reception;
    let seats = |seats: i32, count: i32| i64::from(seats) * i64::from(count);
    let all: i64 = r.vehicles.iter().map(|v| seats(v.seats, v.count)).sum();
    let persons = (r.guests.len() + r.companions.len()) as i64;
    entries(&r.vehicles, "vehicles", "count", |vehicle| {
        vehicle.count > 0 && vehicle.seats > 0 && all - i64::from(vehicle.seats) >= persons
    })
}

pub(super) fn no_private_club(case: &Case<'_>) -> Vec<String> {
    items(case, "place_kind", |item| {
        item.place_kind() == PlaceKind::PrivateClub
    })
}

pub(super) fn no_tours(case: &Case<'_>) -> Vec<String> {
    items(case, "kind", |item| {
        item.kind() == ActivityKind::Tour || item.place_kind() == PlaceKind::TouristSite
    })
}

pub(super) fn no_entertainment(case: &Case<'_>) -> Vec<String> {
    items(case, "place_kind", |item| {
        item.place_kind() == PlaceKind::Entertainment
    })
}

pub(super) fn no_performances(case: &Case<'_>) -> Vec<String> {
    items(case, "kind", |item| {
        item.kind() == ActivityKind::Performance
    })
}

pub(super) fn no_gifts(case: &Case<'_>) -> Vec<String> {
    field("gifts", !case.reception.gifts.is_empty())
}

// ---- meals ----

/// At most three companions for up to ten guests, else at most a third of the guests.
pub(super) fn too_many(companions: i64, guests: i64) -> bool {
    if guests <= 10 {
        companions > 3
    } else {
        3 * companions > guests
    }
}

pub(super) fn meal_companions(case: &Case<'_>) -> Vec<String> {
    let named = case.reception.guests.len() as i64;
    meals(case, "companions", |meal| {
        // The number of guests at a meal, limited to the guests named; if none are named, as planned.
        let eating = i64::from(meal.guests);
        let guests = if named > 0 { eating.min(named) } else { eating };
        is_working_meal(meal) && too_many(meal.companions.into(), guests)
    })
}

pub(super) fn one_working_meal(case: &Case<'_>) -> Vec<String> {
    let meals = case.reception.meals.iter().enumerate();
    let further = meals.filter(|(_, meal)| is_working_meal(meal)).skip(1);
    further
        .map(|(i, _)| format!("reception.meals[{i}].kind"))
        .collect()
}

pub(super) fn no_alcohol(case: &Case<'_>) -> Vec<String> {
    meals(case, "with_alcohol", |meal| {
        meal.with_alcohol || meal.with_premium_liquor
    })
}

pub(super) fn no_premium_liquor(case: &Case<'_>) -> Vec<String> {
    meals(case, "with_premium_liquor", |meal| meal.with_premium_liquor)
}

pub(super) fn no_cigarettes(case: &Case<'_>) -> Vec<String> {
    meals(case, "with_cigarettes", |meal| meal.with_cigarettes)
}

pub(super) fn no_delicacies(case: &Case<'_>) -> Vec<String> {
    meals(case, "with_delicacies", |meal| meal.with_delicacies)
}

/// Both the standard of the meal and the cost per person are limited by the office's standard.
pub(super) fn meal_standard(case: &Case<'_>) -> Vec<String> {
    let origin = case.reception.guest_origin();
    meals(case, "cost_fen", |meal| {
        let standards = case.settings.meal_standards.iter();
        let mut own = standards.filter(|s| {
            s.guest_origin() == origin
                && s.time_of_day() == meal.time_of_day()
                && holds(s.valid_from, s.valid_until, case.day())
        });
        let persons = i64::from(meal.guests) + i64::from(meal.companions);
        is_working_meal(meal)
            && own.next().is_some_and(|standard| {
                meal.standard_fen > standard.amount_fen
                    || meal.cost_fen > standard.amount_fen * persons
            })
    })
}

// ---- lodging ----

/// The rank of a guest of this name.
fn rank_of(case: &Case<'_>, name: &str) -> Rank {
    let mut guests = case.reception.guests.iter();
    let guest = guests.find(|guest| guest.person == name);
    guest.map_or(Rank::Unspecified, |guest| guest.rank())
}

pub(super) fn suite_by_rank(case: &Case<'_>) -> Vec<String> {
    let lodgings = &case.reception.lodgings;
    entries(lodgings, "lodgings", "room_kind", |lodging| {
        let rank = rank_of(case, &lodging.guest);
        lodging.room_kind() == RoomKind::Suite && !is_at_least(rank, Rank::ViceMinister)
    })
}

pub(super) fn lodging_cap(case: &Case<'_>) -> Vec<String> {
    let lodgings = &case.reception.lodgings;
    entries(lodgings, "lodgings", "price_fen", |lodging| {
        let rank = rank_of(case, &lodging.guest);
        let group = if is_at_least(rank, Rank::ViceMinister) {
            RankGroup::Ministers
        } else if is_at_least(rank, Rank::DeputyDirectorGeneral) {
            RankGroup::BureauHeads
        } else {
            RankGroup::Others
        };
        let caps = case.settings.lodging_caps.iter();
        let mut own = caps.filter(|cap| {
            cap.rank_group() == group && holds(cap.valid_from, cap.valid_until, case.day())
        });
        own.next()
            .is_some_and(|cap| lodging.price_fen > cap.amount_fen)
    })
}

pub(super) fn no_toiletries(case: &Case<'_>) -> Vec<String> {
    let arranged = case.reception.arrangements.unwrap_or_default();
    field("arrangements.toiletries", arranged.toiletries)
}

pub(super) fn lodging_paid_by_guests(case: &Case<'_>) -> Vec<String> {
    let r = case.reception;
    let mut found = entries(&r.lodgings, "lodgings", "paid_by_guest_unit", |lodging| {
        !lodging.paid_by_guest_unit
    });
    found.extend(entries(&r.costs, "costs", "category", |cost| {
        cost.category() == CostCategory::Lodging
    }));
    found
}

// ---- costs ----

pub(super) fn cost_category(case: &Case<'_>) -> Vec<String> {
    entries(&case.reception.costs, "costs", "category", |cost| {
        cost.category() == CostCategory::Other
    })
}

pub(super) fn host_pays(case: &Case<'_>) -> Vec<String> {
    let costs = &case.reception.costs;
    entries(costs, "costs", "paid_by_host_unit", |cost| {
        !cost.paid_by_host_unit
    })
}

pub(super) fn year_budget(case: &Case<'_>) -> Vec<String> {
    let spent = case.spent_fen + case.reception.total_cost_fen;
    let over = case.budget().is_some_and(|budget| spent > budget);
    field("total_cost_fen", over)
}

// ---- the list ----

pub(super) fn list_signed_after_end(case: &Case<'_>) -> Vec<String> {
    let r = case.reception;
    let items = r.itinerary_items.iter();
    let end = items
        .filter_map(|item| case.begins_on(item))
        .chain(naive(r.ended_on))
        .max();
    field(
        "signed_on",
        r.signed_on.is_some() && naive(r.signed_on) < end,
    )
}

/// The contract requires the names; this checks unit and post.
pub(super) fn list_names_guests(case: &Case<'_>) -> Vec<String> {
    let guests = &case.reception.guests;
    let mut found = field("guests", guests.is_empty());
    found.extend(entries(guests, "guests", "unit", |g| g.unit.is_empty()));
    found.extend(entries(guests, "guests", "post", |g| g.post.is_empty()));
    found
}

pub(super) fn list_tells_activities(case: &Case<'_>) -> Vec<String> {
    let all = &case.reception.itinerary_items;
    let mut found = field("itinerary_items", all.is_empty());
    found.extend(items(case, "start_time", |item| item.start_time.is_none()));
    found.extend(items(case, "place", |item| item.place.is_empty()));
    found
}

pub(super) fn list_tells_costs(case: &Case<'_>) -> Vec<String> {
    let r = case.reception;
    field("costs", r.costs.is_empty() && r.meals.is_empty())
}

pub(super) fn list_names_companions(case: &Case<'_>) -> Vec<String> {
    let list = &case.reception.companions;
    let mut found = entries(list, "companions", "unit", |c| c.unit.is_empty());
    found.extend(entries(list, "companions", "post", |c| c.post.is_empty()));
    found
}

// ---- the settlement ----

pub(super) fn settlement_papers(case: &Case<'_>) -> Vec<String> {
    let r = case.reception;
    let Some(settlement) = &r.settlement else {
        return Vec::new();
    };
    [
        field(
            "settlement.voucher_number",
            settlement.voucher_number.is_empty(),
        ),
        field("letter", r.letter.is_none()),
        field("approved_on", r.approved_on.is_none()),
        field("signed_on", r.signed_on.is_none()),
    ]
    .concat()
}

pub(super) fn settlement_amount(case: &Case<'_>) -> Vec<String> {
    let r = case.reception;
    let other = r.settlement.as_ref().map(|s| s.amount_fen) != Some(r.total_cost_fen);
    field("settlement.amount_fen", r.settlement.is_some() && other)
}

pub(super) fn no_cash(case: &Case<'_>) -> Vec<String> {
    let settlement = case.reception.settlement.as_ref();
    let cash = settlement.is_some_and(|s| s.method() == SettlementMethod::Cash);
    field("settlement.method", cash)
}
