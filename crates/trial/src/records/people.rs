//! Invented people, units, places and subjects; any resemblance is a coincidence.

const SURNAMES: &[&str] = &[
    "闻", "柏", "苗", "岑", "项", "祝", "费", "卞", "齐", "康", "伍", "余",
];
const GIVEN: &[&str] = &[
    "知行", "立言", "景和", "念之", "望舒", "思齐", "怀远", "若谷", "守正", "清越", "明远",
];

const BUREAUS: &[&str] = &[
    "县发展改革局",
    "县财政局",
    "县自然资源局",
    "县水利局",
    "县农业农村局",
    "县教育局",
    "县住房城乡建设局",
    "县交通运输局",
    "县文化旅游局",
];

const TOWNSHIPS: &[&str] = &["青石镇", "柳河镇", "松岭乡", "白云乡"];

const PLACES: &[&str] = &[
    "县委常委会议室",
    "县委一楼会议室",
    "县会议中心",
    "青石镇会议室",
    "柳河镇文化站",
    "松岭乡礼堂",
];

const SUBJECTS: &[&str] = &[
    "农村人居环境整治",
    "河道治理",
    "重点项目建设",
    "安全生产",
    "防汛抗旱",
    "营商环境",
    "乡村振兴",
    "基层治理",
    "教育均衡发展",
    "国土绿化",
    "作风建设",
    "信访工作",
];

/// An entry of a list for the `i`-th record. Consecutive records get different ones, and combinations
/// of several lists vary.
fn pick<'a>(list: &[&'a str], i: usize) -> &'a str {
    list.get((i.wrapping_mul(7) + i / list.len()) % list.len())
        .copied()
        .unwrap_or_default()
}

/// A person.
pub(crate) fn person(i: usize) -> String {
    format!("{}{}", pick(SURNAMES, i), pick(GIVEN, i / 3 + i))
}

/// A unit of the county.
pub(crate) fn unit(i: usize) -> &'static str {
    if i % 3 == 2 { township(i) } else { bureau(i) }
}

/// A bureau.
pub(crate) fn bureau(i: usize) -> &'static str {
    pick(BUREAUS, i)
}

/// A township.
pub(crate) fn township(i: usize) -> &'static str {
    pick(TOWNSHIPS, i)
}

/// A place.
pub(crate) fn place(i: usize) -> &'static str {
    pick(PLACES, i)
}

/// A subject.
pub(crate) fn subject(i: usize) -> &'static str {
    pick(SUBJECTS, i)
}
