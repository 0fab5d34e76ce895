//! What became of the rows: the bad ones in a file that Excel opens.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::read::guarded;
use super::write::csv_writer;

/// What became of the rows of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Rows that were loaded, or could have been.
    pub loaded: u64,
    /// Rows that had been loaded before.
    pub there: u64,
    /// Rows that are bad.
    pub bad: u64,
    /// Whether the rest was not looked at.
    pub stopped: bool,
}

/// A bad row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Its number in the file.
    pub line: u64,
    /// The bad cells; none if it is the row as a whole.
    pub cells: Vec<BadCell>,
}

/// A bad cell, or a bad row as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadCell {
    /// Its column in the file, from 0; none for the row as a whole or a column that is not there.
    pub column: Option<usize>,
    /// What stands above it.
    pub header: String,
    /// What it holds.
    pub value: String,
    /// What is wrong.
    pub why: String,
}

/// The file of the bad rows; it is made with the first of them.
pub struct Report {
    to: PathBuf,
    file: Option<csv::Writer<BufWriter<File>>>,
}

impl Report {
    /// A report that would stand in this file. What an earlier one told there is gone.
    ///
    /// # Errors
    /// If that can't be removed.
    pub fn new(to: &Path) -> anyhow::Result<Self> {
        if to.exists() {
            std::fs::remove_file(to).with_context(|| format!("文件 {}", to.display()))?;
        }
        Ok(Self {
            to: to.to_owned(),
            file: None,
        })
    }

    /// Writes one line about a row.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn tell(&mut self, row: &BadRow) -> anyhow::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = File::create(&self.to);
                let file = file.with_context(|| format!("文件 {}", self.to.display()))?;
                let mut file = csv_writer(file)?;
                file.write_record(["行", "单元格", "列", "值", "原因"])?;
                self.file.insert(file)
            }
        };
        let all = |of: &dyn Fn(&BadCell) -> String| {
            let texts = row.cells.iter().map(of).filter(|text| !text.is_empty());
            texts.collect::<Vec<_>>().join("；")
        };
        let cell = |cell: &BadCell| match cell.column {
            Some(column) => format!("{}{}", letters(column), row.line),
            None => String::new(),
        };
        let why = |cell: &BadCell| match (row.cells.len(), cell.header.as_str()) {
            (1, _) | (_, "") => cell.why.clone(),
            (_, header) => format!("{header}：{}", cell.why),
        };
        file.write_record([
            row.line.to_string(),
            all(&cell),
            all(&|cell| cell.header.clone()),
            guarded(&all(&|cell| cell.value.clone())),
            guarded(&all(&why)),
        ])?;
        Ok(file.flush()?)
    }
}

/// The letters of a column: A to Z, then AA.
fn letters(column: usize) -> String {
    let mut letters = Vec::new();
    let mut left = column + 1;
    while left > 0 {
        left -= 1;
        letters.push(char::from(
            b'A' + u8::try_from(left % 26).unwrap_or_default(),
        ));
        left /= 26;
    }
    letters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::letters;

    #[test]
    fn columns_have_letters_as_spreadsheets_have_them() {
        let of = [0, 25, 26, 51, 52, 701, 702].map(letters);
        assert_eq!(of, ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]);
    }
}
