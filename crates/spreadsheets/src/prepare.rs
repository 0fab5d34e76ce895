//! Turns rows into calls. No I/O; it only remembers which rows came before.

use std::collections::HashMap;

use anyhow::bail;
use prost::Message;
use prost_reflect::{DynamicMessage, Value};
use sha2::{Digest, Sha256};
use taizhang_contracts::name::split;

use crate::bad_rows::{BadCell, BadRow};
use crate::calls::{Call, calls};
use crate::cells::{Cell, OfficeContext, assignable_id};
use crate::columns::Column;
use crate::read::Row;
use crate::sheet::Sheet;

/// The index of the sheet's column that each column of the file is; `None` where the header is blank.
#[derive(Debug, Clone)]
pub(crate) struct Header(Vec<Option<usize>>);

impl Header {
    /// Reads the header of a file.
    ///
    /// # Errors
    /// Names every column that is unknown, repeated or missing.
    pub(crate) fn read(sheet: &Sheet, row: &Row) -> anyhow::Result<Self> {
        let mut columns: Vec<Option<usize>> = Vec::new();
        let mut wrong = Vec::new();
        for cell in &row.cells {
            let text = match cell {
                Cell::Blank => {
                    columns.push(None);
                    continue;
                }
                Cell::Text(text) => text.clone(),
                Cell::Time(time) => time.to_string(),
            };
            let matches = |column: &Column| normalized(&column.header) == normalized(&text);
            let column = sheet.columns.iter().position(matches);
            match column {
                None => wrong.push(format!("没有“{}”列{}", text.trim(), nearest(sheet, &text))),
                Some(_) if columns.contains(&column) => {
                    wrong.push(format!("“{}”列重复", text.trim()));
                }
                Some(_) => {}
            }
            columns.push(column);
        }
        for (i, column) in sheet.columns.iter().enumerate() {
            if column.required && !columns.contains(&Some(i)) {
                wrong.push(format!("缺少必填的“{}”列", column.header));
            }
        }
        if !wrong.is_empty() {
            let collection = sheet.kind.collection;
            bail!(
                "表头与“{}”不符：\n  {}\n模板：taizhang import --template {collection}",
                sheet.term,
                wrong.join("\n  ")
            );
        }
        Ok(Self(columns))
    }

    /// The index of the sheet's column in which a row has this id.
    pub(crate) fn naming(&self, row: &Row, id: &str) -> Option<usize> {
        let has = |cell: &Cell| matches!(cell, Cell::Text(text) if text.contains(id));
        let position = row.cells.iter().position(has)?;
        *self.0.get(position)?
    }

    /// The index of the file's column that is this column of the sheet.
    fn position(&self, column: usize) -> Option<usize> {
        self.0.iter().position(|c| *c == Some(column))
    }
}

/// A header without what does not matter: blanks, asterisks, the width of punctuation.
fn normalized(header: &str) -> String {
    let kept = header.chars().filter(|c| !c.is_whitespace() && *c != '*');
    kept.map(|c| match c {
        '(' => '（',
        ')' => '）',
        '.' | '•' => '·',
        c => c,
    })
    .collect()
}

/// Names the column whose header is most similar, if any is.
fn nearest(sheet: &Sheet, text: &str) -> String {
    let similarity = |column: &&Column| {
        let similarity =
            strsim::normalized_levenshtein(&normalized(&column.header), &normalized(text));
        (similarity * 1000.0) as i64
    };
    let nearest = sheet.columns.iter().max_by_key(similarity);
    match nearest.filter(|column| similarity(column) >= 300) {
        Some(column) => format!("，最接近的是“{}”", column.header),
        None => String::new(),
    }
}

/// A row with the calls that import it.
#[derive(Debug, Clone)]
pub(crate) struct PreparedRow {
    /// The row.
    pub(crate) row: Row,
    /// The name of its record.
    pub(crate) name: String,
    /// Another name under which the record may exist: that of the file, if its id can't be assigned.
    pub(crate) original_name: Option<String>,
    /// The calls that create the record and take it to its state.
    pub(crate) calls: Vec<Call>,
    /// The size of its encoded record in bytes.
    pub(crate) bytes: usize,
}

/// Prepares the rows of a file.
pub(crate) struct Preparer<'s> {
    sheet: &'s Sheet,
    header: Header,
    context: OfficeContext,
    /// How often each row came before, by its digest; given ids are counted here too.
    seen: HashMap<u64, u32>,
}

impl<'s> Preparer<'s> {
    /// For the rows under a header.
    pub(crate) fn new(sheet: &'s Sheet, header: Header, context: OfficeContext) -> Self {
        Self {
            sheet,
            header,
            context,
            seen: HashMap::new(),
        }
    }

    /// Prepares a row.
    ///
    /// # Errors
    /// Every cell that can't be parsed, or the one that keeps the record from its state.
    pub(crate) fn prepare(&mut self, row: Row) -> Result<PreparedRow, BadRow> {
        let mut message = DynamicMessage::new(self.sheet.message.clone());
        let mut cells = Vec::new();
        for (i, cell) in row.cells.iter().enumerate() {
            if *cell == Cell::Blank {
                continue;
            }
            let Some(column) = self.header.0.get(i).copied().flatten() else {
                cells.push(BadCell {
                    column: Some(i),
                    header: String::new(),
                    value: text_of(cell),
                    reason: "没有表头".into(),
                });
                continue;
            };
            let Some(known) = self.sheet.columns.get(column) else {
                continue;
            };
            match known.cell_type.parse(cell, &self.context) {
                Ok(value) => known.set(&mut message, value),
                Err(reason) => cells.push(bad_cell(self.sheet, &self.header, &row, column, reason)),
            }
        }
        if !cells.is_empty() {
            let line = row.line;
            return Err(BadRow { line, cells });
        }
        let (name, original_name) = self.name(&mut message).map_err(|reason| {
            let column = self.sheet.column_of("name");
            bad_row(self.sheet, &self.header, &row, column, reason)
        })?;
        match calls(self.sheet, &message, &name) {
            Ok(calls) => Ok(PreparedRow {
                bytes: message.encoded_len(),
                row,
                name,
                original_name,
                calls,
            }),
            Err(bad) => {
                let (column, reason) = (bad.column, bad.reason);
                Err(bad_row(self.sheet, &self.header, &row, column, reason))
            }
        }
    }

    /// The name of a row's record, from the given id or else from the digest of the row; and the original
    /// name, if its id can't be assigned.
    fn name(&mut self, row: &mut DynamicMessage) -> Result<(String, Option<String>), String> {
        let (office, collection) = (&self.context.office, self.sheet.kind.collection);
        let given = row.get_field_by_name("name");
        let given = given.and_then(|name| name.as_str().map(str::to_owned));
        row.clear_field_by_name("name");
        if let Some(given) = given.filter(|given| !given.is_empty()) {
            if *self.seen.entry(short_digest(given.as_bytes())).or_default() > 0 {
                return Err("编号在本文件中重复".into());
            }
            self.seen.insert(short_digest(given.as_bytes()), 1);
            let id = given.rsplit('/').next().unwrap_or_default();
            // A record with a generated id may exist, but a new one can't be given that id.
            if split(&given).is_some() && assignable_id(id) != id {
                let name = format!("{office}/{collection}/{}", assignable_id(id));
                return Ok((name, Some(given)));
            }
            return Ok((given, None));
        }
        let mut digest = Sha256::new();
        for part in [office.as_bytes(), self.sheet.kind.message.as_bytes()] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.update(row.encode_to_vec());
        let digest = digest.finalize();
        let count = self.seen.entry(short_digest(&digest)).or_default();
        let of_row = Sha256::new()
            .chain_update(digest)
            .chain_update(count.to_be_bytes());
        *count += 1;
        let id = hex::encode(of_row.finalize().get(..10).unwrap_or_default());
        Ok((format!("{office}/{collection}/r{id}"), None))
    }
}

fn short_digest(of: &[u8]) -> u64 {
    let digest = Sha256::digest(of);
    digest
        .iter()
        .take(8)
        .fold(0, |all, byte| all << 8 | u64::from(*byte))
}

/// A bad cell of a row, by the index of the sheet's column.
fn bad_cell(sheet: &Sheet, header: &Header, row: &Row, column: usize, reason: String) -> BadCell {
    let position = header.position(column);
    let cell = position.and_then(|i| row.cells.get(i));
    BadCell {
        column: position,
        header: sheet
            .columns
            .get(column)
            .map_or_else(String::new, |c| c.header.clone()),
        value: cell.map(text_of).unwrap_or_default(),
        reason,
    }
}

/// A bad row, by the index of the sheet's column that is to blame, or as a whole.
pub(crate) fn bad_row(
    sheet: &Sheet,
    header: &Header,
    row: &Row,
    column: Option<usize>,
    reason: String,
) -> BadRow {
    let whole = |reason| BadCell {
        column: None,
        header: String::new(),
        value: String::new(),
        reason,
    };
    let cell = match column {
        Some(column) => bad_cell(sheet, header, row, column, reason),
        None => whole(reason),
    };
    BadRow {
        line: row.line,
        cells: vec![cell],
    }
}

fn text_of(cell: &Cell) -> String {
    match cell {
        Cell::Blank => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Time(time) => time.to_string(),
    }
}

/// The names of the records of a list.
pub(crate) fn names(values: &[Value]) -> Vec<String> {
    let records = values.iter().filter_map(Value::as_message);
    let names = records.filter_map(|record| {
        let name = record.get_field_by_name("name")?;
        name.as_str().map(str::to_owned)
    });
    names.collect()
}
