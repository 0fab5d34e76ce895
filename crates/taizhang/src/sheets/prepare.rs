//! Rows become calls. Pure, apart from what it remembers of the rows before.

use std::collections::HashMap;

use anyhow::bail;
use prost::Message;
use prost_reflect::{DynamicMessage, Value};
use sha2::{Digest, Sha256};
use taizhang_contracts::name::split;

use super::cells::{Cell, Place, given};
use super::columns::Column;
use super::plan::{Call, plan};
use super::read::Row;
use super::record::Record;
use super::report::{BadCell, BadRow};

/// Which column of the record each column of the file is.
#[derive(Debug, Clone)]
pub struct Header(Vec<Option<usize>>);

impl Header {
    /// Reads the header of a file.
    ///
    /// # Errors
    /// Names every column that is not known, is there twice, or is missing.
    pub fn read(record: &Record, row: &Row) -> anyhow::Result<Self> {
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
            let known = |column: &Column| plain(&column.header) == plain(&text);
            let column = record.columns.iter().position(known);
            match column {
                None => wrong.push(format!("没有“{}”列{}", text.trim(), nearest(record, &text))),
                Some(_) if columns.contains(&column) => {
                    wrong.push(format!("“{}”列重复", text.trim()));
                }
                Some(_) => {}
            }
            columns.push(column);
        }
        for (i, column) in record.columns.iter().enumerate() {
            if column.required && !columns.contains(&Some(i)) {
                wrong.push(format!("缺少必填的“{}”列", column.header));
            }
        }
        if !wrong.is_empty() {
            let collection = record.kind.collection();
            bail!(
                "表头与“{}”不符：\n  {}\n模板：taizhang import --template {collection}",
                record.term,
                wrong.join("\n  ")
            );
        }
        Ok(Self(columns))
    }

    /// The column of the record in which a row has this id.
    pub(super) fn naming(&self, row: &Row, id: &str) -> Option<usize> {
        let has = |cell: &Cell| matches!(cell, Cell::Text(text) if text.contains(id));
        let place = row.cells.iter().position(has)?;
        *self.0.get(place)?
    }

    /// The column of the file that is this column of the record.
    fn place(&self, column: usize) -> Option<usize> {
        self.0.iter().position(|c| *c == Some(column))
    }
}

/// A header as far as it counts.
fn plain(header: &str) -> String {
    let kept = header.chars().filter(|c| !c.is_whitespace() && *c != '*');
    kept.map(|c| match c {
        '(' => '（',
        ')' => '）',
        '.' | '•' => '·',
        c => c,
    })
    .collect()
}

fn nearest(record: &Record, text: &str) -> String {
    let likeness = |column: &&Column| {
        let likeness = strsim::normalized_levenshtein(&plain(&column.header), &plain(text));
        (likeness * 1000.0) as i64
    };
    let nearest = record.columns.iter().max_by_key(likeness);
    match nearest.filter(|column| likeness(column) >= 300) {
        Some(column) => format!("，最接近的是“{}”", column.header),
        None => String::new(),
    }
}

/// A row that is ready to be loaded.
#[derive(Debug, Clone)]
pub struct Ready {
    /// Where it came from.
    pub row: Row,
    /// The name of its record.
    pub name: String,
    /// Another name under which the record may be there.
    pub was: Option<String>,
    /// Its calls.
    pub calls: Vec<Call>,
    /// The bytes of its record.
    pub bytes: usize,
}

/// Makes rows ready.
pub struct Preparing<'r> {
    record: &'r Record,
    header: Header,
    place: Place,
    /// How often each row was there; ids that are given count as one too.
    seen: HashMap<u64, u32>,
}

impl<'r> Preparing<'r> {
    /// For the rows under a header.
    pub fn new(record: &'r Record, header: Header, place: Place) -> Self {
        Self {
            record,
            header,
            place,
            seen: HashMap::new(),
        }
    }

    /// Makes a row ready.
    ///
    /// # Errors
    /// Every cell that can't be read, or the one that keeps the record from its state.
    pub fn ready(&mut self, row: Row) -> Result<Ready, BadRow> {
        let mut message = DynamicMessage::new(self.record.message.clone());
        let mut cells = Vec::new();
        for (i, cell) in row.cells.iter().enumerate() {
            if *cell == Cell::Blank {
                continue;
            }
            let Some(column) = self.header.0.get(i).copied().flatten() else {
                cells.push(BadCell {
                    column: Some(i),
                    header: String::new(),
                    value: shown(cell),
                    why: "没有表头".into(),
                });
                continue;
            };
            let Some(known) = self.record.columns.get(column) else {
                continue;
            };
            match known.shape.read(cell, &self.place) {
                Ok(value) => known.put(&mut message, value),
                Err(why) => cells.push(bad_cell(self.record, &self.header, &row, column, why)),
            }
        }
        if !cells.is_empty() {
            let line = row.line;
            return Err(BadRow { line, cells });
        }
        let (name, was) = self.name(&mut message).map_err(|why| {
            let column = self.record.column_of("name");
            bad_row(self.record, &self.header, &row, column, why)
        })?;
        match plan(self.record, &message, &name) {
            Ok(calls) => Ok(Ready {
                bytes: message.encoded_len(),
                row,
                name,
                was,
                calls,
            }),
            Err(bad) => {
                let (column, why) = (bad.column, bad.why);
                Err(bad_row(self.record, &self.header, &row, column, why))
            }
        }
    }

    /// The name of a row's record: of the id that is given, or of what the row holds.
    fn name(&mut self, row: &mut DynamicMessage) -> Result<(String, Option<String>), String> {
        let (office, collection) = (&self.place.office, self.record.kind.collection());
        let told = row.get_field_by_name("name");
        let told = told.and_then(|name| name.as_str().map(str::to_owned));
        row.clear_field_by_name("name");
        if let Some(told) = told.filter(|told| !told.is_empty()) {
            if *self.seen.entry(short_digest(told.as_bytes())).or_default() > 0 {
                return Err("编号在本文件中重复".into());
            }
            self.seen.insert(short_digest(told.as_bytes()), 1);
            let id = told.rsplit('/').next().unwrap_or_default();
            // An id that a caller can't give: the record may be there, but can't be made so.
            let made = split(&told).is_some() && given(id) != id;
            let name = match made {
                true => format!("{office}/{collection}/{}", given(id)),
                false => told.clone(),
            };
            return Ok((name, made.then_some(told)));
        }
        let mut digest = Sha256::new();
        for part in [office.as_bytes(), self.record.kind.message().as_bytes()] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.update(row.encode_to_vec());
        let digest = digest.finalize();
        let times = self.seen.entry(short_digest(&digest)).or_default();
        let of_row = Sha256::new()
            .chain_update(digest)
            .chain_update(times.to_be_bytes());
        *times += 1;
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

/// A bad cell of a row, by the record's column.
fn bad_cell(record: &Record, header: &Header, row: &Row, column: usize, why: String) -> BadCell {
    let place = header.place(column);
    let cell = place.and_then(|place| row.cells.get(place));
    BadCell {
        column: place,
        header: record
            .columns
            .get(column)
            .map_or_else(String::new, |c| c.header.clone()),
        value: cell.map(shown).unwrap_or_default(),
        why,
    }
}

/// A bad row, by the record's column that is to blame; or as a whole.
pub(super) fn bad_row(
    record: &Record,
    header: &Header,
    row: &Row,
    column: Option<usize>,
    why: String,
) -> BadRow {
    let whole = |why| BadCell {
        column: None,
        header: String::new(),
        value: String::new(),
        why,
    };
    let cell = match column {
        Some(column) => bad_cell(record, header, row, column, why),
        None => whole(why),
    };
    BadRow {
        line: row.line,
        cells: vec![cell],
    }
}

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Blank => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Time(time) => time.to_string(),
    }
}

/// The names of the records of a list.
pub(super) fn names(values: &[Value]) -> Vec<String> {
    let records = values.iter().filter_map(Value::as_message);
    let names = records.filter_map(|record| {
        let name = record.get_field_by_name("name")?;
        name.as_str().map(str::to_owned)
    });
    names.collect()
}
