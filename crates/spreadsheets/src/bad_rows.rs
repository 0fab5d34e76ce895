//! The bad rows of an import, as a .csv that Excel opens, and what became of the other rows.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::read::escape_formula;
use crate::write::csv_writer;

/// How many rows of a file were imported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Rows that were imported; in a dry run, that could have been.
    pub imported: u64,
    /// Rows whose records existed already.
    pub existing: u64,
    /// Rows that are bad and were left out.
    pub bad: u64,
    /// Whether the import stopped before the end of the file.
    pub stopped: bool,
}

/// A bad row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadRow {
    /// Its number in the file.
    pub(crate) line: u64,
    /// What is wrong with it.
    pub(crate) cells: Vec<BadCell>,
}

/// A bad cell, or a bad row as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadCell {
    /// Its column in the file, from 0; `None` for the whole row, and for a column that the file lacks.
    pub(crate) column: Option<usize>,
    /// The header of its column.
    pub(crate) header: String,
    /// Its text.
    pub(crate) value: String,
    /// What is wrong.
    pub(crate) reason: String,
}

/// Writes the file of bad rows, which is made with the first of them. It can be read while the import
/// runs: each row is flushed, and it is not a draft.
pub(crate) struct BadRows {
    to: PathBuf,
    file: Option<csv::Writer<BufWriter<File>>>,
}

impl BadRows {
    /// Prepares to write to this file, and removes the one of an earlier import.
    ///
    /// # Errors
    /// If that can't be removed.
    pub(crate) fn new(to: &Path) -> anyhow::Result<Self> {
        if to.exists() {
            std::fs::remove_file(to).with_context(|| format!("文件 {}", to.display()))?;
        }
        Ok(Self {
            to: to.to_owned(),
            file: None,
        })
    }

    /// Writes one line for a row.
    ///
    /// # Errors
    /// If the file can't be written.
    pub(crate) fn write(&mut self, row: &BadRow) -> anyhow::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = File::create(&self.to);
                let file = file.with_context(|| format!("文件 {}", self.to.display()))?;
                let mut file = csv_writer(BufWriter::new(file))?;
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
        let reason = |cell: &BadCell| match (row.cells.len(), cell.header.as_str()) {
            (1, _) | (_, "") => cell.reason.clone(),
            (_, header) => format!("{header}：{}", cell.reason),
        };
        file.write_record([
            row.line.to_string(),
            all(&cell),
            all(&|cell| cell.header.clone()),
            escape_formula(&all(&|cell| cell.value.clone())),
            escape_formula(&all(&reason)),
        ])?;
        Ok(file.flush()?)
    }
}

/// The name of a column in a spreadsheet program: A to Z, then AA.
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
    fn columns_are_named_as_in_spreadsheet_programs() {
        let of = [0, 25, 26, 51, 52, 701, 702].map(letters);
        assert_eq!(of, ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]);
    }
}
