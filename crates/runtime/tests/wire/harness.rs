//! A service whose answer depends on the name in the request, and helpers to call it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use chrono::TimeDelta;
use http::HeaderMap;
use http_body_util::{BodyExt, Full};
use prost::Message;
use taizhang_contracts::history::history_service_client::HistoryServiceClient;
use taizhang_contracts::history::history_service_server::{HistoryService, HistoryServiceServer};
use taizhang_contracts::history::{ListHistoryRequest, ListHistoryResponse};
use taizhang_contracts::{Context, Error, Office};
use taizhang_runtime::identity::{Grant, Keyring, Verifier};
use taizhang_runtime::{Config, ServeError, Service, client, serve};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt;

pub const PATH: &str = "/taizhang.history.v1.HistoryService/ListHistory";

/// Signals to and from the handlers of one server.
#[derive(Debug, Default)]
pub struct Signals {
    pub entered: Notify,
    pub proceed: Notify,
    pub dropped: Notify,
}

/// Signals that a call was dropped before its end.
struct OnDrop(Arc<Signals>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.dropped.notify_one();
    }
}

struct Stub(Arc<Signals>);

fn answer(text: impl Into<String>) -> Result<Response<ListHistoryResponse>, Status> {
    Ok(Response::new(ListHistoryResponse {
        entries: Vec::new(),
        next_page_token: text.into(),
    }))
}

#[tonic::async_trait]
impl HistoryService for Stub {
    async fn list_history(
        &self,
        request: Request<ListHistoryRequest>,
    ) -> Result<Response<ListHistoryResponse>, Status> {
        let given = *request
            .extensions()
            .get::<taizhang_contracts::Until>()
            .unwrap();
        let header = |name| {
            let value = request.metadata().get(name);
            value.map_or("", |v| v.to_str().unwrap()).to_owned()
        };
        let headers = ["x-request-id", "traceparent", "grpc-timeout"].map(header);
        let (context, message) = Context::enter(request)?;
        let name = message.name.rsplit('/').next().unwrap_or_default();
        match name {
            "panic" => panic!("the text of a panic"),
            "bare" => Err(Status::internal("the text of a database")),
            "gone" => Err(Error::not_found("Meeting", message.name).into()),
            "wait" => {
                let on_drop = OnDrop(self.0.clone());
                self.0.entered.notify_one();
                self.0.proceed.notified().await;
                std::mem::forget(on_drop);
                answer("waited")
            }
            "remaining" => {
                assert_eq!(context.until, Some(given));
                answer(given.remaining().as_millis().to_string())
            }
            "headers" => answer(headers.join("|")),
            "forward" => {
                // The page token has the address of the next server.
                let channel = client::connect_lazy(&message.page_token, &Default::default())
                    .map_err(Error::internal)?;
                let message = ListHistoryRequest {
                    name: "offices/demo/meetings/headers".into(),
                    ..Default::default()
                };
                let channel = client::on_behalf(&context, channel, Duration::from_secs(2));
                HistoryServiceClient::new(channel)
                    .list_history(message)
                    .await
            }
            _ => answer(context.caller.system.clone()),
        }
    }
}

/// A running server with its own keyring and folder.
pub struct Server {
    pub address: SocketAddr,
    pub keyring: Keyring,
    pub signals: Arc<Signals>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<Result<(), ServeError>>,
    _folder: tempfile::TempDir,
}

pub async fn start() -> Server {
    start_with(|_| {}).await
}

pub async fn start_with(configure: impl FnOnce(&mut Config)) -> Server {
    start_as("meetings", configure).await
}

pub async fn start_as(name: &'static str, configure: impl FnOnce(&mut Config)) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config {
        data: folder.path().to_owned(),
        ..Config::default()
    };
    configure(&mut config);
    let keyring = Keyring::open_or_create(&config.identity_folder()).unwrap();
    let verifier =
        Verifier::with_interval(Duration::ZERO, &config.public_key(), &config.revoked()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let signals = Arc::new(Signals::default());
    let stub = HistoryServiceServer::new(Stub(signals.clone()))
        .max_decoding_message_size(config.limits.message_bytes);
    let service = Service {
        name,
        routes: tonic::service::Routes::new(stub),
        services: &["taizhang.history.v1.HistoryService"],
    };
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(async move {
        let stopped = async { stopped.await.unwrap_or_default() };
        serve(service, listener, &config, Arc::new(verifier), stopped).await
    });
    Server {
        address,
        keyring,
        signals,
        stop: Some(stop),
        served,
        _folder: folder,
    }
}

impl Server {
    /// A token with the scope of the method.
    pub fn token(&self) -> String {
        self.token_for(&["meetings.read"], TimeDelta::hours(1))
    }

    pub fn token_for(&self, scopes: &[&str], valid_for: TimeDelta) -> String {
        let grant = Grant {
            system: "township-portal".into(),
            offices: vec![Office::from_id("demo").unwrap()],
            scopes: scopes.iter().map(|s| s.to_string()).collect(),
            valid_for,
        };
        self.keyring.issue(grant).unwrap()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn channel(&self) -> Channel {
        client::connect_lazy(&self.url(), &Default::default()).unwrap()
    }

    pub fn history(&self) -> HistoryServiceClient<Channel> {
        HistoryServiceClient::new(self.channel())
    }

    /// Calls the method with a valid token.
    pub async fn ask(&self, name: &str) -> Result<Response<ListHistoryResponse>, Status> {
        self.history()
            .list_history(asking(name, &self.token()))
            .await
    }

    /// Tells the server to stop.
    pub fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until it has stopped.
    pub async fn stopped(self) {
        self.served.await.unwrap().unwrap();
    }
}

pub fn message(name: &str) -> ListHistoryRequest {
    ListHistoryRequest {
        name: format!("offices/demo/meetings/{name}"),
        ..Default::default()
    }
}

/// A request with a token.
pub fn asking(name: &str, token: &str) -> Request<ListHistoryRequest> {
    let mut request = Request::new(message(name));
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    request
}

/// A message as gRPC frames it.
pub fn framed(name: &str) -> Vec<u8> {
    let message = message(name).encode_to_vec();
    let mut framed = vec![0];
    framed.extend((message.len() as u32).to_be_bytes());
    framed.extend(message);
    framed
}

/// Sends any bytes; the headers and trailers of the response, or the error of the transport.
pub async fn send(
    channel: &mut Channel,
    path: &str,
    headers: HeaderMap,
    body: Vec<u8>,
) -> Result<HeaderMap, String> {
    let mut request = http::Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(tonic::body::Body::new(Full::new(Bytes::from(body))))
        .unwrap();
    request.headers_mut().extend(headers);
    let service = std::future::poll_fn(|cx| {
        tonic::client::GrpcService::<tonic::body::Body>::poll_ready(channel, cx)
    });
    service.await.map_err(|e| e.to_string())?;
    let response = tonic::client::GrpcService::call(channel, request).await;
    let response = response.map_err(|e| e.to_string())?;
    if response.status() != 200 {
        return Err(response.status().to_string());
    }
    let mut headers = response.headers().clone();
    let collected = response
        .into_body()
        .collect()
        .await
        .map_err(|e| e.to_string())?;
    headers.extend(collected.trailers().cloned().unwrap_or_default());
    Ok(headers)
}

pub fn bearer(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(
        http::header::AUTHORIZATION,
        format!("Bearer {token}").parse().unwrap(),
    )])
}

/// The status in headers or trailers.
pub fn status(headers: &HeaderMap) -> Status {
    Status::from_header_map(headers).unwrap()
}

/// Asserts the code and the reason of an error, and that it has what every error has.
pub fn assert_refused(status: &Status, code: Code, reason: &str) {
    assert_eq!(status.code(), code, "{status:?}");
    let info = status.get_details_error_info().expect("an ErrorInfo");
    assert_eq!(
        (info.reason.as_str(), info.domain.as_str()),
        (reason, "taizhang")
    );
    let text = status
        .get_details_localized_message()
        .expect("a LocalizedMessage");
    assert_eq!(text.locale, "zh-CN");
    assert!(!text.message.is_empty());
    assert!(status.metadata().contains_key("x-request-id"), "{status:?}");
}
