//! The reception list and the programme in Markdown, as the office prints them.

use std::fmt::Write;

use taizhang_contracts::common::Date;
use taizhang_contracts::date::instant;
use taizhang_contracts::reception::{
    CostCategory, ItineraryItem, MealKind, MealTime, PrintReceptionRequest, PrintReceptionResponse,
    Reception,
};
use taizhang_contracts::{Context, Result};
use taizhang_ledger::Moment;
use taizhang_ledger::days::naive;

use crate::Receptions;
use crate::entities::receptions;

/// PrintReception.
///
/// # Errors
/// NOT_FOUND; if the database is unavailable.
pub(crate) async fn print(
    service: &Receptions,
    context: &Context,
    q: &PrintReceptionRequest,
) -> Result<PrintReceptionResponse> {
    let reception = service
        .ledger
        .read::<receptions::Entity>(context, &q.name)
        .await?;
    let at = service.ledger.moment();
    Ok(PrintReceptionResponse {
        list: list(&reception, at),
        programme: programme(&reception, at),
    })
}

/// 接待清单.
fn list(r: &Reception, at: Moment) -> String {
    let letter = r.letter.clone().unwrap_or_default();
    let mut out = format!("# 接待清单：{}\n\n", plain(&r.title));
    lines(
        &mut out,
        &[
            ("派出单位", plain(&letter.unit)),
            ("公函", plain(&letter.number)),
            ("来访日期", day(r.arrival_day)),
            ("离开日期", day(r.departure_day)),
            ("接待人数", r.guest_count.to_string()),
            ("审批人", plain(&r.approver)),
            ("审签人", plain(&r.signed_by)),
            ("审签日期", day(r.signed_on)),
        ],
    );
    let person = |unit: &str, name: &str, post: &str| [plain(name), plain(unit), plain(post)];
    table(
        &mut out,
        "接待对象",
        ["姓名", "单位", "职务"],
        r.guests.iter().map(|g| person(&g.unit, &g.person, &g.post)),
    );
    table(
        &mut out,
        "公务活动",
        ["项目", "时间", "场所", "费用（元）"],
        r.itinerary_items.iter().map(|item| {
            let own = r.costs.iter().filter(|cost| cost.activity == item.title);
            [
                plain(&item.title),
                period(item, at),
                plain(&item.place),
                yuan(own.map(|cost| cost.amount_fen).sum()),
            ]
        }),
    );
    table(
        &mut out,
        "陪同人员",
        ["姓名", "单位", "职务"],
        r.companions
            .iter()
            .map(|c| person(&c.unit, &c.person, &c.post)),
    );
    table(
        &mut out,
        "用餐",
        ["日期", "餐次", "形式", "就餐人数", "陪餐人数", "餐费（元）"],
        r.meals.iter().map(|meal| {
            [
                day(meal.date),
                meal_time(meal.time_of_day()).into(),
                meal_kind(meal.kind()).into(),
                meal.guests.to_string(),
                meal.companions.to_string(),
                yuan(meal.cost_fen),
            ]
        }),
    );
    table(
        &mut out,
        "费用",
        ["类别", "所属活动", "金额（元）", "备注"],
        r.costs.iter().map(|cost| {
            [
                category(cost.category()).into(),
                plain(&cost.activity),
                yuan(cost.amount_fen),
                plain(&cost.note),
            ]
        }),
    );
    // Writing to a String can't fail.
    let _ = writeln!(out, "合计：{}元", yuan(r.total_cost_fen));
    out
}

/// 日程.
fn programme(r: &Reception, at: Moment) -> String {
    let mut out = format!("# 日程：{}\n\n", plain(&r.title));
    let mut items: Vec<_> = r.itinerary_items.iter().collect();
    items.sort_by_key(|item| item.start_time.as_ref().and_then(instant));
    table(
        &mut out,
        "活动安排",
        ["时间", "活动", "场所", "县领导"],
        items.iter().map(|item| {
            [
                period(item, at),
                plain(&item.title),
                plain(&item.place),
                plain(&item.host_leader),
            ]
        }),
    );
    out
}

fn lines(out: &mut String, lines: &[(&str, String)]) {
    for (label, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(out, "- {label}：{value}");
    }
    out.push('\n');
}

fn table<const N: usize>(
    out: &mut String,
    title: &str,
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) {
    let _ = writeln!(out, "## {title}\n\n| {} |", head.join(" | "));
    let _ = writeln!(out, "|{}", " --- |".repeat(N));
    for row in rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    out.push('\n');
}

/// A caller's text, escaped for Markdown.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            // Characters with a meaning in Markdown or HTML.
            '\\' | '|' | '*' | '_' | '`' | '~' | '[' | ']' | '<' | '>' | '#' | '!' | '&' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

/// Fen as yuan, with two decimals.
fn yuan(fen: i64) -> String {
    let sign = if fen < 0 { "-" } else { "" };
    let fen = fen.unsigned_abs();
    format!("{sign}{}.{:02}", fen / 100, fen % 100)
}

fn day(date: Option<Date>) -> String {
    naive(date).map_or_else(String::new, |day| day.format("%Y年%-m月%-d日").to_string())
}

/// The start and the end; the day of the end only if it is another one.
fn period(item: &ItineraryItem, at: Moment) -> String {
    let local = |time: Option<_>| time.and_then(instant).map(|t| t.with_timezone(&at.zone));
    let Some(start) = local(item.start_time.as_ref()) else {
        return String::new();
    };
    let begins = start.format("%-m月%-d日 %H:%M").to_string();
    match local(item.end_time.as_ref()) {
        None => begins,
        Some(end) if end.date_naive() == start.date_naive() => {
            format!("{begins}-{}", end.format("%H:%M"))
        }
        Some(end) => format!("{begins}-{}", end.format("%-m月%-d日 %H:%M")),
    }
}

fn meal_time(time: MealTime) -> &'static str {
    match time {
        MealTime::Unspecified => "",
        MealTime::Breakfast => "早餐",
        MealTime::Lunch => "中餐",
        MealTime::Dinner => "晚餐",
    }
}

fn meal_kind(kind: MealKind) -> &'static str {
    match kind {
        MealKind::Unspecified => "",
        MealKind::WorkingMeal => "工作餐",
        MealKind::SelfPaid => "自行用餐",
    }
}

fn category(category: CostCategory) -> &'static str {
    match category {
        CostCategory::Unspecified => "",
        CostCategory::Transport => "交通费",
        CostCategory::Venue => "场地费",
        CostCategory::Materials => "资料费",
        CostCategory::Lodging => "住宿费",
        CostCategory::Other => "其他",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use taizhang_contracts::date::timestamp;
    use taizhang_contracts::reception::{Cost, Guest};

    #[test]
    fn amounts_are_in_yuan_with_two_decimals() {
        assert_eq!(
            [0, 5, 100, 123_456, -5].map(yuan),
            ["0.00", "0.05", "1.00", "1234.56", "-0.05"]
        );
    }

    #[test]
    fn the_list_has_everything_that_the_rules_require() {
        let at = |text: &str| Some(timestamp(text.parse().unwrap()));
        let reception = Reception {
            title: "省水利厅调研组".into(),
            guests: vec![Guest {
                person: "甲|乙".into(),
                unit: "省*水利*厅".into(),
                post: "处长".into(),
                ..Default::default()
            }],
            itinerary_items: vec![ItineraryItem {
                title: "看水库".into(),
                place: "西山水库".into(),
                start_time: at("2025-06-02T01:00:00Z"),
                end_time: at("2025-06-02T02:30:00Z"),
                ..Default::default()
            }],
            costs: vec![Cost {
                activity: "看水库".into(),
                amount_fen: 12_050,
                ..Default::default()
            }],
            total_cost_fen: 12_050,
            ..Default::default()
        };
        let at = Moment {
            now: Default::default(),
            zone: chrono_tz::Asia::Shanghai,
        };
        let list = list(&reception, at);
        for line in [
            "# 接待清单：省水利厅调研组",
            "| 甲\\|乙 | 省\\*水利\\*厅 | 处长 |",
            "| 看水库 | 6月2日 09:00-10:30 | 西山水库 | 120.50 |",
            "合计：120.50元",
        ] {
            assert!(list.lines().any(|l| l == line), "{line} not in\n{list}");
        }
        assert!(
            programme(&reception, at).contains("| 6月2日 09:00-10:30 | 看水库 | 西山水库 |  |")
        );
    }

    proptest! {
        #[test]
        fn callers_texts_never_add_a_row_or_a_cell(text in "\\PC*[|\\\\\n\r]*\\PC*") {
            let mut out = String::new();
            table(&mut out, "表", ["甲", "乙"], std::iter::once([plain(&text), String::new()]));
            let row = out.lines().nth(4).unwrap();
            let mut bars = 0;
            let mut escaped = false;
            for c in row.chars() {
                bars += usize::from(c == '|' && !escaped);
                escaped = c == '\\' && !escaped;
            }
            prop_assert_eq!(bars, 3);
            prop_assert_eq!(out.trim_end().lines().count(), 5);
        }
    }
}
