//! How a service calls another one: a channel that reconnects, and around it the layers of a call
//! on behalf of a caller.

mod collect;
mod deadline;
mod identity;
mod propagate;
mod retry;

use std::fmt::Display;
use std::time::Duration;

use http::Uri;
use http::uri::{InvalidUri, Scheme};
use taizhang_contracts::Context;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tower::retry::RetryLayer;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, service_fn};

use crate::config::{ConfigError, Tls};
use crate::tls::Connector;
use collect::{CollectRequestLayer, CollectResponseLayer};
use deadline::DeadlineLayer;
use identity::IdentityLayer;
use propagate::PropagateLayer;
use retry::RetryLostReads;

/// A channel that connects when it is first used, and again whenever the connection was lost.
///
/// # Errors
/// If the address or a file of `tls` can't be used.
pub fn connect_lazy(address: &str, tls: &Tls) -> Result<Channel, ConfigError> {
    let unusable = |e: &dyn Display| ConfigError::new(address, e);
    let uri: Uri = address.parse().map_err(|e: InvalidUri| unusable(&e))?;
    let configured = |endpoint: Endpoint| {
        endpoint
            .connect_timeout(Duration::from_secs(5))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(10))
    };
    if uri.scheme() != Some(&Scheme::HTTPS) {
        return Ok(configured(uri.into()).connect_lazy());
    }
    let tls = Connector::open(tls)?;
    // Our connector does TLS itself; with the scheme `http` tonic adds none.
    let mut parts = uri.clone().into_parts();
    parts.scheme = Some(Scheme::HTTP);
    let plain = Uri::from_parts(parts).map_err(|e| unusable(&e))?;
    let endpoint = configured(plain.into()).origin(uri.clone());
    Ok(endpoint.connect_with_connector_lazy(service_fn(move |_| tls.connect(&uri))))
}

/// A channel with the layers of [`on_behalf`] around it; a tonic client takes it as its transport.
pub type OnBehalf = BoxCloneSyncService<
    http::Request<tonic::body::Body>,
    http::Response<tonic::body::Body>,
    tonic::Status,
>;

/// The way of unary calls to another service on behalf of a caller. They have the caller's token,
/// request id and trace, and end within `longest` from now or, if that is earlier, by the deadline
/// of the caller's own call. A read that is lost in transit is asked once more.
///
/// ```no_run
/// # use std::time::Duration;
/// # use taizhang_contracts::{Context, history::{ListHistoryRequest, ListHistoryResponse}};
/// # use taizhang_contracts::history::history_service_client::HistoryServiceClient;
/// # use taizhang_runtime::client::on_behalf;
/// # async fn read(
/// #     context: &Context,
/// #     channel: tonic::transport::Channel,
/// #     request: ListHistoryRequest,
/// # ) -> Result<ListHistoryResponse, tonic::Status> {
/// let channel = on_behalf(context, channel, Duration::from_secs(10));
/// let response = HistoryServiceClient::new(channel).list_history(request).await?;
/// # Ok(response.into_inner())
/// # }
/// ```
pub fn on_behalf(context: &Context, channel: Channel, longest: Duration) -> OnBehalf {
    let left = context.until.map(|until| until.remaining());
    let until = Instant::now() + left.map_or(longest, |left| left.min(longest));
    let layers = ServiceBuilder::new()
        // Retry sends the request again, so it must be there as a whole.
        .layer(CollectRequestLayer)
        .layer(RetryLayer::new(RetryLostReads::until(until)))
        .layer(DeadlineLayer::new(until))
        .layer(IdentityLayer::new(&context.caller))
        .layer(PropagateLayer)
        // Retry and deadline see the response to its end: its status stands in the trailers.
        .layer(CollectResponseLayer)
        .service(channel);
    BoxCloneSyncService::new(layers)
}
