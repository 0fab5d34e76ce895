//! Empty spreadsheets to fill in.

use std::fs::File;
use std::path::Path;

use anyhow::Context;
use rust_xlsxwriter::{DataValidation, Format as Look, Workbook};

use super::cells::Shape;
use super::read::Format;
use super::record::Record;
use super::write::csv_writer;

/// So many rows of a template offer the terms that a cell may hold.
const ROWS: u32 = 10_000;

/// The most characters of such a list.
const LONGEST_LIST: usize = 255;

/// Writes the template of a kind of record.
///
/// # Errors
/// If the file is there already, or can't be made.
pub fn write(record: &Record, format: Format, to: &Path) -> anyhow::Result<()> {
    let file = File::create_new(to).with_context(|| format!("文件 {}", to.display()))?;
    match format {
        Format::Csv => {
            let mut writer = csv_writer(file)?;
            writer.write_record(record.columns.iter().map(|column| &column.header))?;
            writer.flush()?;
        }
        Format::Xlsx => book(record)?.save(to)?,
    }
    Ok(())
}

fn book(record: &Record) -> anyhow::Result<Workbook> {
    let mut book = Workbook::new();
    let bold = Look::new().set_bold();
    let needed = Look::new().set_bold().set_font_color("C00000");
    let day = Look::new().set_num_format("yyyy-mm-dd");
    let instant = Look::new().set_num_format("yyyy-mm-dd hh:mm");
    let text = Look::new().set_num_format("@");
    let sheet = book.add_worksheet();
    sheet.set_name(&record.term)?;
    for (i, column) in (0..).zip(&record.columns) {
        let look = if column.required { &needed } else { &bold };
        sheet.write_string_with_format(0, i, &column.header, look)?;
        sheet.set_column_width(i, 18)?;
        match &column.shape {
            Shape::Day => sheet.set_column_format(i, &day)?,
            Shape::Instant => sheet.set_column_format(i, &instant)?,
            Shape::Number(_) | Shape::Money => sheet,
            _ => sheet.set_column_format(i, &text)?,
        };
        let terms: Vec<&str> = match &column.shape {
            Shape::Choice(values) => values.iter().map(|(.., term)| term.as_str()).collect(),
            Shape::Bool => vec!["是", "否"],
            _ => continue,
        };
        if terms.join(",").chars().count() <= LONGEST_LIST {
            let offered = DataValidation::new().allow_list_strings(&terms)?;
            sheet.add_data_validation(1, i, ROWS, i, &offered)?;
        }
    }
    sheet.set_freeze_panes(1, 0)?;

    let sheet = book.add_worksheet();
    sheet.set_name("填写说明")?;
    for (i, (header, width)) in (0..).zip([("列", 30), ("必填", 8), ("怎么填", 100)]) {
        sheet.write_string_with_format(0, i, header, &bold)?;
        sheet.set_column_width(i, width)?;
    }
    for (row, column) in (1..).zip(&record.columns) {
        let required = if column.required { "是" } else { "" };
        sheet.write_string(row, 0, &column.header)?;
        sheet.write_string(row, 1, required)?;
        sheet.write_string(row, 2, column.shape.told())?;
    }
    Ok(book)
}
