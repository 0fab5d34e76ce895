//! Templates: empty spreadsheets to fill in.

use std::path::Path;

use rust_xlsxwriter::{DataValidation, Format as CellFormat, Workbook};

use crate::cells::CellType;
use crate::read::Format;
use crate::sheet::Sheet;
use crate::write::{csv_writer, new_file};

/// How many rows have drop-down lists of terms.
const ROWS: u32 = 10_000;

/// The most characters of such a list in a workbook.
const MAX_LIST: usize = 255;

/// Writes the template of a kind of record to a file that must not exist yet.
///
/// # Errors
/// If the file exists, or can't be written.
pub fn write(sheet: &Sheet, format: Format, to: &Path) -> anyhow::Result<()> {
    let mut draft = new_file(to)?;
    match format {
        Format::Csv => {
            let mut writer = csv_writer(&mut draft)?;
            writer.write_record(sheet.columns.iter().map(|column| &column.header))?;
            writer.flush()?;
        }
        Format::Xlsx => book(sheet)?.save_to_writer(&mut draft)?,
    }
    Ok(draft.finish()?)
}

fn book(of: &Sheet) -> anyhow::Result<Workbook> {
    let mut book = Workbook::new();
    let bold = CellFormat::new().set_bold();
    let required = CellFormat::new().set_bold().set_font_color("C00000");
    let day = CellFormat::new().set_num_format("yyyy-mm-dd");
    let instant = CellFormat::new().set_num_format("yyyy-mm-dd hh:mm");
    let text = CellFormat::new().set_num_format("@");
    let sheet = book.add_worksheet();
    sheet.set_name(&of.term)?;
    for (i, column) in (0..).zip(&of.columns) {
        let format = if column.required { &required } else { &bold };
        sheet.write_string_with_format(0, i, &column.header, format)?;
        sheet.set_column_width(i, 18)?;
        match &column.cell_type {
            CellType::Day => sheet.set_column_format(i, &day)?,
            CellType::Instant => sheet.set_column_format(i, &instant)?,
            CellType::Number(_) | CellType::Money => sheet,
            _ => sheet.set_column_format(i, &text)?,
        };
        let terms: Vec<&str> = match &column.cell_type {
            CellType::Choice(values) => values.iter().map(|(.., term)| term.as_str()).collect(),
            CellType::Bool => vec!["是", "否"],
            _ => continue,
        };
        if terms.join(",").chars().count() <= MAX_LIST {
            let list = DataValidation::new().allow_list_strings(&terms)?;
            sheet.add_data_validation(1, i, ROWS, i, &list)?;
        }
    }
    sheet.set_freeze_panes(1, 0)?;

    let sheet = book.add_worksheet();
    sheet.set_name("填写说明")?;
    for (i, (header, width)) in (0..).zip([("列", 30), ("必填", 8), ("怎么填", 100)]) {
        sheet.write_string_with_format(0, i, header, &bold)?;
        sheet.set_column_width(i, width)?;
    }
    for (row, column) in (1..).zip(&of.columns) {
        sheet.write_string(row, 0, &column.header)?;
        sheet.write_string(row, 1, if column.required { "是" } else { "" })?;
        sheet.write_string(row, 2, column.cell_type.instructions())?;
    }
    Ok(book)
}
