//! Writes records to a spreadsheet.

use std::path::Path;

use anyhow::Context;
use chrono_tz::Tz;
use prost_reflect::Value;
use taizhang_client::AuthorizedChannel;
use taizhang_contracts::Office;

use crate::cells::OfficeContext;
use crate::list::{list, message_of};
use crate::sheet::Sheet;
use crate::write::Writer;

/// What to export.
pub struct Options<'a> {
    /// The kind of record.
    pub sheet: &'a Sheet,
    /// The office's id.
    pub office: &'a str,
    /// A channel to the service that keeps the records.
    pub channel: &'a AuthorizedChannel,
    /// The time zone of the office.
    pub zone: Tz,
    /// Which records; see `docs/filters.md`.
    pub filter: &'a str,
    /// The file to write; it must not exist yet.
    pub to: &'a Path,
}

/// Writes the records and returns how many there are; `progress` is told how many were written so
/// far. If it fails, there is no file.
///
/// # Errors
/// If the file exists or can't be written, or the service refuses.
pub async fn run(
    options: &Options<'_>,
    progress: &mut (dyn FnMut(u64) + Send),
) -> anyhow::Result<u64> {
    let office = Office::from_id(options.office).context("--office 应为单位编号，如 demo")?;
    let context = OfficeContext {
        office: office.to_string(),
        zone: options.zone,
    };
    let (channel, sheet) = (options.channel, options.sheet);
    let page = async |token: String| {
        let page = list(
            channel,
            sheet,
            &context.office,
            options.filter,
            false,
            &token,
        )
        .await;
        page.map_err(|status| anyhow::anyhow!("{}", message_of(&status)))
    };
    let (mut records, mut token) = page(String::new()).await?;
    let mut writer = Writer::create(options.to, &sheet.columns)?;
    let mut done = 0;
    loop {
        for record in records.iter().filter_map(Value::as_message) {
            writer.write(&sheet.columns, record, &context)?;
            done += 1;
        }
        progress(done);
        if token.is_empty() {
            writer.finish()?;
            return Ok(done);
        }
        (records, token) = page(token).await?;
    }
}
