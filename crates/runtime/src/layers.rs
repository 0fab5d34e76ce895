//! The way of a call through a service: tower layers around its routes. [`wrap`] reads from top to
//! bottom, as a request passes them; the response goes back from bottom to top.
//!
//! A response is over when its last trailer is sent, not when its headers are, and an error stands
//! in the trailers. So each layer that must hold until then also wraps the response's body, in a
//! type of its own: the bodies nest, and axum boxes the outermost once. Layers below
//! [`StatusLayer`] refuse a call with an [`Error`], which [`StatusLayer`] makes a gRPC status.
//!
//! tower-http and tower have layers of the same names, which end at the headers:
//!
//! | Theirs | Ours, because |
//! | --- | --- |
//! | `SetRequestId`, `PropagateRequestId` | an unfit id of the caller's is replaced; the id goes into the trailers |
//! | `Trace` | a call whose caller went away is logged too, and the code is recorded in the span |
//! | `CatchPanic` | a panic in a stream is caught, and the body is not boxed once more |
//! | `Timeout` | the deadline is the caller's `grpc-timeout`, and bounds the stream |
//! | `LoadShed`, `GlobalConcurrencyLimit` | the permit is held until the stream ends |
//! | `RequestBodyLimit` | a client stream has no bound as a whole; the refusal is a gRPC status |

mod authorization;
mod body_limit;
mod call_scope;
mod catch_panic;
mod deadline;
mod identity;
mod language;
mod load_shed;
mod metrics;
mod refuse;
mod request_id;
mod status;
#[cfg(test)]
mod testing;
mod trace;
mod trailers;
mod within;

use std::convert::Infallible;
use std::sync::Arc;

use axum::{Extension, Router};
use taizhang_contracts::{Error, Stopping};
use tower::ServiceBuilder;

use crate::config::Limits;
use crate::identity::Verifier;
use crate::method::Methods;
use crate::service::Service;
use authorization::AuthorizationLayer;
use body_limit::BodyLimitLayer;
use call_scope::CallScopeLayer;
use catch_panic::CatchPanicLayer;
use deadline::DeadlineLayer;
use identity::IdentityLayer;
use language::LanguageLayer;
use load_shed::LoadShedLayer;
use metrics::MetricsLayer;
use request_id::RequestIdLayer;
use status::StatusLayer;
use trace::TraceLayer;

/// A service's routes with the layers around them.
pub(crate) fn wrap(
    service: Service,
    limits: &Limits,
    verifier: Arc<Verifier>,
    stopping: Stopping,
) -> Router {
    let methods = Arc::new(Methods::of(service.name, service.services));
    let layers = ServiceBuilder::new()
        .layer(RequestIdLayer)
        .layer(TraceLayer::new(methods.clone()))
        .layer(MetricsLayer::new(methods.clone()))
        .layer(LanguageLayer)
        .layer(StatusLayer)
        .layer(CatchPanicLayer)
        .layer(DeadlineLayer::new(limits.deadline()))
        .layer(CallScopeLayer)
        .layer(LoadShedLayer::new(limits.calls))
        .layer(BodyLimitLayer::new(limits.message_bytes, methods.clone()))
        .layer(IdentityLayer::new(verifier))
        .layer(AuthorizationLayer::new(methods))
        // Long streams look there whether to end early.
        .layer(Extension(stopping))
        .map_err(|never: Infallible| -> Error { match never {} });
    service.routes.into_axum_router().layer(layers)
}
