//! The records of one service: where they are, and how they are read.

use std::marker::PhantomData;
use std::sync::Arc;

use chrono_tz::Tz;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, Order, SelectStatement};
use sea_orm::{DbBackend, QueryResult, StatementBuilder};
use taizhang_contracts::{Context, Error, Name, Office, Resource, Result, Stored, Violations};

use crate::clock::Clock;
use crate::database::{Database, Open, refusal};
use crate::record::{Moment, Record};
use crate::secret::Key;
use crate::sql;
use crate::write::Heads;

/// The records of the service `S`.
pub struct Ledger<S> {
    pub(crate) database: Database,
    pub(crate) key: Key,
    pub(crate) clock: Clock,
    zone: Tz,
    pub(crate) heads: Arc<Heads>,
    service: PhantomData<fn() -> S>,
}

impl<S> Clone for Ledger<S> {
    fn clone(&self) -> Self {
        Self {
            database: self.database.clone(),
            key: self.key.clone(),
            clock: self.clock.clone(),
            zone: self.zone,
            heads: self.heads.clone(),
            service: PhantomData,
        }
    }
}

impl<S: 'static> Ledger<S> {
    /// A ledger over a migrated database.
    pub fn new(database: Database, key: Key, clock: Clock, zone: Tz) -> Self {
        Self {
            database,
            key,
            clock,
            zone,
            heads: Arc::default(),
            service: PhantomData,
        }
    }

    /// The same ledger, seen from within a transaction.
    pub(crate) fn within(&self, open: &Arc<Open>) -> Self {
        Self {
            database: self.database.within(open),
            ..self.clone()
        }
    }

    /// Now, and where.
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

    /// Reads one record by its name in a request; a singleton that nobody wrote has its defaults.
    ///
    /// # Errors
    /// NOT_FOUND.
    pub async fn read<R: Record<S>>(&self, context: &Context, name: &str) -> Result<R> {
        let parsed = own_name::<R>("name", name)?;
        let record = match self.find::<R>(&context.office, parsed.id()).await? {
            Some(record) => record,
            None if R::SINGLETON => self.default_singleton(&parsed),
            None => return Err(Error::not_found(R::MESSAGE, name)),
        };
        self.shown(&context.office, record).await
    }

    /// An office's only record of this type, or its defaults.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn singleton<R: Record<S>>(&self, office: &Office) -> Result<R> {
        let name = Name::<R>::singleton(office);
        Ok(match self.find::<R>(office, name.id()).await? {
            Some(record) => record,
            None => self.default_singleton(&name),
        })
    }

    fn default_singleton<R: Record<S>>(&self, name: &Name<R>) -> R {
        let mut record = R::default();
        record.initial(self.moment());
        record.set_stored(Stored {
            name: &name.to_string(),
            etag: "",
            create_time: None,
            update_time: None,
            delete_time: None,
        });
        record
    }

    /// Reads one record, also a deleted one.
    pub(crate) async fn find<R: Record<S>>(&self, office: &Office, id: &str) -> Result<Option<R>> {
        let body = self.database.reader.body(R::TABLE, office, id).await;
        let body = body.map_err(refusal)?;
        body.map(|body| R::decode(body.as_slice()).map_err(Error::internal))
            .transpose()
    }

    /// The records that fulfil a condition over declared columns, deleted ones aside, in the order
    /// of their ids; at most `limit`.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn select<R: Record<S>>(
        &self,
        office: &Office,
        condition: Condition,
        limit: u64,
    ) -> Result<Vec<R>> {
        let live = Condition::all()
            .add(condition)
            .add(Expr::col("delete_time").is_null());
        let mut select = sql::select::<S, R>(office, live);
        select.order_by("id", Order::Asc).limit(limit);
        self.bodies(select).await
    }

    /// Hands over every record that fulfils a condition over declared columns, deleted ones aside,
    /// in the order of their ids; reads so many at once.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn each<R: Record<S>>(
        &self,
        office: &Office,
        condition: Condition,
        page: u64,
        mut take: impl FnMut(R) + Send,
    ) -> Result<()> {
        let mut after = String::new();
        loop {
            let beyond = condition.clone().add(Expr::col("id").gt(after.as_str()));
            let records: Vec<R> = self.select(office, beyond, page).await?;
            let last = records.last().map(|last| last.stored().name);
            let next = match last.and_then(Name::<R>::parse) {
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

    pub(crate) async fn bodies<R: Record<S>>(&self, select: SelectStatement) -> Result<Vec<R>> {
        let statement = StatementBuilder::build(&select, &self.backend());
        let rows = self.database.reader.all(statement).await.map_err(refusal)?;
        rows.iter().map(decode).collect()
    }

    /// As [`Ledger::bodies`], but a little late if there is a replica.
    pub(crate) async fn late_bodies<R: Record<S>>(
        &self,
        select: SelectStatement,
    ) -> Result<Vec<R>> {
        let statement = StatementBuilder::build(&select, &self.backend());
        let rows = self.database.late_rows(statement).await?;
        rows.iter().map(decode).collect()
    }

    pub(crate) async fn show<R: Record<S>>(
        &self,
        office: &Office,
        records: &mut [R],
    ) -> Result<()> {
        if R::SHOWS && !records.is_empty() {
            R::show(records, self.moment(), self, office).await?;
        }
        Ok(())
    }

    pub(crate) async fn shown<R: Record<S>>(&self, office: &Office, mut record: R) -> Result<R> {
        self.show(office, std::slice::from_mut(&mut record)).await?;
        Ok(record)
    }
}

fn decode<R: Resource>(row: &QueryResult) -> Result<R> {
    let body: Vec<u8> = row.try_get_by_index(0).map_err(refusal)?;
    R::decode(body.as_slice()).map_err(Error::internal)
}

/// Parses the name in a field of a call; its office is the call's, as `Context::enter` saw to.
pub(crate) fn own_name<R: Resource>(field: &str, name: &str) -> Result<Name<R>> {
    Name::parse(name).ok_or_else(|| {
        Violations::of(
            field,
            format!("应为 {}", R::PATTERN),
            format!("must be {}", R::PATTERN),
        )
    })
}
