//! Reading a spreadsheet row by row, on a thread of its own.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail};
use calamine::{DataRef, Reader, Xlsx};
use chrono::{NaiveDate, TimeDelta};
use encoding_rs::{CoderResult, Decoder, Encoding, GB18030, UTF_8};

use super::cells::Cell;

/// A row that is not blank.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its number in the file, from 1, as a spreadsheet program shows it.
    pub line: u64,
    /// Its cells.
    pub cells: Vec<Cell>,
}

/// How a spreadsheet is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A workbook; its first sheet counts.
    Xlsx,
    /// Text with commas.
    Csv,
}

impl Format {
    /// What a file's name says.
    ///
    /// # Errors
    /// If it says something else.
    pub fn of(file: &Path) -> anyhow::Result<Self> {
        let extension = file.extension().map(|e| e.to_ascii_lowercase());
        match extension.as_ref().and_then(|e| e.to_str()) {
            Some("xlsx") => Ok(Self::Xlsx),
            Some("csv") => Ok(Self::Csv),
            _ => bail!("{}：只支持 .xlsx 和 .csv", file.display()),
        }
    }
}

/// Gives each row to `take`, the header first, until it says no.
///
/// # Errors
/// If the file can't be read.
pub fn rows(file: &Path, take: impl FnMut(Row) -> bool) -> anyhow::Result<()> {
    let read = match Format::of(file)? {
        Format::Xlsx => xlsx(file, take),
        Format::Csv => csv(file, take),
    };
    read.with_context(|| format!("文件 {}", file.display()))
}

/// How many rows there are, more or less, without the header.
///
/// # Errors
/// If the file can't be read.
pub fn count(file: &Path) -> anyhow::Result<u64> {
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
        // The reader passes over empty lines; a spreadsheet program shows them as rows.
        let begun = record.position().map_or(0, csv::Position::line);
        let lines = reader.position().line().saturating_sub(begun);
        let within: usize = record.iter().map(|text| text.matches('\n').count()).sum();
        line += lines.saturating_sub(within as u64).max(1);
        let cells: Vec<_> = record.iter().map(|text| told(unguarded(text))).collect();
        if !is_blank(&cells) && !take(Row { line, cells }) {
            break;
        }
    }
    Ok(())
}

fn open(file: &Path) -> anyhow::Result<BufReader<File>> {
    Ok(BufReader::with_capacity(1 << 16, File::open(file)?))
}

fn told(text: &str) -> Cell {
    if text.trim().is_empty() {
        Cell::Blank
    } else {
        Cell::Text(text.to_owned())
    }
}

fn is_blank(cells: &[Cell]) -> bool {
    cells.iter().all(|cell| *cell == Cell::Blank)
}

/// What spreadsheet programs take for the beginning of a formula.
const FORMULA: &[char] = &['=', '+', '-', '@'];

/// A text as it goes into a .csv: a program must not run it as a formula.
pub(super) fn guarded(text: &str) -> String {
    let quoted = text.strip_prefix('\'').is_some_and(begins_badly);
    if text.starts_with(FORMULA) || quoted {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

fn unguarded(text: &str) -> &str {
    let rest = text.strip_prefix('\'');
    rest.filter(|rest| begins_badly(rest)).unwrap_or(text)
}

fn begins_badly(text: &str) -> bool {
    text.starts_with(FORMULA) || text.starts_with('\'')
}

/// Whether a file can be read in an encoding from end to end.
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

/// A file of any encoding as UTF-8.
struct Decoded<R> {
    from: R,
    decoder: Decoder,
    raw: Vec<u8>,
    /// What is in `raw` and not decoded yet.
    left: std::ops::Range<usize>,
    ended: bool,
    bad: bool,
}

impl<R: Read> Decoded<R> {
    fn new(from: R, encoding: &'static Encoding) -> Self {
        Self {
            from,
            decoder: encoding.new_decoder_with_bom_removal(),
            raw: vec![0; 1 << 16],
            left: 0..0,
            ended: false,
            bad: false,
        }
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        // Less room could not take a whole character.
        if to.len() < 16 {
            return Err(std::io::Error::other("the buffer is too small"));
        }
        loop {
            if self.left.is_empty() && !self.ended {
                let read = self.from.read(&mut self.raw)?;
                self.left = 0..read;
                self.ended = read == 0;
            }
            let from = self.raw.get(self.left.clone()).unwrap_or_default();
            let (result, read, written, bad) = self.decoder.decode_to_utf8(from, to, self.ended);
            self.left.start += read;
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
            told(text)
        }
        DataRef::SharedString(text) => told(text),
        DataRef::Int(number) => Cell::Text(number.to_string()),
        DataRef::Float(number) => Cell::Text(number.to_string()),
        DataRef::Bool(value) => Cell::Text(if *value { "是" } else { "否" }.to_owned()),
        DataRef::DateTime(time) => {
            let (year, month, day, hour, minute, second, milli) = time.to_ymd_hms_milli();
            let date = NaiveDate::from_ymd_opt(year.into(), month.into(), day.into());
            let time = date.and_then(|date| {
                date.and_hms_milli_opt(hour.into(), minute.into(), second.into(), milli.into())
            });
            // What was rounded on the way by a hair is a whole second.
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
    fn csv_is_read_in_each_encoding() {
        let text = "会议名称,\"地\n点\"\n\n第一次会议,三楼\n";
        let wanted = read(text.as_bytes()).unwrap();
        assert_eq!(wanted.len(), 2);
        assert_eq!(wanted[1].line, 3);
        assert_eq!(wanted[1].cells[0], Cell::Text("第一次会议".into()));
        let with_bom = [b"\xef\xbb\xbf", text.as_bytes()].concat();
        assert_eq!(read(&with_bom).unwrap(), wanted);
        assert_eq!(read(&GB18030.encode(text).0).unwrap(), wanted);
        assert!(read(b"\xff\xff\xff\n").is_err());
        // However long it is.
        let long = text.repeat(20_000);
        assert_eq!(read(&GB18030.encode(&long).0).unwrap().len(), 40_000);
    }

    #[test]
    fn what_looks_like_a_formula_is_guarded_and_comes_back() {
        for text in ["=1+1", "'=1", "''", "'a", "-5", "@x", "文", "", "'"] {
            let there = guarded(text);
            assert!(!there.starts_with(FORMULA), "{there}");
            assert_eq!(unguarded(&there), text);
        }
    }
}
