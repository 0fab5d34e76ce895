//! How one service calls another on behalf of its own caller.

use std::error::Error as _;
use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

use http::Uri;
use http::header::AUTHORIZATION;
use http::uri::{InvalidUri, Scheme};
use taizhang_contracts::Context;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tower::service_fn;

use crate::config::{ConfigError, Tls};
use crate::current::Current;
use crate::deadline;
use crate::stack::{REQUEST_ID, TRACEPARENT, inject};
use crate::tls::Connecting;

/// A channel that connects when it is first used, and again whenever the connection was lost.
///
/// # Errors
/// If the address or a file of `tls` can't be used.
pub fn connect_lazy(address: &str, tls: &Tls) -> Result<Channel, ConfigError> {
    let unusable = |e: &dyn Display| ConfigError::new(address, e);
    let uri: Uri = address.parse().map_err(|e: InvalidUri| unusable(&e))?;
    let settled = |endpoint: Endpoint| {
        endpoint
            .connect_timeout(Duration::from_secs(5))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(10))
    };
    if uri.scheme() != Some(&Scheme::HTTPS) {
        return Ok(settled(uri.into()).connect_lazy());
    }
    let tls = Connecting::open(tls)?;
    // Our connector encrypts; by this scheme the transport leaves it alone.
    let mut parts = uri.clone().into_parts();
    parts.scheme = Some(Scheme::HTTP);
    let plain = Uri::from_parts(parts).map_err(|e| unusable(&e))?;
    let endpoint = settled(plain.into()).origin(uri.clone());
    Ok(endpoint.connect_with_connector_lazy(service_fn(move |_| tls.connect(&uri))))
}

/// A request that passes on the caller's token, the request id and the trace, and that takes no
/// longer than `longest` nor than the call at hand has left.
pub fn on_behalf<T>(context: &Context, message: T, longest: Duration) -> Request<T> {
    let mut request = Request::new(message);
    let left = deadline::remaining().map_or(longest, |left| left.min(longest));
    request.set_timeout(left);

    let mut headers = std::mem::take(request.metadata_mut()).into_headers();
    let bearer = format!("Bearer {}", context.caller.token.0);
    // A token that we verified came in a header, so it fits into one.
    if let Ok(mut value) = http::HeaderValue::try_from(bearer) {
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Current::get(|current| {
        headers.insert(REQUEST_ID, current.request_id.clone());
        if let Some(parent) = &current.traceparent {
            headers.insert(TRACEPARENT, parent.clone());
        }
    });
    // Where traces are collected, the current span is the parent.
    inject(&mut headers);
    *request.metadata_mut() = MetadataMap::from_headers(headers);
    request
}

/// Asks another service for something that is only read. Asks a second time if the first was lost
/// on the way, which happens to a call in the moment in which its connection is renewed.
///
/// ```no_run
/// # use std::time::Duration;
/// # use taizhang_contracts::{Context, history::{ListHistoryRequest, ListHistoryResponse}};
/// # use taizhang_contracts::history::history_service_client::HistoryServiceClient;
/// # async fn read(
/// #     context: &Context,
/// #     client: HistoryServiceClient<tonic::transport::Channel>,
/// #     message: ListHistoryRequest,
/// # ) -> Result<ListHistoryResponse, tonic::Status> {
/// let longest = Duration::from_secs(10);
/// let answer = taizhang_runtime::client::read(context, message, longest, |request| {
///     let mut client = client.clone();
///     async move { client.list_history(request).await }
/// });
/// # Ok(answer.await?.into_inner())
/// # }
/// ```
///
/// # Errors
/// What the other service or the transport says.
pub async fn read<T, R, F>(
    context: &Context,
    message: T,
    longest: Duration,
    call: impl Fn(Request<T>) -> F,
) -> Result<Response<R>, Status>
where
    T: Clone,
    F: Future<Output = Result<Response<R>, Status>>,
{
    let since = Instant::now();
    let first = call(on_behalf(context, message.clone(), longest)).await;
    let left = longest.saturating_sub(since.elapsed());
    match first {
        Err(status) if lost(&status) && !left.is_zero() => {
            tracing::debug!(%status, "lost on the way; asking again");
            call(on_behalf(context, message, left)).await
        }
        answered => answered,
    }
}

/// Whether the transport failed, or the other service is stopping.
fn lost(status: &Status) -> bool {
    status.code() == Code::Unavailable || status.source().is_some()
}
