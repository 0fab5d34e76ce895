//! Behaviour on the wire, also for malformed and hostile requests.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use http::{HeaderMap, StatusCode};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use prost::Message;
use prost::bytes::Bytes;
use taizhang::roles::ROLES;
use taizhang_contracts::common::Level;
use taizhang_contracts::meetings::meeting_service_client::MeetingServiceClient;
use taizhang_contracts::meetings::{
    CreateMeetingRequest, GetMeetingRequest, ListMeetingsRequest, Meeting, MeetingKind,
};
use taizhang_contracts::reporting::annual_report_service_client::AnnualReportServiceClient;
use taizhang_contracts::reporting::{
    AnnualReport, CreateAnnualReportRequest, GetAnnualReportRequest,
};
use taizhang_contracts::statistics::statistics_service_server::{
    StatisticsService, StatisticsServiceServer,
};
use taizhang_contracts::statistics::{
    Evidence, Figure, GatherFiguresRequest, GatherFiguresResponse, Indicator, ListEvidenceRequest,
    ListEvidenceResponse, ListIndicatorsRequest, ListIndicatorsResponse, Measure,
};
use taizhang_runtime::config::Source;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use crate::harness::{Databases, OFFICE, Store, Suite, reason, run_on};
use crate::served_methods;

on_each_database!(
    a_malformed_body_is_an_error,
    random_bodies_are_answered,
    a_message_that_is_too_large_is_an_error,
    an_unknown_compression_is_an_error,
    too_large_headers_are_an_error,
    other_protocols_are_rejected,
    a_deadline_that_has_passed_is_an_error,
    the_request_id_comes_back,
    reflection_lists_the_services,
    health_is_reported_per_service_and_overall,
);

// ---- a raw HTTP/2 client ----

/// A raw response.
#[derive(Debug)]
struct RawResponse {
    http: StatusCode,
    headers: HeaderMap,
    trailers: HeaderMap,
}

impl RawResponse {
    /// The gRPC status, in the trailers or the headers.
    fn status(&self) -> Status {
        let status = Status::from_header_map(&self.trailers);
        let status = status.or_else(|| Status::from_header_map(&self.headers));
        status.unwrap_or_else(|| panic!("no status: {self:?}"))
    }

    fn reason(&self) -> String {
        reason(&self.status())
    }

    /// A trailer, or a header of a trailers-only response.
    fn last(&self, name: &str) -> Option<&str> {
        let value = self.trailers.get(name).or_else(|| self.headers.get(name));
        value.map(|v| v.to_str().unwrap())
    }
}

/// Sends one request on a new connection.
async fn send(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Result<RawResponse, h2::Error> {
    let tcp = TcpStream::connect(address).await.unwrap();
    let mut client = h2::client::Builder::new();
    client.max_header_list_size(1 << 20);
    let (client, connection) = client.handshake(tcp).await?;
    tokio::spawn(connection);
    let mut request = http::Request::post(format!("http://{address}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(()).unwrap();
    let (answer, mut stream) = client.ready().await?.send_request(request, false)?;
    // Fails if the response arrives before the whole body is sent.
    let _ = stream.send_data(Bytes::from(body), true);
    let (parts, mut body) = answer.await?.into_parts();
    while let Some(data) = body.data().await {
        let size = data?.len();
        body.flow_control().release_capacity(size)?;
    }
    let trailers = body.trailers().await?.unwrap_or_default();
    Ok(RawResponse {
        http: parts.status,
        headers: parts.headers,
        trailers,
    })
}

/// A message as gRPC frames it.
fn framed(message: &[u8]) -> Vec<u8> {
    let mut framed = vec![0];
    framed.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend(message);
    framed
}

const LIST: &str = "/taizhang.meetings.v1.MeetingService/ListMeetings";
const CREATE: &str = "/taizhang.meetings.v1.MeetingService/CreateMeeting";

fn list() -> Vec<u8> {
    let parent = OFFICE.into();
    let request = ListMeetingsRequest {
        parent,
        ..Default::default()
    };
    framed(&request.encode_to_vec())
}

fn create(id: &str) -> CreateMeetingRequest {
    let meeting = Meeting {
        title: "调度会".into(),
        kind: MeetingKind::Thematic.into(),
        organiser: "县委办公室".into(),
        host_level: Level::County.into(),
        ..Default::default()
    };
    CreateMeetingRequest {
        parent: OFFICE.into(),
        meeting_id: id.into(),
        meeting: Some(meeting),
        ..Default::default()
    }
}

/// Sends to the meetings service with a token of every scope.
async fn to_meetings(
    suite: &Suite,
    path: &str,
    more: &[(&str, &str)],
    body: Vec<u8>,
) -> RawResponse {
    let bearer = format!("Bearer {}", suite.every_scope());
    let mut headers = vec![("authorization", bearer.as_str())];
    headers.extend(more);
    let address = suite.addresses["meetings"];
    send(address, path, &headers, body).await.unwrap()
}

/// Asserts that the service still answers.
async fn still_answers(suite: &Suite) {
    let answer = to_meetings(suite, LIST, &[], list()).await;
    assert_eq!(answer.status().code(), Code::Ok);
}

// ---- malformed requests ----

async fn a_malformed_body_is_an_error(suite: Suite) {
    let mut cut_short = list();
    cut_short.pop();
    let mut flagged = list();
    flagged[0] = 1;
    let mut strange_flag = list();
    strange_flag[0] = 7;
    let bodies = [
        ("nothing", vec![]),
        ("no frame", b"hello".to_vec()),
        ("an open frame", vec![0, 0, 0]),
        ("a message cut short", cut_short),
        ("no protobuf", framed(&[0xff; 40])),
        ("no UTF-8", framed(&[0x0a, 2, 0xc3, 0x28])),
        ("compressed, without saying how", flagged),
        ("a flag that does not exist", strange_flag),
        ("two messages", [list(), list()].concat()),
    ];
    for (what, body) in bodies {
        let answer = to_meetings(&suite, LIST, &[], body).await;
        let status = answer.status();
        assert_eq!(answer.http, StatusCode::OK, "{what}");
        if what == "two messages" && status.code() == Code::Ok {
            continue;
        }
        assert_eq!(status.code(), Code::InvalidArgument, "{what}: {status:?}");
        assert_eq!(
            served_methods::error_reason(&status, "zh-CN", &what),
            "INVALID_FIELDS"
        );
    }
    still_answers(&suite).await;
}

async fn random_bodies_are_answered(suite: Suite) {
    let bearer = format!("Bearer {}", suite.every_scope());
    let mut runner = TestRunner::deterministic();
    let methods = served_methods::all();
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    let body = (0..methods.len(), bytes, any::<bool>());
    for _ in 0..300 {
        let (i, bytes, frame) = body.new_tree(&mut runner).unwrap().current();
        let at = &methods[i];
        let body = if frame { framed(&bytes) } else { bytes };
        let address = suite.addresses[at.role.name];
        let headers = [("authorization", bearer.as_str())];
        let answer = send(address, &at.path(), &headers, body.clone()).await;
        let status = answer.unwrap().status();
        assert_ne!(status.code(), Code::Ok, "{at} took {body:?}");
        let reason = served_methods::error_reason(&status, "zh-CN", at);
        assert_eq!(reason, "INVALID_FIELDS", "{at}: {body:?}");
    }
}

async fn a_message_that_is_too_large_is_an_error(suite: Suite) {
    let most = suite.config.limits.message_bytes;
    let large = |size: usize| {
        let mut request = create("large");
        request.meeting.as_mut().unwrap().note = "x".repeat(size);
        framed(&request.encode_to_vec())
    };
    let answer = to_meetings(&suite, CREATE, &[], large(most + 1)).await;
    let status = answer.status();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert_eq!(
        served_methods::error_reason(&status, "zh-CN", &"too large"),
        "INVALID_FIELDS"
    );
    // Within the limit of a message, the field is too large.
    let answer = to_meetings(&suite, CREATE, &[], large(most - 1000)).await;
    let fields = served_methods::bad_fields(&answer.status());
    assert_eq!(fields, BTreeSet::from(["meeting.note".to_owned()]));

    // A frame that announces 4 GiB does not make the server allocate them.
    let mut announced = vec![0, 0xff, 0xff, 0xff, 0xff];
    announced.extend([0; 100]);
    let status = to_meetings(&suite, CREATE, &[], announced).await.status();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");

    // A body beyond the limit is not read to its end.
    let endless = vec![0; 4 * most];
    let answer = to_meetings(&suite, CREATE, &[], endless).await;
    assert_ne!(answer.status().code(), Code::Ok);
    still_answers(&suite).await;
}

async fn an_unknown_compression_is_an_error(suite: Suite) {
    for encoding in ["snappy", "gzip", "nonsense"] {
        let mut body = list();
        body[0] = 1;
        let answer = to_meetings(&suite, LIST, &[("grpc-encoding", encoding)], body).await;
        let status = answer.status();
        // The code is defined by gRPC.
        assert_eq!(status.code(), Code::Unimplemented, "{encoding}: {status:?}");
        assert_eq!(answer.reason(), "INVALID_FIELDS", "{encoding}");
        assert!(status.get_details_localized_message().is_some());
    }
    let answer = to_meetings(&suite, LIST, &[("grpc-encoding", "identity")], list()).await;
    assert_eq!(answer.status().code(), Code::Ok);
}

async fn too_large_headers_are_an_error(suite: Suite) {
    let bearer = format!("Bearer {}", suite.every_scope());
    let address = suite.addresses["meetings"];
    let names: Vec<String> = (0..10_000).map(|i| format!("x-{i}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), "value")).collect();
    let long = "x".repeat(1 << 20);
    for extra in [many, vec![("x-long", long.as_str())]] {
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(extra);
        match send(address, LIST, &headers, list()).await {
            Ok(answer) => assert_eq!(answer.http, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
            Err(error) => assert!(error.is_remote() || error.is_io(), "{error}"),
        }
    }
    still_answers(&suite).await;
}

async fn other_protocols_are_rejected(suite: Suite) {
    let requests = [
        &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        &[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0],
        &[0; 64],
    ];
    for request in requests {
        let mut tcp = TcpStream::connect(suite.addresses["meetings"])
            .await
            .unwrap();
        tcp.write_all(request).await.unwrap();
        let mut told = Vec::new();
        // The server closes the connection.
        let closed = tcp.read_to_end(&mut told);
        let closed = tokio::time::timeout(Duration::from_secs(10), closed).await;
        assert!(closed.is_ok(), "the connection to {request:?} stays open");
    }
    still_answers(&suite).await;
}

// ---- deadlines ----

async fn a_deadline_that_has_passed_is_an_error(suite: Suite) {
    let body = || framed(&create("late").encode_to_vec());
    for timeout in ["1n", "0S"] {
        let answer = to_meetings(&suite, CREATE, &[("grpc-timeout", timeout)], body()).await;
        let status = answer.status();
        assert_eq!(
            status.code(),
            Code::DeadlineExceeded,
            "{timeout}: {status:?}"
        );
        assert_eq!(
            served_methods::error_reason(&status, "zh-CN", &timeout),
            "DEADLINE_EXCEEDED"
        );
        assert!(answer.last("x-request-id").is_some());
    }
    // From very short to long deadlines: an answer or this error.
    for micros in (0..20).map(|i| 100 * (i * i + 1)) {
        let timeout = format!("{micros}u");
        let answer = to_meetings(&suite, LIST, &[("grpc-timeout", &timeout)], list()).await;
        let status = answer.status();
        if status.code() != Code::Ok {
            assert_eq!(
                served_methods::error_reason(&status, "zh-CN", &timeout),
                "DEADLINE_EXCEEDED"
            );
        }
    }
    // Calls that exceeded the deadline did not take the id.
    let answer = to_meetings(&suite, CREATE, &[("grpc-timeout", "10S")], body()).await;
    assert_eq!(answer.status().code(), Code::Ok);
}

// ---- request ids ----

async fn the_request_id_comes_back(suite: Suite) {
    let asked = [
        ("portal:2022-06-01.17", true),
        ("0193e5f2-2f4b-7c2e-8a39-5b6c7d8e9f00", true),
        ("two words", false),
        ("", false),
    ];
    let bad = framed(&CreateMeetingRequest::default().encode_to_vec());
    let calls = [
        (LIST, list(), Code::Ok),
        (CREATE, bad, Code::InvalidArgument),
        (LIST, b"garbage".to_vec(), Code::InvalidArgument),
        (
            "/taizhang.meetings.v1.MeetingService/Nothing",
            list(),
            Code::Unimplemented,
        ),
        ("/", list(), Code::Unimplemented),
    ];
    for (path, body, code) in calls {
        let mut made = BTreeSet::new();
        for (id, kept) in asked {
            let answer = to_meetings(&suite, path, &[("x-request-id", id)], body.clone()).await;
            assert_eq!(answer.status().code(), code, "{path}");
            let back = answer.last("x-request-id").unwrap();
            assert_eq!(back == id, kept, "{path}: {id} came back as {back}");
            made.insert(back.to_owned());
        }
        // Without one, each call gets a new id.
        let answer = to_meetings(&suite, path, &[], body).await;
        made.insert(answer.last("x-request-id").unwrap().to_owned());
        assert_eq!(made.len(), asked.len() + 1, "{path}: {made:?}");
    }
    let answer = send(
        suite.addresses["meetings"],
        LIST,
        &[("x-request-id", "a")],
        list(),
    )
    .await;
    let answer = answer.unwrap();
    assert_eq!(
        (answer.reason().as_str(), answer.last("x-request-id")),
        ("TOKEN_MISSING", Some("a"))
    );
}

// ---- health and reflection ----

macro_rules! reflected {
    ($version:ident, $channel:expr, $request:expr) => {{
        use pb::server_reflection_request::MessageRequest as Asked;
        use pb::server_reflection_response::MessageResponse as Told;
        use tonic_reflection::pb::$version as pb;
        let mut client = pb::server_reflection_client::ServerReflectionClient::new($channel);
        let asked: Vec<Asked> = [Asked::ListServices(String::new())]
            .into_iter()
            .chain(
                $request
                    .iter()
                    .map(|symbol: &String| Asked::FileContainingSymbol(symbol.clone())),
            )
            .collect();
        let requests = asked
            .into_iter()
            .map(|message_request| pb::ServerReflectionRequest {
                host: String::new(),
                message_request: Some(message_request),
            });
        match client
            .server_reflection_info(futures::stream::iter(requests.collect::<Vec<_>>()))
            .await
        {
            Err(status) => Err(status),
            Ok(answers) => {
                let mut answers = answers.into_inner();
                let (mut services, mut files) = (BTreeSet::new(), 0);
                while let Some(answer) = answers.next().await {
                    match answer.unwrap().message_response.unwrap() {
                        Told::ListServicesResponse(list) => {
                            services.extend(list.service.into_iter().map(|s| s.name));
                        }
                        Told::FileDescriptorResponse(_) => files += 1,
                        other => panic!("{other:?}"),
                    }
                }
                Ok((services, files))
            }
        }
    }};
}

async fn reflection_lists_the_services(suite: Suite) {
    for role in ROLES {
        let mut symbols: Vec<String> = role.grpc_services.iter().map(|s| (*s).to_owned()).collect();
        let served = symbols
            .clone()
            .into_iter()
            .chain(["grpc.health.v1.Health".to_owned()]);
        let served: BTreeSet<String> = served.collect();
        symbols.push("google.protobuf.Timestamp".into());
        let (v1, files) = reflected!(v1, suite.channel(role.name), symbols).unwrap();
        assert_eq!(files, symbols.len());
        let (v1alpha, files) = reflected!(v1alpha, suite.channel(role.name), symbols).unwrap();
        assert_eq!(files, symbols.len());
        for mut told in [v1, v1alpha] {
            // Reflection may list itself.
            told.retain(|name| !name.starts_with("grpc.reflection."));
            assert_eq!(told, served, "{}", role.name);
        }
    }
}

#[test]
fn reflection_can_be_switched_off() {
    run_on(Store::Sqlite, async |databases| {
        let mut config = databases.config.clone();
        config.reflection = false;
        let suite = Suite::with(&config, taizhang_ledger::Clock::system()).await;
        let none: Vec<String> = Vec::new();
        for role in ROLES {
            let v1 = reflected!(v1, suite.channel(role.name), none).unwrap_err();
            let v1alpha = reflected!(v1alpha, suite.channel(role.name), none).unwrap_err();
            // It is an unknown method then, which requires a token.
            for status in [v1, v1alpha] {
                let refused = [Code::Unimplemented, Code::Unauthenticated];
                assert!(refused.contains(&status.code()), "{status:?}");
            }
        }
    });
}

async fn health_is_reported_per_service_and_overall(suite: Suite) {
    for role in ROLES {
        let mut health = HealthClient::new(suite.channel(role.name));
        for service in role.grpc_services.iter().chain(&[""]) {
            let service = (*service).to_owned();
            let request = HealthCheckRequest {
                service: service.clone(),
            };
            let answer = health.check(request).await.unwrap().into_inner();
            assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
        }
        let request = HealthCheckRequest {
            service: "taizhang.nothing.v1.NothingService".into(),
        };
        let status = health.check(request).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
    }

    // A watcher is notified of the shutdown and does not delay it.
    let mut health = HealthClient::new(suite.channel("meetings"));
    let service = "taizhang.meetings.v1.MeetingService".to_owned();
    let watched = health.watch(HealthCheckRequest { service }).await.unwrap();
    let mut watched = watched.into_inner();
    let first = watched.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    let stopping = tokio::spawn(suite.stop());
    let second = watched.message().await.unwrap().unwrap();
    assert_eq!(second.status(), ServingStatus::NotServing);
    tokio::time::timeout(Duration::from_secs(10), stopping)
        .await
        .unwrap()
        .unwrap();
}

// ---- an external source of figures ----

/// An external system that serves `StatisticsService` and holds its answers until released.
#[derive(Clone)]
struct Township {
    seen: Arc<Mutex<Vec<MetadataMap>>>,
    waiting: watch::Sender<usize>,
    let_go: Arc<Semaphore>,
}

impl Township {
    /// Serves on a free port.
    async fn start() -> (Self, SocketAddr) {
        let township = Self {
            seen: Arc::default(),
            waiting: watch::Sender::new(0),
            let_go: Arc::new(Semaphore::new(0)),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = StatisticsServiceServer::new(township.clone());
        let server = Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        (township, address)
    }

    /// Records the metadata of a call, and holds the call until it is released.
    async fn hold<T>(&self, request: &Request<T>) {
        self.seen.lock().unwrap().push(request.metadata().clone());
        self.waiting.send_modify(|n| *n += 1);
        self.let_go.acquire().await.unwrap().forget();
    }

    async fn until_waiting(&self) {
        let mut waiting = self.waiting.subscribe();
        waiting.wait_for(|n| *n > 0).await.unwrap();
    }

    fn release_all(&self) {
        self.let_go.add_permits(1_000);
    }
}

#[tonic::async_trait]
impl StatisticsService for Township {
    async fn list_indicators(
        &self,
        request: Request<ListIndicatorsRequest>,
    ) -> Result<Response<ListIndicatorsResponse>, Status> {
        self.hold(&request).await;
        let indicator = Indicator {
            id: "ponds_dredged".into(),
            label: "清淤山塘".into(),
            unit: "口".into(),
            definition: "完成清淤的山塘".into(),
            collection: "ponds".into(),
            measure: Measure::Count.into(),
            decimals: 0,
            part_of: String::new(),
        };
        Ok(Response::new(ListIndicatorsResponse {
            indicators: vec![indicator],
        }))
    }

    async fn gather_figures(
        &self,
        request: Request<GatherFiguresRequest>,
    ) -> Result<Response<GatherFiguresResponse>, Status> {
        self.hold(&request).await;
        let figure = Figure {
            indicator: "ponds_dredged".into(),
            value: 17,
            records: 17,
            kept: true,
        };
        Ok(Response::new(GatherFiguresResponse {
            figures: vec![figure],
            snapshot_time: Some(prost_types::Timestamp::default()),
        }))
    }

    async fn list_evidence(
        &self,
        request: Request<ListEvidenceRequest>,
    ) -> Result<Response<ListEvidenceResponse>, Status> {
        self.hold(&request).await;
        let evidence = vec![Evidence {
            record: format!("{OFFICE}/ponds/p1"),
            ..Default::default()
        }];
        Ok(Response::new(ListEvidenceResponse {
            evidence,
            ..Default::default()
        }))
    }
}

/// A suite whose only source of figures is a township.
async fn suite_and_township(databases: &Databases, calls: usize) -> (Suite, Township) {
    let (township, address) = Township::start().await;
    let mut config = databases.config.clone();
    config.limits.calls = calls;
    let source = Source {
        address: format!("http://{address}"),
        deadline_seconds: 20,
    };
    config.sources.insert("township".into(), source);
    let suite = Suite::with(&config, taizhang_ledger::Clock::system()).await;
    (suite, township)
}

fn report(id: &str) -> CreateAnnualReportRequest {
    CreateAnnualReportRequest {
        parent: OFFICE.into(),
        annual_report_id: id.into(),
        annual_report: Some(AnnualReport {
            year: 2022,
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The township's figure in a report.
fn ponds(report: &AnnualReport) -> Option<i64> {
    let figure = report.figures.iter().find(|f| f.source == "township");
    figure.unwrap().current.as_ref().unwrap().value
}

#[test]
fn sources_get_the_callers_token_trace_and_deadline() {
    run_on(Store::Sqlite, async |databases| {
        let (suite, township) = suite_and_township(databases, 100).await;
        township.release_all();
        let bearer = format!("Bearer {}", suite.every_scope());
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let mut request = Request::new(report("r1"));
        let metadata = request.metadata_mut();
        metadata.insert("authorization", bearer.parse().unwrap());
        metadata.insert("x-request-id", "portal-7".parse().unwrap());
        let parent = format!("00-{trace}-00f067aa0ba902b7-01");
        metadata.insert("traceparent", parent.parse().unwrap());
        request.set_timeout(Duration::from_secs(5));
        let mut reports = AnnualReportServiceClient::new(suite.channel("reporting"));
        let report = reports
            .create_annual_report(request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(ponds(&report), Some(17));

        let seen = std::mem::take(&mut *township.seen.lock().unwrap());
        assert!(!seen.is_empty());
        for metadata in seen {
            let get = |name: &str| metadata.get(name).map(|v| v.to_str().unwrap().to_owned());
            assert_eq!(get("authorization").as_ref(), Some(&bearer));
            assert_eq!(get("x-request-id").as_deref(), Some("portal-7"));
            assert_eq!(get("traceparent").unwrap().split('-').nth(1), Some(trace));
            let timeout = get("grpc-timeout").unwrap();
            let (digits, unit) = timeout.split_at(timeout.len() - 1);
            let micros = match unit {
                "n" => digits.parse::<u64>().unwrap() / 1_000,
                "u" => digits.parse().unwrap(),
                "m" => digits.parse::<u64>().unwrap() * 1_000,
                "S" => digits.parse::<u64>().unwrap() * 1_000_000,
                _ => panic!("{timeout}"),
            };
            assert!((1..=5_000_000).contains(&micros), "{timeout}");
        }
        suite.stop().await;
    });
}

#[test]
fn calls_beyond_the_permits_are_refused_with_a_retry_delay() {
    run_on(Store::Sqlite, async |databases| {
        let (suite, township) = suite_and_township(databases, 1).await;
        let mut reports = AnnualReportServiceClient::new(suite.authorized("reporting"));
        let mut first = reports.clone();
        let first = tokio::spawn(async move { first.create_annual_report(report("r1")).await });
        township.until_waiting().await;
        let request = GetAnnualReportRequest {
            name: format!("{OFFICE}/annualReports/r1"),
        };
        let status = reports
            .get_annual_report(request.clone())
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(
            served_methods::error_reason(&status, "zh-CN", &"overload"),
            "OVERLOADED"
        );
        assert!(
            status
                .get_details_retry_info()
                .unwrap()
                .retry_delay
                .is_some()
        );
        assert!(
            !status
                .get_details_quota_failure()
                .unwrap()
                .violations
                .is_empty()
        );
        // Health checks need no permit.
        let mut health = HealthClient::new(suite.channel("reporting"));
        let service = String::new();
        assert!(health.check(HealthCheckRequest { service }).await.is_ok());

        township.release_all();
        first.await.unwrap().unwrap();
        assert!(reports.get_annual_report(request).await.is_ok());
        suite.stop().await;
    });
}

// ---- connections and shutdown ----

#[test]
fn a_connection_is_closed_at_its_maximum_age() {
    run_on(Store::Sqlite, async |databases| {
        let mut config = databases.config.clone();
        config.limits.connection_age_seconds = 1;
        let suite = Suite::with(&config, taizhang_ledger::Clock::system()).await;
        let tcp = TcpStream::connect(suite.addresses["meetings"]).await;
        let (_client, connection) = h2::client::handshake(tcp.unwrap()).await.unwrap();
        // It ends by GOAWAY without an error, though the client keeps it open.
        let ended = tokio::time::timeout(Duration::from_secs(10), connection).await;
        ended.expect("the connection stays open").unwrap();
        still_answers(&suite).await;
        suite.stop().await;
    });
}

#[test]
fn a_running_call_is_answered_during_a_shutdown() {
    run_on(Store::Sqlite, async |databases| {
        let (suite, township) = suite_and_township(databases, 100).await;
        let reports = AnnualReportServiceClient::new(suite.authorized("reporting"));
        let mut health = HealthClient::new(suite.channel("reporting"));
        let service = String::new();
        let watched = health.watch(HealthCheckRequest { service }).await.unwrap();
        let mut watched = watched.into_inner();
        watched.message().await.unwrap();
        let calls = (0..20).map(|i| {
            let mut reports = reports.clone();
            tokio::spawn(
                async move { reports.create_annual_report(report(&format!("r{i}"))).await },
            )
        });
        let calls: Vec<_> = calls.collect();
        township.until_waiting().await;
        let in_flight = suite.addresses["reporting"];
        let stopping = tokio::spawn(suite.stop());
        // The service is stopping, and the calls still wait.
        let told = watched.message().await.unwrap().unwrap();
        assert_eq!(told.status(), ServingStatus::NotServing);
        assert!(!stopping.is_finished());
        township.release_all();
        for call in join_all(calls).await {
            let report = call.unwrap().unwrap().into_inner();
            assert_eq!(ponds(&report), Some(17));
        }
        stopping.await.unwrap();
        assert!(TcpStream::connect(in_flight).await.is_err());
    });
}

async fn a_shutdown_loses_no_acknowledged_write(databases: &Databases) {
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let suite = Suite::start(databases).await;
        let written = Arc::new(AtomicUsize::new(0));
        let writers = (0..16).map(|writer| {
            let mut meetings = MeetingServiceClient::new(suite.authorized("meetings"));
            let written = written.clone();
            tokio::spawn(async move {
                let mut names = Vec::new();
                for i in 0.. {
                    let id = format!("m-{round}-{writer}-{i}");
                    match meetings.create_meeting(create(&id)).await {
                        Ok(meeting) => names.push(meeting.into_inner().name),
                        Err(status) => {
                            // The connection is closed or refused.
                            let transport = status.source().is_some();
                            assert!(
                                transport || status.code() == Code::Unavailable,
                                "{status:?}"
                            );
                            break;
                        }
                    }
                    written.fetch_add(1, Ordering::Relaxed);
                }
                names
            })
        });
        let writers: Vec<_> = writers.collect();
        while written.load(Ordering::Relaxed) < 100 {
            tokio::task::yield_now().await;
        }
        suite.stop().await;
        for names in join_all(writers).await {
            acknowledged.extend(names.unwrap());
        }
    }
    assert!(acknowledged.len() >= 300);
    let suite = Suite::start(databases).await;
    let mut meetings = MeetingServiceClient::new(suite.authorized("meetings"));
    for name in acknowledged {
        let meeting = meetings
            .get_meeting(GetMeetingRequest { name: name.clone() })
            .await;
        assert_eq!(meeting.unwrap().into_inner().name, name);
    }
    suite.stop().await;
}

#[test]
fn a_shutdown_loses_no_acknowledged_write_on_sqlite() {
    run_on(Store::Sqlite, a_shutdown_loses_no_acknowledged_write);
}

#[test]
fn a_shutdown_loses_no_acknowledged_write_on_postgres() {
    run_on(Store::Postgres, a_shutdown_loses_no_acknowledged_write);
}
