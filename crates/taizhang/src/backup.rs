//! Backups: every service's history in one file, and databases made from it.
//!
//! The histories are all there is to keep. The records are what the last entries say, and columns
//! are read from the records. So the file is the same for both databases.

mod check;
mod content;
mod file;
mod make;
mod restore;

pub use check::{Checked, check};
pub use make::{Options, make};
pub use restore::{Filled, Restored, restore};

/// Is told how far the work is: what is done now, how much has come, and of how much.
pub type Progress<'a> = &'a mut (dyn FnMut(&str, u64, u64) + Send);
