//! The caller of a call, and the office that the call is about.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tonic::Extensions;

use crate::admit::Admit;
use crate::error::{Error, Reason, Result, Violations};
use crate::name::Office;
use crate::request::Call;

/// The system that calls, as its token describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name of the calling system, such as `township-portal`; every change in the history has it.
    pub system: String,
    /// The offices whose records it may read and write.
    pub offices: Vec<Office>,
    /// The scopes that it holds there, such as `meetings.write`.
    pub scopes: Vec<String>,
    /// The token's id, by which it can be revoked.
    pub token_id: String,
    /// The token itself, for calls to other services on behalf of the caller.
    pub token: Secret,
}

/// A text that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// The context of an admitted call: its caller, its office and its deadline.
#[derive(Debug, Clone)]
pub struct Context {
    /// The caller.
    pub caller: Arc<Caller>,
    /// The office that everything lies in which the call reads or writes.
    pub office: Office,
    /// The deadline; `None` outside of a served call.
    pub until: Option<Until>,
}

/// The deadline of a call. The request's extensions have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Until(pub Instant);

impl Until {
    /// How much time is left; zero after the deadline.
    pub fn remaining(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// Tells streams that have no end of their own that the service shuts down. The request's
/// extensions have it.
#[derive(Debug, Clone)]
pub struct Stopping(pub watch::Receiver<bool>);

impl Stopping {
    /// Whether the service shuts down.
    pub fn has_come(&self) -> bool {
        // A dropped sender means that the server is gone.
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits until the service shuts down.
    pub async fn wait(&mut self) {
        let _ = self.0.wait_for(|stopping| *stopping).await;
    }
}

impl Context {
    /// Admits a request: checks that its caller may act for the office that the message names,
    /// and every field of the message. Every handler begins with it.
    ///
    /// # Errors
    /// UNAUTHENTICATED without a caller, PERMISSION_DENIED if the token does not cover the office,
    /// INVALID_ARGUMENT with every bad field.
    pub fn enter<T: Call>(request: tonic::Request<T>) -> Result<(Self, T)> {
        let (_, extensions, mut message) = request.into_parts();
        let office = Office::of(message.place());
        let context = Self::admit(&extensions, office, T::PLACE, &mut message)?;
        Ok((context, message))
    }

    /// [`Context::enter`] without the request's Rust type; `place` is the field that names the
    /// office.
    fn admit(
        extensions: &Extensions,
        office: Option<Office>,
        place: &str,
        message: &mut dyn Admit,
    ) -> Result<Self> {
        let caller = extensions
            .get::<Arc<Caller>>()
            .cloned()
            .ok_or_else(|| Error::new(Reason::TokenMissing))?;
        if let Some(office) = &office
            && !caller.offices.contains(office)
        {
            return Err(Error::new(Reason::OfficeNotGranted).with("office", office.id()));
        }
        let mut v = Violations::default();
        message.admit(&mut v);
        v.finish()?;
        Ok(Self {
            caller,
            office: office.ok_or_else(|| Violations::of(place, "必填", "is required"))?,
            until: extensions.get().copied(),
        })
    }
}
