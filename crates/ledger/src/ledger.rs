//! The records of one service: where they are, and how they are read.

use std::sync::Arc;

use chrono_tz::Tz;
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, NumericColumn, QueryResult};
use taizhang_contracts::{Error, Name, Office, Resource, Result, Stored, Violations};

use crate::clock::Clock;
use crate::database::{Database, refusal};
use crate::office_lock::OfficeLocks;
use crate::record::{Moment, Record};
use crate::record_kind::RecordKind;
use crate::secret::Key;

/// The records of one service.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) database: Database,
    pub(crate) key: Key,
    pub(crate) clock: Clock,
    zone: Tz,
    pub(crate) locks: Arc<OfficeLocks>,
}

impl Ledger {
    /// A ledger over a migrated database.
    pub fn new(database: Database, key: Key, clock: Clock, zone: Tz) -> Self {
        Self {
            database,
            key,
            clock,
            zone,
            locks: Arc::default(),
        }
    }

    /// The same ledger over a database that goes through a batch transaction.
    pub(crate) fn within(&self, database: Database) -> Self {
        Self {
            database,
            ..self.clone()
        }
    }

    /// The current time and the office's time zone.
    pub fn moment(&self) -> Moment {
        Moment {
            now: self.clock.now(),
            zone: self.zone,
        }
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) fn backend(&self) -> DbBackend {
        self.database.backend()
    }

    /// An office's only record of this type, or its defaults.
    ///
    /// # Errors
    /// If the database is unavailable.
    pub async fn singleton<E: Record>(&self, office: &Office) -> Result<E::Message> {
        match self.body(E::KIND, office, E::KIND.collection).await? {
            Some(body) => decode(&body),
            None => Ok(default_singleton::<E>(office, self.moment())),
        }
    }

    /// The encoded record of this id, also a deleted one.
    pub(crate) async fn body(
        &self,
        kind: &RecordKind,
        office: &Office,
        id: &str,
    ) -> Result<Option<Vec<u8>>> {
        let body = self.database.reader.body(kind, office, id).await;
        body.map_err(refusal)
    }

    /// The records that meet a condition over declared columns, deleted ones aside, in the order of
    /// their ids; at most `limit`.
    ///
    /// # Errors
    /// If the database is unavailable.
    pub async fn select<E: Record>(
        &self,
        office: &Office,
        condition: Condition,
        limit: u64,
    ) -> Result<Vec<E::Message>> {
        let bodies = self.bodies(E::KIND, office, condition, limit).await?;
        bodies.iter().map(|body| decode(body)).collect()
    }

    async fn bodies(
        &self,
        kind: &RecordKind,
        office: &Office,
        condition: Condition,
        limit: u64,
    ) -> Result<Vec<Vec<u8>>> {
        // The condition may be one of `any`, to which nothing must be added.
        let live = Condition::all().add(condition).add(not_deleted());
        let mut select = select_bodies(kind, office, live);
        select.order_by(Alias::new("id"), Order::Asc).limit(limit);
        let rows = self.database.reader.query_all(&select).await;
        rows.map_err(refusal)?.iter().map(body).collect()
    }

    /// Calls a function with every record that meets a condition over declared columns, deleted ones
    /// aside, in the order of their ids; reads `page` records at once.
    ///
    /// # Errors
    /// If the database is unavailable.
    pub async fn each<E: Record>(
        &self,
        office: &Office,
        condition: Condition,
        page: u64,
        mut take: impl FnMut(E::Message) + Send,
    ) -> Result<()> {
        let mut after = String::new();
        loop {
            let beyond = Expr::col(Alias::new("id")).gt(after.as_str());
            let beyond = Condition::all().add(condition.clone()).add(beyond);
            let records = self.select::<E>(office, beyond, page).await?;
            let last = records.last().map(|last| last.stored().name);
            let next = match last.and_then(Name::<E::Message>::parse) {
                Some(name) if records.len() as u64 == page => Some(name.id().to_owned()),
                _ => None,
            };
            records.into_iter().for_each(&mut take);
            match next {
                Some(next) => after = next,
                None => return Ok(()),
            }
        }
    }
}

/// The bodies of an office's records that meet a condition.
pub(crate) fn select_bodies(
    kind: &RecordKind,
    office: &Office,
    condition: Condition,
) -> SelectStatement {
    Query::select()
        .column(Alias::new("body"))
        .from(Alias::new(kind.table()))
        .and_where(Expr::col(Alias::new("office")).eq(office.id()))
        .cond_where(condition)
        .to_owned()
}

/// The condition of records that are not deleted.
pub(crate) fn not_deleted() -> Expr {
    Expr::col(Alias::new("delete_time")).is_null()
}

/// The greatest value of a number's column, deleted records included.
pub(crate) fn greatest<E: EntityTrait>(
    office: &Office,
    column: NumericColumn<E>,
    condition: Condition,
) -> SelectStatement {
    Query::select()
        .expr(column.max())
        .from(E::default().table_ref())
        .and_where(Expr::col(Alias::new("office")).eq(office.id()))
        .cond_where(condition)
        .to_owned()
}

/// The body in a row's first column.
pub(crate) fn body(row: &QueryResult) -> Result<Vec<u8>> {
    row.try_get_by_index(0).map_err(refusal)
}

/// Decodes a stored record.
pub(crate) fn decode<R: Resource>(body: &[u8]) -> Result<R> {
    R::from_bytes(body).map_err(Error::internal)
}

/// The default of a singleton that was never written.
pub(crate) fn default_singleton<E: Record>(office: &Office, at: Moment) -> E::Message {
    let mut record = E::Message::default();
    E::initial(&mut record, at);
    record.set_stored(Stored {
        name: &E::KIND.name(office, E::KIND.collection),
        etag: "",
        create_time: None,
        update_time: None,
        delete_time: None,
    });
    record
}

/// Parses the name in a field of a request, whose office [`Context::enter`] has checked. Returns
/// the id; for a singleton its collection.
pub(crate) fn own_id(kind: &RecordKind, field: &str, name: &str) -> Result<String> {
    let parsed = taizhang_contracts::name::split(name);
    let own = parsed.filter(|(_, collection, id)| {
        *collection == kind.collection && id.is_none() == kind.singleton
    });
    let own = own.map(|(_, collection, id)| id.unwrap_or(collection).to_owned());
    own.ok_or_else(|| {
        Violations::of(
            field,
            format!("应为 {}", kind.pattern),
            format!("must be {}", kind.pattern),
        )
    })
}
