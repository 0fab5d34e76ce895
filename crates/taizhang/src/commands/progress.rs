//! A progress bar, shown on a terminal only.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for work in one or more steps.
pub(crate) fn bar() -> anyhow::Result<ProgressBar> {
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "{spinner} {msg:12} {wide_bar} {pos}/{len} ({per_sec})",
    )?);
    Ok(bar)
}

/// Shows the step, and how much of it is done; `total` is 0 if it is not known.
pub(crate) fn show(bar: &ProgressBar, step: &str, done: u64, total: u64) {
    if bar.message() != step {
        bar.set_message(step.to_owned());
        bar.reset_eta();
    }
    bar.set_length(total.max(done));
    bar.set_position(done);
}
