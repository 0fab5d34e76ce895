//! Writes records to a spreadsheet.

use std::path::Path;

use anyhow::Context;
use chrono_tz::Tz;
use prost_reflect::Value;
use taizhang_contracts::Office;

use super::cells::Place;
use super::import::told;
use super::record::Record;
use super::wire;
use super::write::Writer;
use crate::client::Running;

/// What is to be written.
pub struct Options<'a> {
    /// The kind of record.
    pub record: &'a Record,
    /// The office's id.
    pub office: &'a str,
    /// The suite.
    pub running: &'a Running,
    /// Where its offices are.
    pub zone: Tz,
    /// Which records; see `docs/filters.md`.
    pub filter: &'a str,
    /// The file to write.
    pub to: &'a Path,
}

/// Writes the records; `progress` is told how many there are so far.
///
/// # Errors
/// If the file is there already or can't be written, or the suite can't be asked.
pub async fn run(
    options: &Options<'_>,
    progress: &mut (dyn FnMut(u64) + Send),
) -> anyhow::Result<u64> {
    let office = Office::from_id(options.office).context("--office 应为单位编号，如 demo")?;
    let channel = options.running.channel(options.record.role)?;
    let place = Place {
        office: office.to_string(),
        zone: options.zone,
    };
    let columns = &options.record.columns;
    let page = async |token: String| {
        let filter = options.filter;
        let page = wire::list(
            &channel,
            options.record,
            &place.office,
            filter,
            false,
            &token,
        );
        page.await
            .map_err(|status| anyhow::anyhow!("{}", told(&status)))
    };
    // What can't be asked for makes no file.
    let (mut records, mut token) = page(String::new()).await?;
    let mut writer = Writer::create(options.to, columns)?;
    let written = async {
        let mut done = 0;
        loop {
            for record in records.iter().filter_map(Value::as_message) {
                writer.write(columns, record, &place)?;
                done += 1;
            }
            progress(done);
            if token.is_empty() {
                writer.finish()?;
                return anyhow::Ok(done);
            }
            (records, token) = page(token).await?;
        }
    }
    .await;
    if written.is_err() {
        // Half a file would look like a whole one.
        std::fs::remove_file(options.to)?;
    }
    written
}
