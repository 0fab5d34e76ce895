//! What a kind of record declares, so that the ledger can keep it.

use std::future::Future;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use taizhang_contracts::common::Date;
use taizhang_contracts::{Office, Resource, Result, Violations, date};

use crate::column::Column;
use crate::write::Tx;

/// A kind of record that the service `S` keeps: a resource with a table of its own.
///
/// The message itself is the row's `body`; the declared columns are read from it at each write.
pub trait Record<S: 'static>: Resource {
    /// The table.
    const TABLE: &'static str;

    /// The fields that stand in columns of their own.
    const COLUMNS: &'static [Column<Self>];

    /// What a person calls the record.
    fn title(&self) -> &str {
        ""
    }

    /// What a record holds before anyone wrote it: the first state, or a singleton's defaults.
    fn initial(&mut self, _at: Moment) {}

    /// Rules between fields, beyond those that the contract's options tell.
    fn check(&self, _v: &mut Violations) {}

    /// What a change needs from other records or does to them, in the same transaction. `before`
    /// is `None` when the record is new.
    ///
    /// # Errors
    /// Whatever refuses the change.
    fn settle(
        &mut self,
        _before: Option<&Self>,
        _tx: &mut Tx<'_, S>,
    ) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Whether answers have fields that depend on the time of reading; see [`Record::show`].
    const SHOWS: bool = false;

    /// Fills in what depends on the time of reading and is not stored, for all records of one
    /// answer at once, so that what they need of the office is read once.
    fn show(
        _records: &mut [Self],
        _at: Moment,
        _ledger: &crate::Ledger<S>,
        _office: &Office,
    ) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
}

/// When a call takes place, and where.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The instant.
    pub now: DateTime<Utc>,
    /// The office's time zone.
    pub zone: Tz,
}

impl Moment {
    /// The office's local day.
    pub fn today(&self) -> NaiveDate {
        date::local_day(self.now, self.zone)
    }

    /// The day that a caller gave, or today if it gave none. Its fields were admitted before.
    pub fn day_or_today(&self, day: Option<&Date>) -> NaiveDate {
        day.and_then(Date::naive).unwrap_or_else(|| self.today())
    }
}
