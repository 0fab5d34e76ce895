//! The scope of a call: what its code passes on when it calls another service, as a task-local.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use crate::headers::{TRACEPARENT, X_REQUEST_ID};

tokio::task_local! {
    static SCOPE: Arc<CallScope>;
}

/// The headers of the running call that go with the calls it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallScope {
    pub(crate) request_id: Option<HeaderValue>,
    /// The caller's own, for processes that collect no traces.
    pub(crate) traceparent: Option<HeaderValue>,
}

impl CallScope {
    /// The scope of a call with these headers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self {
            request_id: headers.get(X_REQUEST_ID).cloned(),
            traceparent: headers.get(TRACEPARENT).cloned(),
        }
    }

    /// The scope of the running call; `None` outside of one.
    pub(crate) fn current() -> Option<Arc<Self>> {
        SCOPE.try_with(Arc::clone).ok()
    }

    /// Runs a function in this scope.
    pub(crate) fn sync_scope<T>(self: &Arc<Self>, run: impl FnOnce() -> T) -> T {
        SCOPE.sync_scope(self.clone(), run)
    }
}
