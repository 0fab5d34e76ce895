use super::*;

/// The indicators of the default template other than those of meetings and matters.
const BESIDE: [(&str, &str); 30] = [
    ("county_supervision_notices_issued", "期"),
    ("supervision_bulletins_issued", "期"),
    ("county_work_deployment_issues", "期"),
    ("supervision_bulletins_environment", "期"),
    ("mining_enterprises_interviewed", "家"),
    ("reform_tasks", "项"),
    ("reform_task_categories", "类"),
    ("reform_tasks_completed", "项"),
    ("derived_research_topics_sum", "个"),
    ("research_topics_city", "个"),
    ("research_topics_county", "个"),
    ("research_topics_township", "个"),
    ("special_research_trips", "次"),
    ("research_reports", "篇"),
    ("research_reports_submitted_city", "篇"),
    ("research_reports_adopted", "篇"),
    ("research_reports_instructed", "篇"),
    ("info_items_collected", "条"),
    ("work_info_issues", "期"),
    ("info_adopted_province", "条"),
    ("info_quality_award", "条"),
    ("receptions_all", "批次"),
    ("reception_guests", "人次"),
    ("derived_receptions_sum", "批次"),
    ("receptions_vice_minister_up", "批次"),
    ("receptions_province_city_leaders", "批次"),
    ("receptions_study_delegations", "批次"),
    ("receptions_compliant", "批次"),
    ("inspection_support_days", "天"),
    ("inspection_support_assignments", "次"),
];

fn known() -> Vec<Indicator> {
    [
        ("meetings_total", "次"),
        ("lectures_grassroots", "场"),
        ("lecture_audience", "人次"),
        ("reform_group_meetings", "次"),
        ("joint_office_directors_meeting_cadence", "次"),
        ("provincial_site_meetings_hosted", "次"),
        ("lectures_by_standing_committee", "场"),
        ("video_systems_installed", "套"),
        ("video_duty_rooms_renovated", "间"),
        ("city_secretary_instructions_closed", "件"),
        ("city_supervision_notices_implemented", "件"),
        ("county_leader_instructions_handled", "件"),
        ("derived_supervision_handled_sum", "件"),
        ("matters_registered", "件"),
        ("matters_closed", "件"),
    ]
    .into_iter()
    .chain(BESIDE)
    .map(|(id, unit)| Indicator {
        id: id.into(),
        label: "名称".into(),
        unit: unit.into(),
        ..Default::default()
    })
    .collect()
}

fn problems(template: &str) -> Vec<Failure> {
    let syntax = syntax(template);
    if syntax.is_empty() {
        check(template, &known())
    } else {
        syntax
    }
}

fn refused(template: &str, line: usize, words: &str) {
    let found = problems(template);
    assert!(
        found
            .iter()
            .any(|p| p.line == Some(line) && p.zh.contains(words)),
        "{template:?}: {found:?}"
    );
}

fn allowed(template: &str) {
    assert_eq!(problems(template), [], "{template:?}");
}

#[test]
fn the_default_template_has_no_problems() {
    allowed(include_str!("../default.md"));
    let all: Vec<String> = known().into_iter().map(|i| i.id).collect();
    let mut refers = references(include_str!("../default.md"));
    let mut wanted = all;
    refers.sort();
    wanted.sort();
    assert_eq!(refers, wanted);
}

#[test]
fn syntax_errors_have_their_line() {
    refused("甲\n{% if meetings_total %}乙", 2, "语法有误");
    refused("{{ }}", 1, "语法有误");
    refused("甲\n{{ meetings_total|", 2, "语法有误");
    refused("{% include \"other\" %}", 1, "语法有误");
}

#[test]
fn unknown_indicators_are_found_in_every_branch() {
    refused("甲\n{{ meetings }}", 2, "没有指标 meetings");
    refused(
        "{% if meetings_total is zero %}\n{% for f in figures %}\n{{ nothing|unit }}{% endfor %}{% endif %}",
        3,
        "没有指标 nothing",
    );
    refused(
        "{% if a_thing is missing %}{% endif %}",
        1,
        "没有指标 a_thing",
    );
    refused("{{ range(meetings_total) }}", 1, "没有指标 range");
    refused(
        "{% for f in figures %}{% endfor %}{{ f.label }}",
        1,
        "没有指标 f",
    );
}

#[test]
fn unknown_names_are_found_in_every_branch() {
    let branch =
        |inner: &str| format!("{{% if meetings_total is missing %}}\n{inner}\n{{% endif %}}");
    refused(&branch("{{ meetings_total|upper }}"), 2, "没有过滤器 upper");
    refused(
        &branch("{% if meetings_total is not odd %}{% endif %}"),
        2,
        "没有判断 odd",
    );
    refused(&branch("{{ meetings_total.secret }}"), 2, "没有内容 secret");
    refused(&branch("{% set x = meetings_total %}"), 2, "没有标签 set");
    refused(&branch("{% raw %}475次{% endraw %}"), 2, "没有标签 raw");
    refused(
        &branch("{{ meetings_total.value + meetings_total.value }}"),
        2,
        "不能使用 +",
    );
    refused(&branch("{{ \"甲\" ~ \"乙\" }}"), 2, "不能使用 ~");
    refused(&branch("{{ figures[meetings_total] }}"), 2, "不能使用 [");
}

#[test]
fn typed_numbers_are_found() {
    refused("全年\n召开会议475次。", 2, "“475次”");
    refused("听众２０００余人次", 1, "“２０００余人次”");
    refused("收到1,400 余条", 1, "“1,400 余条”");
    refused("共 31 件", 1, "“31 件”");
    refused("同比减少12.6%。", 1, "“12.6%”");
    refused("共475{# 注 #}次", 1, "“475次”");
    refused("共475{% if meetings_total %}次{% endif %}", 1, "“475次”");
    refused("共4{{ meetings_total|unit }}", 1, "“4”");
    refused("共{{ meetings_total }}0次", 1, "“0次”");
    refused("共{{ 475 }}次", 1, "写入了数字 475");
    refused(
        "{{ meetings_total|missing_or(\"475次\") }}",
        1,
        "引号内写入了数字",
    );
    refused("{% if meetings_total == 0 %}无{% endif %}", 1, "is zero");
}

#[test]
fn labels_and_years_are_not_typed_numbers() {
    allowed("{{ year }}年1月至12月，{{ office }}");
    allowed("1. 《工作要点》第3期\n2. 第七巡视组、第1次全会、“9+2”布局、40岁以下\n");
    allowed("五个方面、六大类");
    allowed("{{ meetings_total }}、{{ meetings_total|yu }}、{{ meetings_total|yu_unit }}");
    allowed(
        "{% if not meetings_total is zero and meetings_total is not missing %}有{% elif meetings_total %}无{% else %}空{% endif %}",
    );
    allowed("{{ meetings_total|missing_or(\"待核\") }}，{{ meetings_total|yoy }}");
    allowed(
        "{% for f in figures if f.part_of == \"meetings_total\" %}{{ loop.index }}. {{ f.label|cell }}{% endfor %}",
    );
    allowed("{% for f in figures %}{{ f|of_which }}{{ f.change }}{% endfor %}");
}

#[test]
fn runtime_errors_are_found() {
    refused("{{ year|unit }}", 1, "无法生成");
    refused(
        "{% for f in figures %}\n{{ f.label|yu }}{% endfor %}",
        2,
        "无法生成",
    );
}

#[test]
fn a_template_that_takes_too_much_work_is_refused() {
    let open = "{% for f in figures %}".repeat(12);
    let close = "{% endfor %}".repeat(12);
    let found = problems(&format!("{open}{{{{ f.label }}}}{close}"));
    assert!(found.iter().any(|p| p.zh.contains("运算过多")), "{found:?}");
    let found = problems("{% for f in figures recursive %}{{ loop(figures) }}{% endfor %}");
    assert!(!found.is_empty());
    // Much output from little work.
    let found = problems(&format!(
        "{{% for f in figures %}}{{% for g in figures %}}{}{{% endfor %}}{{% endfor %}}",
        "长".repeat(20_000)
    ));
    assert!(!found.is_empty());
}
