//! Backups: the histories of all services in one file, and databases restored from it.
//!
//! Only the histories are kept. A record is the body of its last entry, and its columns are read
//! from the record, so the file is the same for SQLite and PostgreSQL. `docs/backup.md` specifies
//! its format.

mod check;
mod content;
mod file;
mod make;
mod restore;

pub use check::{Checked, check};
pub use make::{Options, make};
pub use restore::{Restored, ServiceResult, restore};

use anyhow::Context;
use futures::future::BoxFuture;
use sea_orm::{DatabaseConnection, DbErr};
use taizhang_ledger::{Database, RecordKind};

/// Is told how far the work is: its step, how much of it is done, and how much there is; 0 if that
/// is not known.
pub type Progress<'a> = &'a mut (dyn FnMut(&str, u64, u64) + Send);

/// The result of work on a database.
pub type Migration<'a, T> = BoxFuture<'a, Result<T, DbErr>>;

/// A service that can be backed up and restored.
#[derive(Clone)]
pub struct Service {
    /// Its name.
    pub name: &'static str,
    /// The kinds of record that it keeps.
    pub kinds: &'static [RecordKind],
    /// The URL of its database, `sqlite://…` or `postgres://…`.
    pub url: String,
    /// The most connections to its database.
    pub pool: u32,
    /// Migrates its database to the schema of this program.
    pub migrate: fn(&DatabaseConnection) -> Migration<'_, ()>,
    /// The names of the migrations that its database lacks; an error if the database is newer than
    /// this program.
    pub pending: fn(&DatabaseConnection) -> Migration<'_, Vec<String>>,
}

impl Service {
    async fn connect(&self) -> anyhow::Result<Database> {
        Database::connect(&self.url, self.pool, None)
            .await
            .with_context(|| format!("services.{}.database can't be reached", self.name))
    }

    /// Names its database in an error.
    fn of_database(&self) -> String {
        format!("the database of {}", self.name)
    }
}
