//! `taizhang export`.

use std::path::PathBuf;

use clap::Args;
use taizhang_runtime::Config;
use taizhang_spreadsheets::export;

use super::progress;
use crate::roles::role;
use crate::running::Running;
use crate::spreadsheets::catalogue;

/// What to export.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The kind of record, such as `meetings`.
    #[arg(long)]
    record: String,
    /// The id of the office, such as `demo`.
    #[arg(long)]
    office: String,
    /// The file to write, .xlsx or .csv; it must not exist yet.
    #[arg(long)]
    to: PathBuf,
    /// Which records, such as `held_on >= 2022-01-01`; see docs/filters.md.
    #[arg(long, default_value = "")]
    filter: String,
    #[command(flatten)]
    running: Running,
}

pub(crate) async fn run(config: &Config, export: Export) -> anyhow::Result<()> {
    let sheet = catalogue().sheet(&export.record)?;
    let options = export::Options {
        sheet: &sheet,
        office: &export.office,
        channel: &export.running.channel(role(sheet.service)?)?,
        zone: config.time_zone,
        filter: &export.filter,
        to: &export.to,
    };
    let bar = progress::bar()?;
    let written = export::run(&options, &mut |done| progress::show(&bar, "导出", done, 0)).await;
    bar.finish_and_clear();
    println!("已导出 {} 行：{}", written?, export.to.display());
    Ok(())
}
