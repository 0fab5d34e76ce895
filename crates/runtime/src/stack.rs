//! The way of every call, from the wire to its handler and back. [`call`] reads from top to bottom.

mod answer;
mod bearer;
mod body;
mod load;
mod method;
mod metrics;
mod panics;
mod request_id;
mod statuses;
mod trace;

pub(crate) use metrics::describe as describe_metrics;
pub(crate) use request_id::NAME as REQUEST_ID;
pub(crate) use trace::{PARENT as TRACEPARENT, inject};

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use taizhang_contracts::error::Language;
use taizhang_contracts::{Error, Reason, Result, Stopping, Until};
use tokio::sync::OwnedSemaphorePermit;

use crate::config::Limits;
use crate::current::{Current, Scope};
use crate::deadline::Deadline;
use crate::identity::Verifier;
use crate::server::Service;

/// What all calls of one service share.
struct Stack {
    methods: method::Methods,
    verifier: Arc<Verifier>,
    load: load::Load,
    longest: Duration,
    message_bytes: usize,
    stopping: Stopping,
}

/// A service's routes with the stack around them.
pub(crate) fn around(
    service: Service,
    limits: &Limits,
    verifier: Arc<Verifier>,
    stopping: Stopping,
) -> Router {
    let stack = Stack {
        methods: method::Methods::of(service.name, service.services),
        verifier,
        load: load::Load::new(limits.calls),
        longest: limits.deadline(),
        message_bytes: limits.message_bytes,
        stopping,
    };
    let router = service.routes.into_axum_router();
    router.layer(from_fn_with_state(Arc::new(stack), call))
}

/// The way of one call.
async fn call(State(stack): State<Arc<Stack>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    // The request id: the caller's, or a new one.
    let request_id = request_id::of(headers);
    // The span that the call's log lines and traces stand in.
    let method = stack.methods.find(request.uri().path());
    let span = trace::span(method.name, &request_id, headers);
    // Metrics: counted as running until its last byte is out.
    let running = metrics::Running::start(method.clone(), span.clone());
    // The time it has, and the language in which it is told of errors.
    let deadline = Deadline::of(headers, stack.longest);
    let scope = Scope {
        language: Language::of(headers),
        current: Arc::new(Current {
            deadline,
            request_id,
            traceparent: headers.get(trace::PARENT).cloned(),
        }),
        span,
    };
    // Panics are caught outside of the deadline, which drops what runs too long.
    let admitted = admit(&stack, method, deadline, &scope, request, next);
    let caught = panics::caught(deadline.bound(admitted));
    scope
        .run(async { answer::of(caught.await, scope.clone(), running) })
        .await
}

/// Lets a call in, if it may come in, and runs its handler.
async fn admit(
    stack: &Stack,
    method: &method::Method,
    deadline: Deadline,
    scope: &Scope,
    request: Request,
    next: Next,
) -> Result<(Response, OwnedSemaphorePermit)> {
    // Load: a place among those that run, or a refusal at once.
    let place = stack.load.enter()?;
    // The body: no larger than a message may be.
    let mut request = body::bounded(request, stack.message_bytes, method.client_streams);
    // Identity: a token that is ours, in time and not revoked.
    let caller = bearer::caller(request.headers(), &stack.verifier)?;
    scope.span.record("caller", &caller.system);
    // Authorization: the scope that the contract asks for.
    method.allows(&caller)?;
    // Time: nothing is begun for a caller that has given up already.
    if deadline.remaining().is_zero() {
        return Err(Error::new(Reason::DeadlineExceeded));
    }
    // The handler finds its caller, its deadline, and whether to end early in the extensions.
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(Until(deadline.instant()));
    request.extensions_mut().insert(stack.stopping.clone());
    Ok((next.run(request).await, place))
}
