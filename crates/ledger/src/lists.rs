//! The bound of a record's lists that grow by custom methods.

use taizhang_contracts::{Error, Result};

/// Refuses another entry if a list is full.
///
/// # Errors
/// RULE_REFUSES, rule LIST_FULL.
pub fn room(entries: usize, most: usize, list: &str) -> Result<()> {
    if entries < most {
        return Ok(());
    }
    Err(Error::refused(
        "LIST_FULL",
        list,
        format!("最多{most}条"),
        format!("holds at most {most} entries"),
    ))
}
