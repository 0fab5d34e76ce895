//! What a kind of record is.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use sea_orm::{EntityTrait, Schema, Value};
use taizhang_contracts::common::Date;
use taizhang_contracts::{Encoded, Resource, Violations, date};

use crate::column::{Field, time};
use crate::record_kind::RecordKind;

/// A sea-orm entity that stores a message of the contracts. [`entity!`](crate::entity) implements it.
pub trait Table: EntityTrait {
    /// The message that is a row's `body`.
    type Message: Resource;

    /// The names of all columns, in the order of the entity's.
    const COLUMNS: &'static [&'static str];

    /// The declared columns: those that filters and orders can name and figures are counted from.
    const FIELDS: &'static [Field];

    /// The values of the declared columns for a record.
    fn values(record: &Self::Message) -> Vec<Value>;
}

/// A kind of record: its title, its initial values, and the rules between its fields. What it does
/// with other records is its [`Behavior`](crate::Behavior).
pub trait Record: Table {
    /// The kind without its Rust type.
    const KIND: &'static RecordKind = &RecordKind::of::<Self>();

    /// The record's title for people.
    fn title(_record: &Self::Message) -> &str {
        ""
    }

    /// Sets the initial values: the first state, or a singleton's defaults.
    fn initial(_record: &mut Self::Message, _at: Moment) {}

    /// Checks rules between fields, in addition to the rules in the contract's options.
    fn check(_record: &Self::Message, _v: &mut Violations) {}
}

impl RecordKind {
    /// The kind of record that an entity keeps.
    pub const fn of<E: Record>() -> Self {
        Self {
            type_name: E::Message::TYPE,
            collection: E::Message::COLLECTION,
            message: E::Message::MESSAGE,
            pattern: E::Message::PATTERN,
            singleton: E::Message::SINGLETON,
            columns: E::COLUMNS,
            declared: E::FIELDS,
            table: || E::default().table_name(),
            values: |body| {
                let record = E::Message::from_bytes(body).ok()?;
                let stored = record.stored();
                let mut values = vec![
                    time(stored.create_time),
                    time(stored.update_time),
                    time(stored.delete_time),
                    body.to_vec().into(),
                ];
                values.extend(E::values(&record));
                Some(values)
            },
            title: |body| {
                let record = E::Message::from_bytes(body).ok()?;
                Some(E::title(&record).to_owned())
            },
            definition: |backend| Schema::new(backend).create_table_from_entity(E::default()),
        }
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

    /// The day that a caller gave, or today if it gave none.
    pub fn day_or_today(&self, day: Option<&Date>) -> NaiveDate {
        day.and_then(Date::naive).unwrap_or_else(|| self.today())
    }
}
