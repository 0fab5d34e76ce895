//! The wording of figures in official reports. Pure functions; integers only, so that nothing is
//! rounded twice.

use taizhang_contracts::reporting::{ReportFigure, ReportValue};

/// A number as a lower bound: 317 is 「310余」, 1,432 is 「1400余」, 2,013 is 「2000余」. Two digits are
/// kept, the others become zeros, so it never overstates and is at most a tenth too low. A round
/// number, or one of two digits, is unchanged.
pub(crate) fn yu(number: i64) -> String {
    if number < 100 {
        return number.to_string();
    }
    let step = 10_i64.pow(number.ilog10() - 1);
    let round = number - number % step;
    if round == number {
        number.to_string()
    } else {
        format!("{round}余")
    }
}

/// A number whose last digits are decimals: 123456 with two is 「1234.56」.
pub fn decimal(number: i64, decimals: i32) -> String {
    let decimals = usize::try_from(decimals).unwrap_or(0).min(18);
    if decimals == 0 {
        return number.to_string();
    }
    let digits = format!("{:0>1$}", number.unsigned_abs(), decimals + 1);
    let (whole, part) = digits.split_at(digits.len() - decimals);
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{whole}.{part}")
}

/// A part of a whole in percent, such as 「98.6%」: one decimal, half up.
pub(crate) fn rate(part: i64, whole: i64) -> String {
    if whole <= 0 || part < 0 {
        return "总数为零，不计比率".into();
    }
    let tenths = tenths_of_percent(part.into(), whole.into());
    format!("{}.{}%", tenths / 10, tenths % 10)
}

/// Tenths of a percent, half up: part × 1000 ÷ whole, and half of the divisor.
fn tenths_of_percent(part: i128, whole: i128) -> i128 {
    (2000 * part + whole) / (2 * whole)
}

/// The change from last year, such as 「减少12.6%」: one decimal, half up, without a sign.
pub(crate) fn change(current: i64, previous: i64) -> String {
    if previous == 0 {
        return "上年为零，不作同比".into();
    }
    if previous < 0 {
        return "上年为负，不作同比".into();
    }
    if current == previous {
        return "与上年持平".into();
    }
    let (current, previous) = (i128::from(current), i128::from(previous));
    let difference = (current - previous).abs();
    let tenths = tenths_of_percent(difference, previous);
    if tenths == 0 {
        return "与上年基本持平".into();
    }
    let verb = if current > previous {
        "增长"
    } else {
        "减少"
    };
    format!("{verb}{}.{}%", tenths / 10, tenths % 10)
}

/// The visible text in place of a missing figure; not a number.
pub(crate) fn gap(label: &str, why: &str) -> String {
    format!("［缺：{label}，{why}］")
}

/// The forms of a figure that a template can use.
pub(crate) trait Words {
    /// This year's number.
    fn number(&self) -> Option<i64>;
    /// The number, or the gap.
    fn plain(&self) -> String;
    /// The number with its unit word: 「475次」.
    fn with_unit(&self) -> String;
    /// A lower bound: 「2000余」.
    fn lower_bound(&self) -> String;
    /// A lower bound with its unit word: 「2000余条」.
    fn lower_bound_with_unit(&self) -> String;
    /// A part of a whole: 「其中县委常委宣讲36场」.
    fn of_which(&self) -> String;
    /// What part of its whole it is: 「98.6%」.
    fn rate(&self, whole: Option<i64>) -> String;
    /// The change from last year in a table: 「减少12.6%」.
    fn change(&self) -> String;
    /// The change from last year in a sentence: 「同比减少12.6%」.
    fn yoy(&self) -> String;
}

impl Words for ReportFigure {
    fn number(&self) -> Option<i64> {
        value(self.current.as_ref())
    }

    fn plain(&self) -> String {
        self.number()
            .map_or_else(|| gap_of(self), |n| decimal(n, self.decimals))
    }

    fn with_unit(&self) -> String {
        match self.number() {
            Some(n) => format!("{}{}", decimal(n, self.decimals), self.unit),
            None => gap_of(self),
        }
    }

    fn lower_bound(&self) -> String {
        // A lower bound has no decimals.
        let one = 10_i64.saturating_pow(u32::try_from(self.decimals).unwrap_or(0));
        self.number().map_or_else(|| gap_of(self), |n| yu(n / one))
    }

    fn lower_bound_with_unit(&self) -> String {
        match self.number() {
            Some(_) => format!("{}{}", self.lower_bound(), self.unit),
            None => gap_of(self),
        }
    }

    fn of_which(&self) -> String {
        match self.number() {
            Some(_) => format!("其中{}{}", self.label, self.with_unit()),
            None => format!("其中{}", gap_of(self)),
        }
    }

    fn change(&self) -> String {
        match (self.number(), value(self.previous.as_ref())) {
            (Some(current), Some(previous)) => change(current, previous),
            (None, _) => "本年数缺失，不作同比".into(),
            (_, None) => "上年数缺失，不作同比".into(),
        }
    }

    fn rate(&self, whole: Option<i64>) -> String {
        match (self.number(), whole) {
            (Some(part), Some(whole)) => rate(part, whole),
            (None, _) => gap_of(self),
            (_, None) => gap(&self.label, "没有总数，不计比率"),
        }
    }

    fn yoy(&self) -> String {
        let change = self.change();
        if change.ends_with('%') {
            format!("同比{change}")
        } else {
            change
        }
    }
}

fn value(value: Option<&ReportValue>) -> Option<i64> {
    value?.value
}

fn gap_of(figure: &ReportFigure) -> String {
    let why = figure
        .current
        .as_ref()
        .map_or("", |v| v.missing_reason.as_str());
    gap(&figure.label, why)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_follow_a_point() {
        for (number, decimals, text) in [
            (123_456, 2, "1234.56"),
            (5, 2, "0.05"),
            (-5, 1, "-0.5"),
            (0, 2, "0.00"),
            (7, 0, "7"),
        ] {
            assert_eq!(decimal(number, decimals), text);
        }
    }

    #[test]
    fn rates_are_rounded_half_up() {
        assert_eq!(rate(71, 72), "98.6%");
        assert_eq!(rate(1, 2000), "0.1%");
        assert_eq!(rate(72, 72), "100.0%");
        assert_eq!(rate(0, 0), "总数为零，不计比率");
    }

    #[test]
    fn lower_bounds_keep_two_digits() {
        for (number, text) in [
            (0, "0"),
            (7, "7"),
            (99, "99"),
            (100, "100"),
            (101, "100余"),
            (310, "310"),
            (317, "310余"),
            (1400, "1400"),
            (1432, "1400余"),
            (2000, "2000"),
            (2013, "2000余"),
            (2187, "2100余"),
            (10_000, "10000"),
            (12_345, "12000余"),
            (-5, "-5"),
        ] {
            assert_eq!(yu(number), text);
        }
        yu(i64::MAX);
    }

    #[test]
    fn changes_are_one_decimal_half_up() {
        for (current, previous, text) in [
            (229, 262, "减少12.6%"),
            (229, 261, "减少12.3%"),
            (229, 263, "减少12.9%"),
            (103, 100, "增长3.0%"),
            (100, 100, "与上年持平"),
            (5, 0, "上年为零，不作同比"),
            (0, 0, "上年为零，不作同比"),
            (0, 4, "减少100.0%"),
            (9, 3, "增长200.0%"),
            // Exactly half a tenth rounds up, also for a decrease.
            (2001, 2000, "增长0.1%"),
            (1999, 2000, "减少0.1%"),
            (2001, 2001 * 3, "减少66.7%"),
            (100_001, 100_000, "与上年基本持平"),
            (1, -3, "上年为负，不作同比"),
        ] {
            assert_eq!(change(current, previous), text, "{current} {previous}");
        }
        change(i64::MAX, 1);
        change(i64::MIN, i64::MAX);
    }

    #[test]
    fn gaps_are_visible_and_never_a_zero() {
        let figure = ReportFigure {
            label: "会议".into(),
            unit: "次".into(),
            current: Some(ReportValue {
                missing_reason: "来源未答复".into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let gap = "［缺：会议，来源未答复］";
        for text in [
            figure.plain(),
            figure.with_unit(),
            figure.lower_bound(),
            figure.lower_bound_with_unit(),
        ] {
            assert_eq!(text, gap);
        }
        assert_eq!(figure.of_which(), format!("其中{gap}"));
        assert_eq!(figure.yoy(), "本年数缺失，不作同比");
    }

    proptest! {
        #[test]
        fn a_lower_bound_is_at_most_a_tenth_too_low(number in 0..=i64::MAX) {
            let text = yu(number);
            let told: i64 = text.trim_end_matches('余').parse().unwrap();
            prop_assert!(told <= number);
            prop_assert!(number - told <= number / 10);
            prop_assert_eq!(text.ends_with('余'), told != number);
        }

        #[test]
        fn a_change_is_rounded_to_the_nearest_tenth(
            current in 0_i64..1_000_000_000_000,
            previous in 1_i64..1_000_000_000_000,
        ) {
            let text = change(current, previous);
            let tenths: i128 = text
                .trim_start_matches(['增', '长', '减', '少'])
                .strip_suffix('%')
                .map_or(0, |t| t.replace('.', "").parse().unwrap());
            let (current, previous) = (i128::from(current), i128::from(previous));
            let difference = (current - previous).abs();
            // |tenths − difference × 1000 ÷ previous| ≤ ½, all multiplied by 2 × previous.
            let error = 2 * tenths * previous - 2000 * difference;
            prop_assert!(error.abs() <= previous);
            // Exactly half rounds up.
            prop_assert!(error != -previous);
            prop_assert_eq!(text.contains("增长"), current > previous && tenths > 0);
            prop_assert_eq!(text.contains("减少"), current < previous && tenths > 0);
        }
    }
}
