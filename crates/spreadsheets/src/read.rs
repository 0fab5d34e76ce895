//! Reads a spreadsheet row by row. It blocks: an import does it on a thread of its own.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::Context;
use calamine::{DataRef, Reader, Xlsx};
use chrono::{NaiveDate, TimeDelta};
use encoding_rs::{CoderResult, Decoder, Encoding, GB18030, UTF_8};

use crate::cells::Cell;

/// A row that is not blank.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// Its number in the file, from 1, as a spreadsheet program shows it.
    pub(crate) line: u64,
    /// Its cells.
    pub(crate) cells: Vec<Cell>,
}

/// A file format of spreadsheets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A workbook; its first worksheet is read.
    Xlsx,
    /// Comma-separated text.
    Csv,
}

impl Format {
    /// The format of a file with this extension, such as `xlsx`.
    pub fn of_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "xlsx" => Some(Self::Xlsx),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }

    /// The format of a file, by its extension.
    ///
    /// # Errors
    /// If it is another extension.
    pub fn of(file: &Path) -> anyhow::Result<Self> {
        let extension = file.extension().and_then(|e| e.to_str());
        let format = extension.and_then(Self::of_extension);
        format.with_context(|| format!("{}：只支持 .xlsx 和 .csv", file.display()))
    }
}

/// Gives each row to `take`, the header first, until it returns false.
///
/// # Errors
/// If the file can't be read.
pub(crate) fn rows(file: &Path, take: impl FnMut(Row) -> bool) -> anyhow::Result<()> {
    let read = match Format::of(file)? {
        Format::Xlsx => xlsx(file, take),
        Format::Csv => csv(file, take),
    };
    read.with_context(|| format!("文件 {}", file.display()))
}

/// About how many rows there are, without the header.
///
/// # Errors
/// If the file can't be read.
pub(crate) fn count(file: &Path) -> anyhow::Result<u64> {
    let counted = match Format::of(file)? {
        Format::Xlsx => xlsx_count(file),
        Format::Csv => csv_count(file),
    };
    counted.with_context(|| format!("文件 {}", file.display()))
}

fn csv_count(file: &Path) -> anyhow::Result<u64> {
    let mut reader = csv_reader(open(file)?);
    let mut record = csv::ByteRecord::new();
    let mut rows = 0_u64;
    while reader.read_byte_record(&mut record)? {
        rows += 1;
    }
    Ok(rows.saturating_sub(1))
}

fn csv_reader<R: Read>(from: R) -> csv::Reader<R> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(from)
}

fn csv(file: &Path, mut take: impl FnMut(Row) -> bool) -> anyhow::Result<()> {
    let encoding = [UTF_8, GB18030]
        .into_iter()
        .find_map(|encoding| match is_in(file, encoding) {
            Ok(false) => None,
            Ok(true) => Some(Ok(encoding)),
            Err(error) => Some(Err(error)),
        })
        .context("既不是 UTF-8，也不是 GB18030 编码")??;
    let mut reader = csv_reader(Decoded::new(open(file)?, encoding));
    let mut record = csv::StringRecord::new();
    let mut line = 0;
    while reader.read_record(&mut record)? {
        // The reader skips empty lines; a spreadsheet program shows them as rows.
        let begun = record.position().map_or(0, csv::Position::line);
        let lines = reader.position().line().saturating_sub(begun);
        let within: usize = record.iter().map(|text| text.matches('\n').count()).sum();
        line += lines.saturating_sub(within as u64).max(1);
        let cells: Vec<_> = record
            .iter()
            .map(|text| cell_of_text(unescape_formula(text)))
            .collect();
        if !is_blank(&cells) && !take(Row { line, cells }) {
            break;
        }
    }
    Ok(())
}

fn open(file: &Path) -> anyhow::Result<BufReader<File>> {
    Ok(BufReader::with_capacity(1 << 16, File::open(file)?))
}

fn cell_of_text(text: &str) -> Cell {
    if text.trim().is_empty() {
        Cell::Blank
    } else {
        Cell::Text(text.to_owned())
    }
}

fn is_blank(cells: &[Cell]) -> bool {
    cells.iter().all(|cell| *cell == Cell::Blank)
}

/// The characters with which a formula begins.
const FORMULA: &[char] = &['=', '+', '-', '@'];

/// A text as it is written to a .csv: with an apostrophe before what a spreadsheet program would run as
/// a formula.
pub(crate) fn escape_formula(text: &str) -> String {
    let escaped = text.strip_prefix('\'').is_some_and(needs_escape);
    if text.starts_with(FORMULA) || escaped {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// A text without the apostrophe of [`escape_formula`].
fn unescape_formula(text: &str) -> &str {
    let rest = text.strip_prefix('\'');
    rest.filter(|rest| needs_escape(rest)).unwrap_or(text)
}

fn needs_escape(text: &str) -> bool {
    text.starts_with(FORMULA) || text.starts_with('\'')
}

/// Whether all of a file is valid in an encoding.
fn is_in(file: &Path, encoding: &'static Encoding) -> anyhow::Result<bool> {
    let mut decoded = Decoded::new(open(file)?, encoding);
    let mut buffer = vec![0; 1 << 16];
    while decoded.read(&mut buffer)? > 0 {
        if decoded.bad {
            return Ok(false);
        }
    }
    Ok(!decoded.bad)
}

/// Reads text of any encoding as UTF-8.
struct Decoded<R> {
    from: R,
    decoder: Decoder,
    raw: Vec<u8>,
    /// The part of `raw` that is not decoded yet.
    undecoded: std::ops::Range<usize>,
    ended: bool,
    bad: bool,
}

impl<R: Read> Decoded<R> {
    fn new(from: R, encoding: &'static Encoding) -> Self {
        Self {
            from,
            decoder: encoding.new_decoder_with_bom_removal(),
            raw: vec![0; 1 << 16],
            undecoded: 0..0,
            ended: false,
            bad: false,
        }
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        // A smaller buffer might not hold one character.
        if to.len() < 16 {
            return Err(std::io::Error::other("the buffer is too small"));
        }
        loop {
            if self.undecoded.is_empty() && !self.ended {
                let read = self.from.read(&mut self.raw)?;
                self.undecoded = 0..read;
                self.ended = read == 0;
            }
            let from = self.raw.get(self.undecoded.clone()).unwrap_or_default();
            let (result, read, written, bad) = self.decoder.decode_to_utf8(from, to, self.ended);
            self.undecoded.start += read;
            self.bad |= bad;
            let done = self.ended && result == CoderResult::InputEmpty;
            if written > 0 || done {
                return Ok(written);
            }
        }
    }
}

type Book = Xlsx<BufReader<File>>;

fn book(file: &Path) -> anyhow::Result<(Book, String)> {
    let book: Book = calamine::open_workbook(file)?;
    let first = book.sheet_names().first().cloned();
    let first = first.context("没有工作表")?;
    Ok((book, first))
}

fn xlsx_count(file: &Path) -> anyhow::Result<u64> {
    let (mut book, sheet) = book(file)?;
    let size = book.worksheet_cells_reader(&sheet)?.dimensions();
    Ok(u64::from(size.end.0.saturating_sub(size.start.0)))
}

fn xlsx(file: &Path, mut take: impl FnMut(Row) -> bool) -> anyhow::Result<()> {
    let (mut book, sheet) = book(file)?;
    let mut reader = book.worksheet_cells_reader(&sheet)?;
    let mut row = Row {
        line: 0,
        cells: Vec::new(),
    };
    while let Some(found) = reader.next_cell()? {
        let (line, column) = found.get_position();
        let line = u64::from(line) + 1;
        if line != row.line {
            let cells = std::mem::take(&mut row.cells);
            if !is_blank(&cells)
                && !take(Row {
                    line: row.line,
                    cells,
                })
            {
                return Ok(());
            }
            row.line = line;
        }
        let column = column as usize;
        if row.cells.len() <= column {
            row.cells.resize(column + 1, Cell::Blank);
        }
        if let Some(cell) = row.cells.get_mut(column) {
            *cell = cell_of(found.get_value());
        }
    }
    if !is_blank(&row.cells) {
        take(row);
    }
    Ok(())
}

fn cell_of(value: &DataRef<'_>) -> Cell {
    match value {
        DataRef::Empty => Cell::Blank,
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            cell_of_text(text)
        }
        DataRef::SharedString(text) => cell_of_text(text),
        DataRef::Int(number) => Cell::Text(number.to_string()),
        DataRef::Float(number) => Cell::Text(number.to_string()),
        DataRef::Bool(value) => Cell::Text(if *value { "是" } else { "否" }.to_owned()),
        DataRef::DateTime(time) => {
            let (year, month, day, hour, minute, second, milli) = time.to_ymd_hms_milli();
            let date = NaiveDate::from_ymd_opt(year.into(), month.into(), day.into());
            let time = date.and_then(|date| {
                date.and_hms_milli_opt(hour.into(), minute.into(), second.into(), milli.into())
            });
            // Times are stored as fractions of days: what is 1 ms off was a whole second.
            time.map_or(Cell::Blank, |time| match milli {
                999 => Cell::Time(time + TimeDelta::milliseconds(1)),
                1 => Cell::Time(time - TimeDelta::milliseconds(1)),
                _ => Cell::Time(time),
            })
        }
        DataRef::Error(error) => Cell::Text(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(bytes: &[u8]) -> anyhow::Result<Vec<Row>> {
        let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let mut all = Vec::new();
        rows(file.path(), |row| {
            all.push(row);
            true
        })?;
        Ok(all)
    }

    #[test]
    fn csv_is_read_in_utf_8_and_gb18030() {
        let text = "会议名称,\"地\n点\"\n\n第一次会议,三楼\n";
        let wanted = read(text.as_bytes()).unwrap();
        assert_eq!(wanted.len(), 2);
        assert_eq!(wanted[1].line, 3);
        assert_eq!(wanted[1].cells[0], Cell::Text("第一次会议".into()));
        let with_bom = [b"\xef\xbb\xbf", text.as_bytes()].concat();
        assert_eq!(read(&with_bom).unwrap(), wanted);
        assert_eq!(read(&GB18030.encode(text).0).unwrap(), wanted);
        assert!(read(b"\xff\xff\xff\n").is_err());
        // Also longer than the buffer.
        let long = text.repeat(20_000);
        assert_eq!(read(&GB18030.encode(&long).0).unwrap().len(), 40_000);
    }

    #[test]
    fn formulas_are_escaped_and_unescaped() {
        for text in ["=1+1", "'=1", "''", "'a", "-5", "@x", "文", "", "'"] {
            let escaped = escape_formula(text);
            assert!(!escaped.starts_with(FORMULA), "{escaped}");
            assert_eq!(unescape_formula(&escaped), text);
        }
    }
}
