//! A bar for work in several steps.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar; what is done to it is shown on a terminal only.
pub(super) fn bar() -> anyhow::Result<ProgressBar> {
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "{spinner} {msg:12} {wide_bar} {pos}/{len} ({per_sec})",
    )?);
    Ok(bar)
}

/// Shows a step, and how far it is; of an unknown whole if that is 0.
pub(super) fn show(bar: &ProgressBar, step: &str, done: u64, total: u64) {
    if bar.message() != step {
        bar.set_message(step.to_owned());
        bar.reset_eta();
    }
    bar.set_length(total.max(done));
    bar.set_position(done);
}
