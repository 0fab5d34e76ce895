//! `taizhang import`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use clap::Args;
use taizhang_runtime::Config;
use taizhang_spreadsheets::{Format, import, template};

use super::progress;
use crate::roles::role;
use crate::running::Running;
use crate::spreadsheets::catalogue;

/// What to import.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The spreadsheet, .xlsx or .csv; its first row is the header.
    #[arg(required_unless_present = "template", conflicts_with = "template")]
    file: Option<PathBuf>,
    /// Instead, writes an empty spreadsheet for this kind of record, such as `meetings`.
    #[arg(long, value_name = "RECORD")]
    template: Option<String>,
    /// With `--template`: the file format.
    #[arg(long, value_parser = ["xlsx", "csv"], default_value = "xlsx", requires = "template")]
    format: String,
    /// With `--template`: the file to write; `RECORD.xlsx` if none is given.
    #[arg(long, requires = "template")]
    to: Option<PathBuf>,
    /// The kind of record, such as `meetings`.
    #[arg(long, required_unless_present = "template")]
    record: Option<String>,
    /// The id of the office, such as `demo`.
    #[arg(long, required_unless_present = "template")]
    office: Option<String>,
    #[command(flatten)]
    running: Running,
    /// Validates the rows and writes nothing.
    #[arg(long)]
    dry_run: bool,
    /// The file for the bad rows; `FILE.bad.csv` if not given.
    #[arg(long)]
    result: Option<PathBuf>,
    /// The most rows of a batch.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=1000))]
    batch: u16,
}

pub(crate) async fn run(config: &Config, import: Import) -> anyhow::Result<()> {
    if let Some(record) = &import.template {
        return write_template(record, &import.format, import.to);
    }
    let file = import.file.context("缺少文件")?;
    let sheet = catalogue().sheet(&import.record.context("缺少 --record")?)?;
    let result = import.result.unwrap_or_else(|| {
        let mut name = file.clone().into_os_string();
        name.push(".bad.csv");
        name.into()
    });
    let options = import::Options {
        channel: import.running.channel(role(sheet.service)?)?,
        sheet,
        office: import.office.context("缺少 --office")?,
        zone: config.time_zone,
        dry_run: import.dry_run,
        result: result.clone(),
        batch: import.batch.into(),
        file,
    };
    let stop = Arc::new(AtomicBool::new(false));
    let interrupted = stop.clone();
    tokio::spawn(async move {
        // If signals can't be received, the import runs to its end.
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.store(true, Ordering::Relaxed);
        }
    });
    let bar = progress::bar()?;
    let done = import::run(options, stop.clone(), &mut |done, total| {
        progress::show(&bar, "导入", done, total);
    })
    .await;
    bar.finish_and_clear();
    let done = done.context("导入中断；已写入的不会重复导入，再次执行同一命令即可继续")?;
    let imported = if import.dry_run {
        "可导入"
    } else {
        "已导入"
    };
    println!(
        "{imported} {} 行，先前已导入 {} 行，有误 {} 行",
        done.imported, done.existing, done.bad
    );
    if done.stopped && stop.load(Ordering::Relaxed) {
        bail!("已停止；再次执行同一命令即可继续");
    }
    if done.bad > 0 {
        let rest = if done.stopped { "，其余未读" } else { "" };
        bail!("有误的行见 {}{rest}", result.display());
    }
    Ok(())
}

fn write_template(record: &str, extension: &str, to: Option<PathBuf>) -> anyhow::Result<()> {
    let sheet = catalogue().sheet(record)?;
    let format = Format::of_extension(extension).context("--format")?;
    let to = to.unwrap_or_else(|| format!("{record}.{extension}").into());
    template::write(&sheet, format, &to)?;
    println!("{}的模板：{}", sheet.term, to.display());
    Ok(())
}
