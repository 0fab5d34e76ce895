//! `taizhang import` and `taizhang export`, run as an administrator runs them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use calamine::Reader;
use prost_reflect::{DynamicMessage, Value};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use taizhang::roles::ROLES;
use taizhang::spreadsheets::catalogue;
use taizhang_spreadsheets::{CellType, OfficeContext, Sheet};

use crate::harness::Suite;
use crate::random;
use crate::served_methods::{self, ServedMethod};

on_each_database!(
    a_filled_in_template_is_imported,
    bad_rows_are_reported_by_cell,
    an_interrupted_import_continues,
    an_export_can_be_imported_into_another_office,
);

/// Runs the program for an office of a suite, in a temporary folder.
struct Office<'a> {
    suite: &'a Suite,
    folder: tempfile::TempDir,
    name: &'static str,
}

impl<'a> Office<'a> {
    fn of(suite: &'a Suite, name: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let token = suite.every_scope_in(&[&format!("offices/{name}")]);
        fs::write(folder.path().join("token"), token).unwrap();
        Self {
            suite,
            folder,
            name,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, what: &str, record: &str, arguments: &[&str]) -> Command {
        let service = sheet(record).service;
        let at = format!("http://{}", self.suite.addresses[service]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_taizhang"));
        command
            .current_dir(self.folder.path())
            .args([what, "--record", record, "--office", self.name])
            .args(["--at", &at, "--token", "token"])
            .args(arguments);
        command
    }

    fn run(&self, what: &str, record: &str, arguments: &[&str]) -> Output {
        // Blocks this thread only: the suite runs on the runtime's other threads.
        let mut command = self.command(what, record, arguments);
        tokio::task::block_in_place(|| command.output().unwrap())
    }

    /// Imports successfully, and returns the output.
    fn import(&self, record: &str, arguments: &[&str]) -> String {
        let output = self.run("import", record, arguments);
        let printed = output_of(&output);
        assert!(output.status.success(), "{printed}");
        printed
    }

    fn export(&self, record: &str, to: &str) {
        let output = self.run("export", record, &["--to", to]);
        assert!(output.status.success(), "{}", output_of(&output));
    }

    /// The records of a kind, by id.
    async fn records(&self, record: &str) -> BTreeMap<String, DynamicMessage> {
        let kinds = random::record_methods::RecordMethods::all();
        let methods = kinds
            .iter()
            .find(|k| k.kind.collection() == record)
            .unwrap();
        let list = methods.list.as_ref().unwrap();
        let mut found = BTreeMap::new();
        let mut token = String::new();
        loop {
            let page = self.page(list, &token).await;
            for (field, value) in page.fields() {
                match value {
                    Value::List(records) => found.extend(records.iter().map(|record| {
                        let record = record.as_message().unwrap().clone();
                        let name = record.get_field_by_name("name").unwrap().into_owned();
                        let id = name.as_str().unwrap().rsplit('/').next().unwrap();
                        (id.to_owned(), record)
                    })),
                    value if field.name() == "next_page_token" => {
                        token = value.as_str().unwrap().to_owned();
                    }
                    _ => {}
                }
            }
            if page.get_field_by_name("next_page_token").unwrap().as_str() == Some("") {
                return found;
            }
        }
    }

    async fn page(&self, list: &ServedMethod, token: &str) -> DynamicMessage {
        let mut request = DynamicMessage::new(list.method.input());
        let office = format!("offices/{}", self.name);
        request.set_field_by_name("parent", Value::String(office));
        request.set_field_by_name("page_size", Value::I32(1000));
        request.set_field_by_name("page_token", Value::String(token.to_owned()));
        let bearer = fs::read_to_string(self.file("token")).unwrap();
        list.call_with(self.suite, &bearer, request).await.unwrap()
    }
}

fn output_of(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|of| String::from_utf8_lossy(of));
    format!("{out}{err}")
}

/// The cell of a record's field, such as `minutes.number`.
fn cell(record: &str, of: &DynamicMessage, path: &str) -> String {
    let sheet = sheet(record);
    let column = sheet.columns.iter().find(|c| c.dotted() == path).unwrap();
    column.show(of, &context("demo"))
}

fn sheet(record: &str) -> Sheet {
    catalogue().sheet(record).unwrap()
}

fn context(office: &str) -> OfficeContext {
    OfficeContext {
        office: format!("offices/{office}"),
        zone: chrono_tz::Asia::Shanghai,
    }
}

/// Fills in a template with rows of (column, value).
fn filled(folder: &Path, record: &str, rows: &[&[(&str, &str)]]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_taizhang"))
        .current_dir(folder)
        .args(["import", "--template", record, "--format", "csv"])
        .args(["--to", "template.csv"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", output_of(&output));
    let template = fs::read_to_string(folder.join("template.csv")).unwrap();
    fs::remove_file(folder.join("template.csv")).unwrap();
    let header: Vec<_> = template
        .trim()
        .trim_start_matches('\u{feff}')
        .split(',')
        .collect();
    let mut text = template.trim().to_owned();
    for row in rows {
        for (column, _) in *row {
            assert!(header.contains(column), "no {column} in {header:?}");
        }
        let cells = header.iter().map(|column| {
            let cell = row.iter().find(|(name, _)| name == column);
            format!("\"{}\"", cell.map_or("", |(_, value)| value))
        });
        text += &format!("\n{}", cells.collect::<Vec<_>>().join(","));
    }
    text + "\n"
}

const HELD: &[(&str, &str)] = &[
    ("编号", "m202201"),
    ("会议名称", "县委常委会第1次会议"),
    ("会议类型", "常委会会议"),
    ("召集单位", "县委办公室"),
    ("是否由本办组织", "是"),
    ("主办层级", "县级"),
    ("主持人", "王某"),
    ("地点", "三楼会议室"),
    ("开始时间", "2022年1月5日 9:00"),
    ("结束时间", "2022/1/5 11:30"),
    ("参会人员", "王某、李某、张某"),
    ("议题", "1/传达学习有关精神/李某；2/研究防汛工作"),
    ("状态", "已召开"),
];

fn with<'c>(row: &[(&'c str, &'c str)], changes: &[(&'c str, &'c str)]) -> Vec<(&'c str, &'c str)> {
    let kept = row
        .iter()
        .filter(|(name, _)| !changes.iter().any(|(other, _)| other == name));
    kept.chain(changes).copied().collect()
}

async fn a_filled_in_template_is_imported(suite: Suite) {
    let office = Office::of(&suite, "demo");
    let minutes = with(
        HELD,
        &[
            ("编号", "m202202"),
            ("状态", "已印发纪要"),
            ("纪要·期号", "第2期"),
            ("纪要·签发人", "王某"),
            ("纪要·印发日期", "2022-01-08"),
        ],
    );
    let planned = with(HELD, &[("编号", ""), ("状态", "")]);
    let off = with(
        HELD,
        &[
            ("编号", "m3"),
            ("状态", "已取消"),
            ("推迟或取消原因", "与全会冲突"),
        ],
    );
    let rows: &[&[_]] = &[HELD, &minutes, &planned, &planned, &off];
    let text = filled(office.folder.path(), "meetings", rows);
    // Excel also writes GB18030.
    let text = encoding_rs::GB18030
        .encode(text.trim_start_matches('\u{feff}'))
        .0
        .into_owned();
    fs::write(office.file("meetings.csv"), text).unwrap();

    let printed = office.import("meetings", &["meetings.csv", "--dry-run"]);
    assert!(printed.contains("可导入 5 行"), "{printed}");
    assert!(office.records("meetings").await.is_empty());
    let printed = office.import("meetings", &["meetings.csv", "--batch", "2"]);
    assert!(
        printed.contains("已导入 5 行，先前已导入 0 行"),
        "{printed}"
    );
    let meetings = office.records("meetings").await;
    assert_eq!(meetings.len(), 5);
    let of = |id: &str, path| cell("meetings", &meetings[id], path);
    assert_eq!(of("m202201", "state"), "已召开");
    assert_eq!(of("m202201", "start_time"), "2022-01-05 09:00");
    assert!(of("m202201", "participants").contains("张某///出席/是"));
    assert_eq!(of("m202202", "state"), "已印发纪要");
    assert_eq!(of("m202202", "minutes.issued_on"), "2022-01-08");
    assert_eq!(of("m3", "reason"), "与全会冲突");
    let printed = office.import("meetings", &["meetings.csv"]);
    assert!(
        printed.contains("已导入 0 行，先前已导入 5 行"),
        "{printed}"
    );
    assert_eq!(office.records("meetings").await, meetings);

    // A closed matter.
    let matter: &[(&str, &str)] = &[
        ("编号", "d1"),
        ("事项名称", "修渠"),
        ("来源·来源类型", "领导批示"),
        ("来源·来源层级", "县级"),
        ("牵头单位", "县水利局"),
        ("立项日期", "2022-02-01"),
        ("办理时限", "2022-03-01"),
        ("状态", "办结"),
        ("反馈完毕日期", "2022-02-20"),
        ("办结日期", "2022-02-22"),
        ("办结情况", "已修复"),
    ];
    let matter: Vec<_> = matter
        .iter()
        .map(|(name, value)| match *name {
            "状态" => (*name, state_term("matters", "MATTER_STATE_CLOSED")),
            "来源·来源类型" => (*name, first_term("matters", "source.kind")),
            _ => (*name, (*value).to_owned()),
        })
        .collect();
    let matter: Vec<_> = matter.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let text = filled(office.folder.path(), "matters", &[&matter]);
    fs::write(office.file("matters.csv"), text).unwrap();
    office.import("matters", &["matters.csv"]);
    let matters = office.records("matters").await;
    let of = |path| cell("matters", &matters["d1"], path);
    assert_eq!(of("closed_on"), "2022-02-22");
    assert_eq!(of("conclusion"), "已修复");
    assert_eq!(of("assigned_on"), "2022-02-20");

    a_workbook_is_read(&office).await;
    drop(office);
    suite.stop().await;
}

fn state_term(record: &str, name: &str) -> String {
    term(record, "state", |value| value == name)
}

fn first_term(record: &str, path: &str) -> String {
    term(record, path, |_| true)
}

fn term(record: &str, path: &str, wanted: impl Fn(&str) -> bool) -> String {
    let sheet = sheet(record);
    let column = sheet.columns.iter().find(|c| c.dotted() == path).unwrap();
    let CellType::Choice(values) = &column.cell_type else {
        panic!("{path} is not a choice");
    };
    let (.., term) = values.iter().find(|(_, name, _)| wanted(name)).unwrap();
    term.clone()
}

/// Imports a workbook with date cells and number cells.
async fn a_workbook_is_read(office: &Office<'_>) {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let lectures = self::sheet("lectures");
    let by_path = |path: &str| {
        let column = lectures.columns.iter().find(|c| c.dotted() == path);
        column.unwrap().header.clone()
    };
    let paths = [
        "name",
        "title",
        "kind",
        "date",
        "place",
        "speaker",
        "speaker_rank",
    ];
    for (i, path) in (0..).zip(paths) {
        sheet.write_string(0, i, by_path(path)).unwrap();
    }
    sheet.write_string(0, 7, by_path("audience_count")).unwrap();
    let look = Format::new().set_num_format("yyyy\"年\"m\"月\"d\"日\"");
    let day = ExcelDateTime::from_ymd(2022, 6, 1).unwrap();
    sheet.write_string(1, 0, "l1").unwrap();
    sheet.write_string(1, 1, "宣讲").unwrap();
    sheet
        .write_string(1, 2, first_term("lectures", "kind"))
        .unwrap();
    sheet.write_datetime_with_format(1, 3, &day, &look).unwrap();
    sheet.write_string(1, 4, "礼堂").unwrap();
    sheet.write_number(1, 5, 12.0).unwrap();
    sheet
        .write_string(1, 6, first_term("lectures", "speaker_rank"))
        .unwrap();
    sheet.write_number(1, 7, 300.0).unwrap();
    book.save(office.file("lectures.xlsx")).unwrap();
    office.import("lectures", &["lectures.xlsx"]);
    let lectures = office.records("lectures").await;
    let of = |path| cell("lectures", &lectures["l1"], path);
    assert_eq!(of("date"), "2022-06-01");
    assert_eq!(of("speaker"), "12");
    assert_eq!(of("audience_count"), "300");
}

async fn bad_rows_are_reported_by_cell(suite: Suite) {
    let office = Office::of(&suite, "demo");
    let long = "长".repeat(201);
    let rows = [
        with(HELD, &[("编号", "m1")]),
        with(
            HELD,
            &[("编号", "m2"), ("会议类型", "茶话会"), ("主持人", &long)],
        ),
        with(HELD, &[("编号", "m3"), ("会议名称", &long)]),
        with(HELD, &[("编号", "m4"), ("主持人", "")]),
        with(HELD, &[("编号", "m5"), ("状态", "已印发纪要")]),
        with(HELD, &[("编号", "m1")]),
        with(
            HELD,
            &[("编号", "m6"), ("状态", "已推迟"), ("推迟或取消原因", "")],
        ),
        with(HELD, &[("编号", "m7"), ("结束时间", "2022-01-04 10:00")]),
        with(HELD, &[("编号", "m8")]),
    ];
    let rows: Vec<&[_]> = rows.iter().map(Vec::as_slice).collect();
    let text = filled(office.folder.path(), "meetings", &rows);
    fs::write(office.file("m.csv"), text).unwrap();
    let output = office.run("import", "meetings", &["m.csv", "--result", "bad.csv"]);
    assert!(!output.status.success());
    let printed = output_of(&output);
    assert!(
        printed.contains("已导入 2 行，先前已导入 0 行，有误 7 行"),
        "{printed}"
    );
    let meetings = office.records("meetings").await;
    assert_eq!(meetings.keys().collect::<Vec<_>>(), ["m1", "m8"]);

    let sheet = sheet("meetings");
    let at = |path: &str, line: u32| {
        let position = sheet
            .columns
            .iter()
            .position(|c| c.dotted() == path)
            .unwrap();
        let letter = char::from(b'A' + u8::try_from(position).unwrap());
        format!("{letter}{line}")
    };
    let text = fs::read_to_string(office.file("bad.csv")).unwrap();
    let mut lines = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let mut bad: Vec<_> = lines.records().map(|line| line.unwrap()).collect();
    bad.sort_by_key(|line| line[0].parse::<u32>().unwrap());
    let expected = [
        (3, at("kind", 3), "座谈会"),
        (4, at("title", 4), "不得超过200个字符"),
        (5, at("state", 5), "主持人"),
        (6, at("minutes.number", 6), "状态为“已印发纪要”时必须填写"),
        (7, at("name", 7), "重复"),
        (8, at("reason", 8), "必须填写推迟或取消原因"),
        (9, at("end_time", 9), "应晚于开始时间"),
    ];
    assert_eq!(bad.len(), expected.len(), "{text}");
    for (line, (row, cell, why)) in bad.iter().zip(expected) {
        assert_eq!(line[0], row.to_string(), "{text}");
        assert_eq!(line[1], cell, "{text}");
        assert!(line[4].contains(why), "{why} not in {text}");
    }

    fs::write(office.file("h.csv"), "会议名,会议类型,召集单位\n甲,乙,丙\n").unwrap();
    let printed = output_of(&office.run("import", "meetings", &["h.csv"]));
    assert!(
        printed.contains("没有“会议名”列，最接近的是“会议名称”"),
        "{printed}"
    );
    assert!(printed.contains("缺少必填的“主办层级”列"), "{printed}");
    let printed = output_of(&office.run("import", "meetings", &["none.csv"]));
    assert!(printed.contains("none.csv"), "{printed}");
    drop(office);
    suite.stop().await;
}

async fn an_interrupted_import_continues(suite: Suite) {
    let office = Office::of(&suite, "demo");
    let row = with(HELD, &[("编号", "")]);
    let mut text = filled(office.folder.path(), "meetings", &[&row]);
    let line = text.lines().last().unwrap().to_owned();
    for i in 1..3_000 {
        // Equal rows are different meetings.
        let title = format!("县委常委会第{}次会议", i / 3 * 3);
        text += &line.replace("县委常委会第1次会议", &title);
        text.push('\n');
    }
    fs::write(office.file("m.csv"), text).unwrap();
    let mut child = start(&office, &["m.csv", "--batch", "100"]);
    let since = Instant::now();
    while office.records("meetings").await.len() < 300 {
        assert!(since.elapsed() < Duration::from_secs(120));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let existing = office.records("meetings").await.len();
    println!("{existing} records existed when it was killed");
    let since = Instant::now();
    // With batches of another size, whose first rows may exist or not.
    let printed = office.import("meetings", &["m.csv", "--batch", "70"]);
    println!("{:?} for the rest: {printed}", since.elapsed());
    let meetings = office.records("meetings").await;
    assert_eq!(meetings.len(), 3_000, "{printed}");
    let since = Instant::now();
    let printed = office.import("meetings", &["m.csv"]);
    println!("{:?} for no row: {printed}", since.elapsed());
    assert!(
        printed.contains("已导入 0 行，先前已导入 3000 行"),
        "{printed}"
    );
    assert_eq!(office.records("meetings").await, meetings);
    drop(office);
    suite.stop().await;
}

fn start(office: &Office<'_>, arguments: &[&str]) -> Child {
    let mut command = office.command("import", "meetings", arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Random records are exported and imported into another office; their columns are the same there.
async fn an_export_can_be_imported_into_another_office(suite: Suite) {
    random::write_records(&suite, "offices/from", 12).await;
    let (from, to) = (Office::of(&suite, "from"), Office::of(&suite, "into"));
    let mut counts = BTreeMap::new();
    // Records that others refer to come first.
    let mut records = catalogue().sheets();
    let order = |record: &Sheet| {
        let first = [
            "facilities",
            "meetings",
            "topics",
            "issueSeries",
            "reformPlans",
        ];
        let place = first.iter().position(|c| *c == record.kind.collection);
        place.unwrap_or(first.len())
    };
    records.sort_by_key(order);
    for (i, record) in records.iter().enumerate() {
        let collection = record.kind.collection;
        let format = if i % 2 == 0 { "csv" } else { "xlsx" };
        let sheet = format!("{collection}.{format}");
        from.export(collection, &sheet);
        fs::copy(from.file(&sheet), to.file(&sheet)).unwrap();
        let output = to.run("import", collection, &[&sheet, "--result", "bad.csv"]);
        let bad = fs::read_to_string(to.file("bad.csv")).unwrap_or_default();
        let exported = from.records(collection).await;
        let imported = to.records(collection).await;
        let bad_rows = bad.lines().count().saturating_sub(1);
        println!(
            "{collection}: {} of {} imported\n{}{bad}",
            imported.len(),
            exported.len(),
            output_of(&output)
        );
        let _ = fs::remove_file(to.file("bad.csv"));
        assert_eq!(bad_rows == 0, output.status.success());
        for (id, imported_record) in &imported {
            let id = id.strip_prefix("r-").unwrap_or(id);
            let Some(original) = exported.get(id) else {
                panic!("{collection}/{id} was not exported");
            };
            for column in record.columns.iter().skip(1) {
                let cells = [
                    column.show(original, &context("from")),
                    column.show(imported_record, &context("into")),
                ];
                // The import of a held meeting assumes who was present.
                let cells = cells.map(|cell| match column.cell_type {
                    CellType::Entries(_) => without_office_names(&cell).replace("/是", "/否"),
                    _ => without_office_names(&cell),
                });
                let [cell, imported_cell] = cells;
                assert_eq!(
                    cell, imported_cell,
                    "{} of {collection}/{id}",
                    column.header
                );
            }
        }
        counts.insert(collection, (exported.len(), imported.len()));
        // Imported into the office from which it was exported, no row is new.
        let output = from.run("import", collection, &[&sheet]);
        let printed = output_of(&output);
        assert!(printed.contains("已导入 0 行"), "{printed}");
    }
    let (all, imported) = counts
        .values()
        .fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
    println!("{imported} of {all}: {counts:?}");
    drop((from, to));
    suite.stop().await;
}

/// A cell with ids instead of names, without the prefix of ids that can't be assigned.
fn without_office_names(cell: &str) -> String {
    let mut cell = cell.replace("\\/", "/");
    for kind in ROLES.iter().flat_map(|role| role.kinds) {
        for office in ["from", "into"] {
            cell = cell.replace(&format!("offices/{office}/{}/", kind.collection()), "");
        }
    }
    // Generated ids are UUIDv7, which begin with 01.
    cell.replace("r-01", "01")
}

#[test]
fn headers_and_the_terms_of_a_column_are_unique() {
    for sheet in catalogue().sheets() {
        let headers: BTreeSet<_> = sheet.columns.iter().map(|c| &c.header).collect();
        assert_eq!(headers.len(), sheet.columns.len(), "{}", sheet.term);
        for column in &sheet.columns {
            if let CellType::Choice(values) = &column.cell_type {
                let terms: BTreeSet<_> = values.iter().map(|(.., term)| term).collect();
                assert_eq!(terms.len(), values.len(), "{}", column.header);
            }
        }
    }
}

#[test]
fn every_kind_of_record_has_a_template() {
    let folder = tempfile::tempdir().unwrap();
    for record in catalogue().sheets() {
        let collection = record.kind.collection;
        let output = Command::new(env!("CARGO_BIN_EXE_taizhang"))
            .current_dir(folder.path())
            .args(["import", "--template", collection])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", output_of(&output));
        let file = folder.path().join(format!("{collection}.xlsx"));
        let mut book: calamine::Xlsx<_> = calamine::open_workbook(file).unwrap();
        let first = book.sheet_names()[0].clone();
        let sheet = book.worksheet_range(&first).unwrap();
        let header: Vec<_> = sheet
            .rows()
            .next()
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        let wanted: Vec<_> = record.columns.iter().map(|c| c.header.clone()).collect();
        assert_eq!(header, wanted);
        let states = record.message.get_field_by_name("state").is_some();
        assert_eq!(record.machine.is_some(), states, "{collection}");
    }
    // Every kind of record that can be created, except annual reports.
    let creates = served_methods::all();
    let creates = creates
        .iter()
        .filter(|at| at.method.name().starts_with("Create"));
    assert_eq!(creates.count(), catalogue().sheets().len() + 1);
    let output = Command::new(env!("CARGO_BIN_EXE_taizhang"))
        .args(["import", "--template", "nothing"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(
        output_of(&output).contains("meetings  "),
        "{}",
        output_of(&output)
    );
}
