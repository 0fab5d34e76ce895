//! Maps errors of the database to errors of the API.

use sea_orm::{DbErr, RuntimeErr};
use taizhang_contracts::{Error, Reason};

/// What a failed statement means.
pub(crate) enum Fault {
    /// A unique key or constraint is violated, or the transaction was aborted by a deadlock or
    /// serialization failure: what was read is stale.
    Conflict,
    /// Anything else, as callers see it.
    Refused(Error),
}

/// Classifies an error by whether a retry from the start can succeed.
pub(crate) fn fault(error: DbErr) -> Fault {
    match refusal(error) {
        error if error.reason() == Reason::LostRace => Fault::Conflict,
        error => Fault::Refused(error),
    }
}

/// An error of the database as callers see it; its text goes to the log only.
pub(crate) fn refusal(error: DbErr) -> Error {
    match sqlstate(&error).as_deref() {
        // PostgreSQL: unique, exclusion, serialization, deadlock, another process in the office.
        // SQLite: busy, and constraints by primary key, unique index, and trigger.
        Some(
            "23505" | "23P01" | "40001" | "40P01" | "55P03" | "5" | "517" | "1555" | "2067"
            | "1811",
        ) => Error::new(Reason::LostRace),
        // query_canceled: the statement timeout.
        Some("57014") => Error::new(Reason::DeadlineExceeded),
        // The server is stopping or starting, or has no connection left.
        Some("57P01" | "57P02" | "57P03" | "53300" | "08006" | "08001") => unavailable(&error),
        Some(_) => Error::internal(error),
        None if matches!(error, DbErr::Conn(_) | DbErr::ConnectionAcquire(_)) || broken(&error) => {
            unavailable(&error)
        }
        None => Error::internal(error),
    }
}

fn unavailable(error: &DbErr) -> Error {
    tracing::warn!(%error, "the database is unavailable");
    Error::new(Reason::Unavailable)
}

fn sqlx_error(error: &DbErr) -> Option<&sea_orm::sqlx::Error> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(e))
        | DbErr::Query(RuntimeErr::SqlxError(e))
        | DbErr::Conn(RuntimeErr::SqlxError(e)) => Some(e),
        _ => None,
    }
}

fn sqlstate(error: &DbErr) -> Option<String> {
    Some(sqlx_error(error)?.as_database_error()?.code()?.into_owned())
}

/// Whether a single change of a group may be the cause of the error.
pub(super) fn is_one_changes_fault(error: &DbErr) -> bool {
    let Some(code) = sqlstate(error) else {
        return false;
    };
    match code.parse::<u32>() {
        // SQLite: a constraint.
        Ok(code) if code < 10_000 => code & 0xff == 19,
        // PostgreSQL: not supported, data, constraints, deadlock, a lock that is held.
        _ => ["0A", "22", "23", "40", "55"]
            .iter()
            .any(|class| code.starts_with(class)),
    }
}

fn broken(error: &DbErr) -> bool {
    use sea_orm::sqlx::Error as E;
    matches!(
        sqlx_error(error),
        Some(E::Io(_) | E::Protocol(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed)
    )
}
