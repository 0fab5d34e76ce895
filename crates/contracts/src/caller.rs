//! Who calls, and about which office.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::{Error, Reason, Result, Violations};
use crate::name::Office;
use crate::request::Call;

/// What a token says of the system that bears it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The calling system, such as `township-portal`; it stands in the history.
    pub system: String,
    /// The offices whose records it may see.
    pub offices: Vec<Office>,
    /// What it may do there, such as `meetings.write`.
    pub scopes: Vec<String>,
    /// The token's id, by which it can be revoked.
    pub token_id: String,
    /// The token itself, to be passed on to the services that are asked on the caller's behalf.
    pub token: Secret,
}

/// A text that never shows in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// A call that was let in: its caller, and the one office that it is about.
#[derive(Debug, Clone)]
pub struct Context {
    /// Who calls.
    pub caller: Arc<Caller>,
    /// The office; everything that the call reads or writes lies in it.
    pub office: Office,
    /// Until when it may work.
    pub until: Option<Until>,
}

/// When a call's time is over. Stands in the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Until(pub Instant);

impl Until {
    /// How much time is left; nothing once it is over.
    pub fn remaining(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// Tells a call that never ends by itself that the service is about to stop. Stands in the
/// request's extensions.
#[derive(Debug, Clone)]
pub struct Stopping(pub watch::Receiver<bool>);

impl Stopping {
    /// Whether it stops.
    pub fn has_come(&self) -> bool {
        // Whoever would tell may be gone, which also is an end.
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits until it stops.
    pub async fn wait(&mut self) {
        let _ = self.0.wait_for(|stopping| *stopping).await;
    }
}

impl Context {
    /// The one door: takes the message out of a request whose caller may see the office that the
    /// message names, and whose fields are all good.
    ///
    /// # Errors
    /// UNAUTHENTICATED without a caller, PERMISSION_DENIED for another office, and
    /// INVALID_ARGUMENT naming every bad field.
    pub fn enter<T: Call>(request: tonic::Request<T>) -> Result<(Self, T)> {
        let (_, extensions, mut message) = request.into_parts();
        let caller = extensions
            .get::<Arc<Caller>>()
            .cloned()
            .ok_or_else(|| Error::new(Reason::TokenMissing))?;
        let office = Office::of(message.place());
        if let Some(office) = &office
            && !caller.offices.contains(office)
        {
            return Err(Error::new(Reason::OfficeNotGranted).with("office", office.id()));
        }
        let mut v = Violations::default();
        message.admit(&mut v);
        v.finish()?;
        let office = office.ok_or_else(|| Violations::of(T::PLACE, "必填", "is required"))?;
        let until = extensions.get().copied();
        Ok((
            Self {
                caller,
                office,
                until,
            },
            message,
        ))
    }
}
