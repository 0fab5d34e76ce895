//! What belongs to the call at hand, wherever in its code one is.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::HeaderValue;
use taizhang_contracts::error::Language;
use tracing::{Instrument, Span};

use crate::deadline::Deadline;

tokio::task_local! {
    static CURRENT: Arc<Current>;
}

/// What is passed on to the services that a call asks.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) deadline: Deadline,
    pub(crate) request_id: HeaderValue,
    /// The caller's own, for when no traces are collected here.
    pub(crate) traceparent: Option<HeaderValue>,
}

impl Current {
    /// What `look` sees in the call at hand; `None` outside of one.
    pub(crate) fn get<T>(look: impl FnOnce(&Self) -> T) -> Option<T> {
        CURRENT.try_with(|current| look(current)).ok()
    }
}

/// A call's surroundings: its language, its span and its [`Current`].
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) language: Language,
    pub(crate) current: Arc<Current>,
    pub(crate) span: Span,
}

impl Scope {
    /// Runs a future in these surroundings.
    pub(crate) fn run<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let scoped = self
            .language
            .scope(CURRENT.scope(self.current.clone(), future));
        scoped.instrument(self.span.clone())
    }

    /// Polls once in these surroundings.
    pub(crate) fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let _entered = self.span.enter();
        let scoped = self
            .language
            .scope(CURRENT.scope(self.current.clone(), poll_fn(poll)));
        pin!(scoped).poll(cx)
    }
}
