//! A description of the machine.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Lines that describe the machine and its load before the measurements.
pub(crate) fn machine(folder: &Path) -> anyhow::Result<Vec<String>> {
    let cores = std::thread::available_parallelism()?;
    let cpu = field("/proc/cpuinfo", "model name");
    let memory = field("/proc/meminfo", "MemTotal");
    let kilobytes: f64 = memory.trim_end_matches(" kB").parse().unwrap_or(f64::NAN);
    let memory = format!("{:.0} GB", kilobytes / 1e6);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let load = fs::read_to_string("/proc/loadavg")?;
    let load: Vec<&str> = load.split(' ').take(3).collect();
    let disk = said("df", &["--output=fstype", &folder.display().to_string()]);
    let disk = disk.lines().last().unwrap_or_default().to_owned();
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    Ok(vec![
        format!(
            "{cores} cores of {cpu}, {memory} of memory, Linux {}",
            kernel.trim()
        ),
        format!(
            "{disk} on which a write of 8 KiB with fdatasync takes {:.0} µs",
            sync(folder)?
        ),
        format!("{}, commit {commit}", said("rustc", &["-V"])),
        format!("load average before the measures: {}", load.join(" ")),
    ])
}

fn field(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':'));
    value.map_or_else(|| "?".into(), |(_, value)| value.trim().to_owned())
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "?".to_owned(),
    }
}

/// The median duration of a few hundred synchronous writes, in microseconds.
fn sync(folder: &Path) -> anyhow::Result<f64> {
    let path = folder.join("sync");
    let mut file = File::create(&path)?;
    // Like PostgreSQL's WAL, an existing file is overwritten.
    file.write_all(&[1; 8192 * 300])?;
    file.sync_all()?;
    let file = File::options().write(true).open(&path)?;
    let mut took = Vec::new();
    for i in 0..300 {
        let since = Instant::now();
        std::os::unix::fs::FileExt::write_all_at(&file, &[2; 8192], i * 8192)?;
        file.sync_data()?;
        took.push(since.elapsed().as_secs_f64() * 1e6);
    }
    fs::remove_file(path)?;
    took.sort_by(f64::total_cmp);
    Ok(took.get(took.len() / 2).copied().unwrap_or_default())
}
