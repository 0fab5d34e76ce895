//! The generated parts of `docs/` are up to date.
//!
//! They are between `<!-- generated: NAME -->` and `<!-- end -->`, and are generated here from tables
//! in the code. `UPDATE_DOCS=1 cargo test -p taizhang --test suite docs` updates them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write as _};
use std::fs;
use std::path::PathBuf;

use prost_reflect::{EnumDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor};
use taizhang::roles::ROLES;
use taizhang_contracts::descriptors::pool;
use taizhang_contracts::statistics::Indicator;
use taizhang_contracts::{Error, METHODS, Reason};
use taizhang_ledger::column::Type;
use taizhang_ledger::transition::Machine;
use taizhang_runtime::Config;
use tonic::Status;
use tonic_types::StatusExt;

/// The fields that filters of every kind of record can use, after its own.
const COMMON: [&str; 4] = ["id", "create_time", "update_time", "delete_time"];

/// A field that filters can use and the message does not have.
const WORKED_OUT: (&str, &str) = ("year", "The year that its number belongs to (编号年度).");

#[test]
fn errors() {
    let mut table = String::from(
        "| `reason` | Code | When | Text (zh-CN) | Retry |\n| --- | --- | --- | --- | --- |\n",
    );
    for reason in Reason::ALL {
        let status = Status::from(Error::new(*reason));
        let retry = match status.get_details_retry_info().and_then(|r| r.retry_delay) {
            Some(delay) => format!("after {} ms", delay.as_millis()),
            None => String::new(),
        };
        row(
            &mut table,
            &[
                &format!("`{}`", reason.name()),
                &screaming(&format!("{:?}", reason.code())),
                reason.doc().trim(),
                reason.texts().0,
                &retry,
            ],
        );
    }
    says("errors.md", "reasons", table);
}

#[test]
fn filters() {
    let mut text = String::new();
    let mut enums = BTreeMap::new();
    for kind in ROLES
        .iter()
        .flat_map(|role| role.kinds)
        .filter(|kind| !kind.is_singleton())
    {
        let message = pool().get_message_by_name(kind.message()).unwrap();
        let about = comment(&message.parent_file(), message.path());
        writeln!(text, "### `{}`\n\n{about}\n", kind.collection()).unwrap();
        text.push_str("| Field | Holds | Meaning |\n| --- | --- | --- |\n");
        let mut fields = kind.fields();
        let common = fields.split_off(fields.len() - COMMON.len());
        assert_eq!(common.iter().map(|f| f.path).collect::<Vec<_>>(), COMMON);
        for field in fields {
            let said = field_of(message.clone(), field.path);
            let holds = match field.holds {
                Type::Text => "text".to_owned(),
                Type::Number => "number".to_owned(),
                Type::Bool => "boolean".to_owned(),
                Type::Day => "day".to_owned(),
                Type::Instant => "instant".to_owned(),
                Type::Enum(name, _) => {
                    let values = said.as_ref().unwrap().kind().as_enum().unwrap().clone();
                    assert_eq!(values.name(), name);
                    enums.insert(name, values);
                    format!("[`{name}`](#{})", name.to_lowercase())
                }
            };
            let meaning = match said {
                Some(said) => comment(&said.parent_message().parent_file(), said.path()),
                None => {
                    assert_eq!(field.path, WORKED_OUT.0, "of {}", kind.message());
                    WORKED_OUT.1.to_owned()
                }
            };
            row(&mut text, &[&format!("`{}`", field.path), &holds, &meaning]);
        }
        text.push('\n');
    }
    says("filters.md", "fields", text);

    let mut text = String::new();
    for (name, values) in enums {
        writeln!(text, "### `{name}`\n").unwrap();
        text.push_str(&table_of_values(&values));
        text.push('\n');
    }
    says("filters.md", "values", text);
}

#[test]
fn states() {
    let machines = [
        machine(&taizhang_meetings::MEETING_STATES),
        machine(&taizhang_meetings::BOOKING_STATES),
        machine(&taizhang_meetings::LECTURE_STATES),
        machine(&taizhang_supervision::MATTER_STATES),
        machine(&taizhang_supervision::ISSUE_STATES),
        machine(&taizhang_supervision::INSPECTION_STATES),
        machine(&taizhang_supervision::INTERVIEW_STATES),
        machine(&taizhang_supervision::REFORM_TASK_STATES),
        machine(&taizhang_reception::RECEPTION_STATES),
        machine(&taizhang_reception::SUPPORT_ASSIGNMENT_STATES),
        machine(&taizhang_research::TOPIC_STATES),
        machine(&taizhang_research::FIELD_SURVEY_STATES),
        machine(&taizhang_research::RESEARCH_REPORT_STATES),
        machine(&taizhang_research::BULLETIN_STATES),
        machine(&taizhang_reporting::ANNUAL_REPORT_STATES),
    ];
    let told: BTreeSet<&str> = machines.iter().map(|(resource, _)| *resource).collect();
    let text = machines.into_iter().map(|(_, text)| text).collect();
    // No state machine is missing.
    let kinds = ROLES.iter().flat_map(|role| role.kinds);
    let with_states: BTreeSet<&str> = kinds
        .filter(|kind| kind.fields().iter().any(|field| field.path == "state"))
        .filter_map(|kind| kind.message().rsplit('.').next())
        .collect();
    assert_eq!(told, with_states);
    says("states.md", "states", text);
}

#[test]
fn indicators() {
    let mut text = String::new();
    for role in ROLES.iter().filter(|role| role.is_source()) {
        writeln!(text, "## {}\n", role.name).unwrap();
        text.push_str("| Id | 名称 | 单位 | 口径 | Counts | 其中 Part of |\n");
        text.push_str("| --- | --- | --- | --- | --- | --- |\n");
        for indicator in (role.indicators)() {
            indicator_row(&mut text, &indicator);
        }
        text.push('\n');
    }
    says("indicators.md", "indicators", text);
}

#[test]
fn reception_rules() {
    use taizhang_reception::{RULES, Source, Step};
    let mut table = String::from(
        "| Id | No. | 规则 | 改正办法 | 出处 | From | Until | Asked at | Known | Then |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let day = |(year, month, day): taizhang_reception::Day| format!("{year}-{month:02}-{day:02}");
    for rule in RULES {
        let (known, then) = match rule.stands.source {
            Source::Verified => ("read", "refuses"),
            Source::Remembered => ("remembered", "warns"),
            Source::Local => ("local", "warns"),
        };
        let step = match rule.step {
            Step::Approval => "approval 审批",
            Step::Signature => "signature 审签",
            Step::Settlement => "settlement 结算",
        };
        let regulation = rule.stands.regulation;
        row(
            &mut table,
            &[
                &format!("`{}`", rule.id),
                rule.number,
                rule.zh.0,
                rule.zh.1,
                &format!("{}{}", regulation.titles().0, rule.article().0),
                &day(regulation.from()),
                &rule.stands.until.map(day).unwrap_or_default(),
                step,
                known,
                then,
            ],
        );
    }
    says("reception-rules.md", "rules", table);
}

#[test]
fn scopes() {
    let mut scopes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for role in ROLES {
        for method in METHODS {
            if role.grpc_services.contains(&method.service) {
                let scope = method.scope.replace("{service}", role.name);
                scopes.entry(scope).or_default().push(method.name);
            }
        }
    }
    let mut table = String::from("| Scope | Methods |\n| --- | --- |\n");
    for (scope, methods) in scopes {
        row(&mut table, &[&format!("`{scope}`"), &methods.join(", ")]);
    }
    says("security.md", "scopes", table);
}

#[test]
fn the_example_configuration_is_valid() {
    let document = fs::read_to_string(document("configuration.md")).unwrap();
    let (_, rest) = document.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("taizhang.toml");
    fs::write(&file, example).unwrap();
    let config = Config::load(Some(&file)).unwrap();
    let names: Vec<_> = ROLES.iter().map(|role| role.name).collect();
    config.only_services(&names).unwrap();
    assert!(!config.sources.is_empty() && !config.services.is_empty());
}

/// Compares a generated part of a document with the code, or updates it.
fn says(file: &str, part: &str, generated: String) {
    let path = document(file);
    let text = fs::read_to_string(&path).unwrap();
    let begin = format!("<!-- generated: {part} -->\n");
    let (before, rest) = text
        .split_once(&begin)
        .unwrap_or_else(|| panic!("{file} has no part {part}"));
    let (stands, after) = rest
        .split_once("<!-- end -->")
        .unwrap_or_else(|| panic!("the part {part} of {file} has no end"));
    let generated = format!("\n{}\n\n", generated.trim());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        if stands != generated {
            fs::write(
                &path,
                format!("{before}{begin}{generated}<!-- end -->{after}"),
            )
            .unwrap();
        }
        return;
    }
    let mut lines = stands.lines().zip(generated.lines());
    let (stands, generated) = lines
        .find(|(stands, generated)| stands != generated)
        .unwrap_or((stands, generated.as_str()));
    assert_eq!(
        stands, generated,
        "docs/{file} is out of date: run UPDATE_DOCS=1 cargo test -p taizhang --test suite docs::"
    );
}

fn document(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(file)
}

/// One row of a table.
fn row(table: &mut String, cells: &[&str]) {
    let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    writeln!(table, "| {} |", cells.join(" | ")).unwrap();
}

/// The comment of a declaration in a contract, in one line.
fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let mut places = info.unwrap().location.iter();
    let place = places.find(|place| place.path == path).unwrap();
    let words: Vec<_> = place.leading_comments().split_whitespace().collect();
    words.join(" ")
}

/// The field of a path such as `source.kind`.
fn field_of(message: MessageDescriptor, path: &str) -> Option<FieldDescriptor> {
    let Some((first, rest)) = path.split_once('.') else {
        return message.get_field_by_name(path);
    };
    let field = message.get_field_by_name(first)?;
    field_of(field.kind().as_message()?.clone(), rest)
}

/// The values of an enum, except UNSPECIFIED.
fn table_of_values(values: &EnumDescriptor) -> String {
    let prefix = screaming(values.name()) + "_";
    let mut table = String::from("| Value | Meaning |\n| --- | --- |\n");
    for value in values.values().filter(|value| value.number() != 0) {
        let name = value.name().strip_prefix(&prefix).unwrap();
        let meaning = comment(&values.parent_file(), value.path());
        row(&mut table, &[&format!("`{name}`"), &meaning]);
    }
    table
}

/// The diagram of a state machine, its states and its methods.
fn machine<S: Copy + PartialEq + Debug>(machine: &Machine<S>) -> (&'static str, String) {
    let mut text = String::new();
    let initial = (machine.name)(&machine.initial);
    let states = pool()
        .all_enums()
        .find(|e| e.values().any(|value| value.name() == initial))
        .unwrap();
    let prefix = screaming(states.name()) + "_";
    let short = |state: &S| (machine.name)(state).strip_prefix(&prefix).unwrap();

    // Without the methods that keep the state, which would clutter the diagram.
    let diagram: String = machine
        .diagram()
        .lines()
        .filter(|line| match line.split_once(" --> ") {
            Some((from, to)) => to.split(':').next() != Some(from.trim()),
            None => true,
        })
        .map(|line| line.to_owned() + "\n")
        .collect();
    writeln!(
        text,
        "## {}\n\n```mermaid\n{diagram}```\n\n{}",
        machine.resource,
        table_of_values(&states)
    )
    .unwrap();

    text.push_str("| Method | | From | To |\n| --- | --- | --- | --- |\n");
    for transition in machine.transitions {
        let from: Vec<_> = transition.from.iter().map(short).collect();
        let method = format!("`{}`", transition.method);
        let to = transition.to.as_ref().map_or("stays", short);
        row(
            &mut text,
            &[&method, transition.label, &from.join(", "), to],
        );
    }
    text.push('\n');
    (machine.resource, text)
}

/// The indicators of one service.
fn indicator_row(text: &mut String, indicator: &Indicator) {
    let measure = indicator.measure().as_str_name();
    let measure = measure.trim_start_matches("MEASURE_").to_lowercase();
    let part_of = match indicator.part_of.as_str() {
        "" => String::new(),
        whole => format!("`{whole}`"),
    };
    row(
        text,
        &[
            &format!("`{}`", indicator.id),
            &indicator.label,
            &indicator.unit,
            &indicator.definition,
            &format!("`{}`, {measure}", indicator.collection),
            &part_of,
        ],
    );
}

/// `MeetingKind` makes `MEETING_KIND`.
fn screaming(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}
