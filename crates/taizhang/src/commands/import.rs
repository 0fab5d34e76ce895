//! `taizhang import`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use clap::Args;
use taizhang_runtime::Config;

use super::progress;
use crate::client::Running;
use crate::sheets::import;
use crate::sheets::read::Format;
use crate::sheets::record::Record;
use crate::sheets::template;

/// What to load.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The spreadsheet, .xlsx or .csv; the first row has the names of the columns.
    #[arg(required_unless_present = "template", conflicts_with = "template")]
    file: Option<PathBuf>,
    /// Writes an empty spreadsheet for this kind of record instead, such as `meetings`.
    #[arg(long, value_name = "RECORD")]
    template: Option<String>,
    /// With `--template`: how it is kept.
    #[arg(long, value_enum, default_value = "xlsx", requires = "template")]
    format: Format,
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
    /// Writes nothing and tells what is bad.
    #[arg(long)]
    dry_run: bool,
    /// Where the bad rows are told; `FILE.bad.csv` if not given.
    #[arg(long)]
    result: Option<PathBuf>,
    /// The most rows of a batch.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=1000))]
    batch: u16,
}

pub(super) async fn run(config: &Config, import: Import) -> anyhow::Result<()> {
    if let Some(record) = &import.template {
        return write_template(record, import.format, import.to.as_deref());
    }
    let file = import.file.context("缺少文件")?;
    let record = Record::named(&import.record.context("缺少 --record")?)?;
    let result = import.result.unwrap_or_else(|| {
        let mut name = file.clone().into_os_string();
        name.push(".bad.csv");
        name.into()
    });
    let options = import::Options {
        record,
        office: import.office.context("缺少 --office")?,
        running: import.running,
        zone: config.time_zone,
        dry_run: import.dry_run,
        result: result.clone(),
        batch: import.batch.into(),
        file,
    };
    let stop = Arc::new(AtomicBool::new(false));
    let asked = stop.clone();
    tokio::spawn(async move {
        // Without signals it runs to its end.
        if tokio::signal::ctrl_c().await.is_ok() {
            asked.store(true, Ordering::Relaxed);
        }
    });
    let bar = progress::bar()?;
    let done = import::run(options, stop.clone(), &mut |done, total| {
        progress::show(&bar, "导入", done, total);
    })
    .await;
    bar.finish_and_clear();
    let done = done.context("导入中断；已写入的不会重复导入，再次执行同一命令即可继续")?;
    let loaded = if import.dry_run {
        "可导入"
    } else {
        "已导入"
    };
    println!(
        "{loaded} {} 行，先前已导入 {} 行，有误 {} 行",
        done.loaded, done.there, done.bad
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

fn write_template(record: &str, format: Format, to: Option<&Path>) -> anyhow::Result<()> {
    let record = Record::named(record)?;
    let extension = match format {
        Format::Xlsx => "xlsx",
        Format::Csv => "csv",
    };
    let name = PathBuf::from(format!("{}.{extension}", record.kind.collection()));
    let to = to.unwrap_or(&name);
    template::write(&record, format, to)?;
    println!("{}的模板：{}", record.term, to.display());
    Ok(())
}
