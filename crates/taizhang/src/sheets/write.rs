//! Writing a spreadsheet row by row.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chrono::{Datelike, NaiveDateTime, Timelike};
use prost_reflect::{DynamicMessage, Value};
use rust_xlsxwriter::{ExcelDateTime, Format as Look, Workbook};

use super::cells::{Place, Shape};
use super::columns::Column;
use super::read::{Format, guarded};

/// The most rows that a sheet has.
const MOST_ROWS: u32 = 1_048_576;

/// A spreadsheet that is being written.
pub enum Writer {
    /// Text with commas.
    Csv(Box<csv::Writer<BufWriter<File>>>),
    /// A workbook, whose rows go to the disk.
    Xlsx(Box<Book>),
}

/// A workbook with one sheet.
pub struct Book {
    book: Workbook,
    to: PathBuf,
    day: Look,
    instant: Look,
    row: u32,
}

impl Writer {
    /// A new file, with the header.
    ///
    /// # Errors
    /// If the file is there already, or can't be made.
    pub fn create(to: &Path, columns: &[Column]) -> anyhow::Result<Self> {
        let format = Format::of(to)?;
        let file = File::create_new(to).with_context(|| format!("文件 {}", to.display()))?;
        match format {
            Format::Csv => {
                let mut writer = csv_writer(file)?;
                writer.write_record(columns.iter().map(|column| &column.header))?;
                Ok(Self::Csv(Box::new(writer)))
            }
            Format::Xlsx => {
                let mut book = Workbook::new();
                let sheet = book.add_worksheet_with_constant_memory()?;
                let bold = Look::new().set_bold();
                for (i, column) in (0..).zip(columns) {
                    sheet.set_column_width(i, 18)?;
                    sheet.write_string_with_format(0, i, &column.header, &bold)?;
                }
                sheet.set_freeze_panes(1, 0)?;
                Ok(Self::Xlsx(Box::new(Book {
                    book,
                    to: to.to_owned(),
                    day: Look::new().set_num_format("yyyy-mm-dd"),
                    instant: Look::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
                    row: 0,
                })))
            }
        }
    }

    /// Writes a record as the next row.
    ///
    /// # Errors
    /// If there is no room.
    pub fn write(
        &mut self,
        columns: &[Column],
        record: &DynamicMessage,
        place: &Place,
    ) -> anyhow::Result<()> {
        match self {
            Self::Csv(writer) => {
                let cells = columns.iter().map(|column| {
                    let text = column.show(record, place);
                    match column.shape {
                        Shape::Number(_) | Shape::Money => text,
                        _ => guarded(&text),
                    }
                });
                writer.write_record(cells)?;
            }
            Self::Xlsx(book) => book.write(columns, record, place)?,
        }
        Ok(())
    }

    /// Closes the file.
    ///
    /// # Errors
    /// If the disk has no room.
    pub fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Csv(mut writer) => writer.flush()?,
            Self::Xlsx(mut book) => book.book.save(&book.to)?,
        }
        Ok(())
    }
}

/// Writes text with commas, as Excel takes it for UTF-8.
pub(super) fn csv_writer(file: File) -> anyhow::Result<csv::Writer<BufWriter<File>>> {
    let mut file = BufWriter::new(file);
    file.write_all("\u{feff}".as_bytes())?;
    Ok(csv::Writer::from_writer(file))
}

impl Book {
    fn write(
        &mut self,
        columns: &[Column],
        record: &DynamicMessage,
        place: &Place,
    ) -> anyhow::Result<()> {
        self.row += 1;
        if self.row >= MOST_ROWS {
            bail!("一张工作表至多{MOST_ROWS}行，请导出为 .csv，或用 --filter 分批导出");
        }
        let sheet = self.book.worksheet_from_index(0)?;
        for (i, column) in (0..).zip(columns) {
            let Some(value) = column.get(record) else {
                continue;
            };
            if let Some((time, instant)) = column.shape.time(&value, place)
                && let Some(time) = excel(time)
            {
                let look = if instant { &self.instant } else { &self.day };
                sheet.write_datetime_with_format(self.row, i, &time, look)?;
                continue;
            }
            match (&column.shape, &value) {
                (Shape::Number(_), Value::I32(number)) => {
                    sheet.write_number(self.row, i, *number)?;
                }
                _ => {
                    let text = column.shape.show(&value, place);
                    if !text.is_empty() {
                        sheet.write_string(self.row, i, text)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A time as a spreadsheet has it, if it can have it: its days begin in 1900, and its times are
/// not exact to the nanosecond.
fn excel(time: NaiveDateTime) -> Option<ExcelDateTime> {
    if time.year() < 1901 || time.nanosecond() > 0 {
        return None;
    }
    let small = |number: u32| u8::try_from(number).ok();
    let year = u16::try_from(time.year()).ok()?;
    let date = ExcelDateTime::from_ymd(year, small(time.month())?, small(time.day())?).ok()?;
    let (hour, minute) = (time.hour().try_into().ok()?, small(time.minute())?);
    date.and_hms(hour, minute, time.second()).ok()
}
