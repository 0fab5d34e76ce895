//! Writes a spreadsheet row by row.

use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, bail};
use chrono::{Datelike, NaiveDateTime, Timelike};
use prost_reflect::{DynamicMessage, Value};
use rust_xlsxwriter::{ExcelDateTime, Format as CellFormat, Workbook};
use taizhang_files::{Draft, Mode};

use crate::cells::{CellType, OfficeContext};
use crate::columns::Column;
use crate::read::{Format, escape_formula};

/// The most rows that a worksheet can have.
const MAX_ROWS: u32 = 1_048_576;

/// A spreadsheet that is being written. The file has its name only once it is finished.
pub(crate) enum Writer {
    /// Comma-separated text.
    Csv(Box<csv::Writer<BufWriter<Draft>>>),
    /// A workbook; its rows are kept on disk, not in memory.
    Xlsx(Box<Book>),
}

/// A workbook with one worksheet.
pub(crate) struct Book {
    book: Workbook,
    draft: Draft,
    day: CellFormat,
    instant: CellFormat,
    row: u32,
}

impl Writer {
    /// Begins a file that must not exist yet, and writes the header.
    ///
    /// # Errors
    /// If the file exists, or can't be written.
    pub(crate) fn create(to: &Path, columns: &[Column]) -> anyhow::Result<Self> {
        let format = Format::of(to)?;
        let draft = new_file(to)?;
        match format {
            Format::Csv => {
                let mut writer = csv_writer(BufWriter::new(draft))?;
                writer.write_record(columns.iter().map(|column| &column.header))?;
                Ok(Self::Csv(Box::new(writer)))
            }
            Format::Xlsx => {
                let mut book = Workbook::new();
                let sheet = book.add_worksheet_with_constant_memory()?;
                let bold = CellFormat::new().set_bold();
                for (i, column) in (0..).zip(columns) {
                    sheet.set_column_width(i, 18)?;
                    sheet.write_string_with_format(0, i, &column.header, &bold)?;
                }
                sheet.set_freeze_panes(1, 0)?;
                Ok(Self::Xlsx(Box::new(Book {
                    book,
                    draft,
                    day: CellFormat::new().set_num_format("yyyy-mm-dd"),
                    instant: CellFormat::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
                    row: 0,
                })))
            }
        }
    }

    /// Writes a record as the next row.
    ///
    /// # Errors
    /// If a worksheet can't have more rows, or the disk refuses.
    pub(crate) fn write(
        &mut self,
        columns: &[Column],
        record: &DynamicMessage,
        context: &OfficeContext,
    ) -> anyhow::Result<()> {
        match self {
            Self::Csv(writer) => {
                let cells = columns.iter().map(|column| {
                    let text = column.show(record, context);
                    match column.cell_type {
                        CellType::Number(_) | CellType::Money => text,
                        _ => escape_formula(&text),
                    }
                });
                writer.write_record(cells)?;
            }
            Self::Xlsx(book) => book.write(columns, record, context)?,
        }
        Ok(())
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// If the disk refuses, or the file was made by another in the meantime.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        let draft = match self {
            Self::Csv(writer) => {
                let buffer = writer.into_inner().map_err(|e| e.into_error())?;
                buffer.into_inner().map_err(|e| e.into_error())?
            }
            Self::Xlsx(mut book) => {
                book.book.save_to_writer(&mut book.draft)?;
                book.draft
            }
        };
        Ok(draft.finish()?)
    }
}

/// The draft of a spreadsheet that must not exist yet.
pub(crate) fn new_file(to: &Path) -> anyhow::Result<Draft> {
    Draft::create(to, Mode::Umask).with_context(|| format!("文件 {}", to.display()))
}

/// Writes comma-separated text with a byte order mark, by which Excel knows that it is UTF-8.
pub(crate) fn csv_writer<W: Write>(mut to: W) -> anyhow::Result<csv::Writer<W>> {
    to.write_all("\u{feff}".as_bytes())?;
    Ok(csv::Writer::from_writer(to))
}

impl Book {
    fn write(
        &mut self,
        columns: &[Column],
        record: &DynamicMessage,
        context: &OfficeContext,
    ) -> anyhow::Result<()> {
        self.row += 1;
        if self.row >= MAX_ROWS {
            bail!("一张工作表至多{MAX_ROWS}行，请导出为 .csv，或用 --filter 分批导出");
        }
        let sheet = self.book.worksheet_from_index(0)?;
        for (i, column) in (0..).zip(columns) {
            let Some(value) = column.get(record) else {
                continue;
            };
            if let Some((time, instant)) = column.cell_type.time(&value, context)
                && let Some(time) = excel_time(time)
            {
                let format = if instant { &self.instant } else { &self.day };
                sheet.write_datetime_with_format(self.row, i, &time, format)?;
                continue;
            }
            match (&column.cell_type, &value) {
                (CellType::Number(_), Value::I32(number)) => {
                    sheet.write_number(self.row, i, *number)?;
                }
                _ => {
                    let text = column.cell_type.format(&value, context);
                    if !text.is_empty() {
                        sheet.write_string(self.row, i, text)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A time as a workbook stores it; `None` if it can't: workbooks have no days before 1900 and no
/// exact fractions of seconds.
fn excel_time(time: NaiveDateTime) -> Option<ExcelDateTime> {
    if time.year() < 1901 || time.nanosecond() > 0 {
        return None;
    }
    let small = |number: u32| u8::try_from(number).ok();
    let year = u16::try_from(time.year()).ok()?;
    let date = ExcelDateTime::from_ymd(year, small(time.month())?, small(time.day())?).ok()?;
    let (hour, minute) = (time.hour().try_into().ok()?, small(time.minute())?);
    date.and_hms(hour, minute, time.second()).ok()
}
