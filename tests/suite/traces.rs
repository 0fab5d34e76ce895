//! A summary is one trace at an OpenTelemetry collector: with the spans of the caller, of reporting,
//! and of every source.

use std::collections::BTreeSet;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use taizhang_contracts::reporting::annual_report_service_client::AnnualReportServiceClient;
use taizhang_contracts::reporting::{AnnualReport, CreateAnnualReportRequest};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::block_in_place;
use tonic::transport::Server as Tonic;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::harness::{Authorized, Bearer, OFFICE, Store, Suite, run};
use crate::server::Server;

/// A collector that forwards the trace id and the name of every span.
struct Collector(mpsc::UnboundedSender<(String, String)>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let spans = request.into_inner().resource_spans.into_iter();
        let spans = spans.flat_map(|r| r.scope_spans).flat_map(|s| s.spans);
        for span in spans {
            // The receiver may be dropped already.
            let _ = self.0.send((hex::encode(span.trace_id), span.name));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[test]
fn a_summary_is_one_trace() {
    run(Store::Sqlite, one_trace);
}

async fn one_trace(suite: Suite) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    #[expect(
        clippy::disallowed_methods,
        reason = "an unbounded channel is fine in a test"
    )]
    let (tell, mut spans) = mpsc::unbounded_channel();
    let collector = Tonic::builder()
        .add_service(TraceServiceServer::new(Collector(tell)))
        .serve_with_incoming(TcpIncoming::from(listener));
    let collector = tokio::spawn(collector);

    let (file, token) = (suite.config_file(), suite.every_scope());
    let config = suite.config.clone();
    suite.stop().await;
    let environment = [
        ("TAIZHANG__TELEMETRY__OTLP", address.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ];
    let server = block_in_place(|| Server::start(&file, &environment));
    let elsewhere = Suite::elsewhere(&config, server.addresses.clone());
    let channel = Authorized::new(elsewhere.channel("reporting"), Bearer::of(&token).unwrap());
    let mut request = Request::new(CreateAnnualReportRequest {
        parent: OFFICE.into(),
        annual_report: Some(AnnualReport {
            year: 2022,
            ..Default::default()
        }),
        ..Default::default()
    });
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    request
        .metadata_mut()
        .insert("traceparent", parent.parse().unwrap());
    AnnualReportServiceClient::new(channel)
        .create_annual_report(request)
        .await
        .unwrap();

    // Reporting's own span ends last.
    let mut told = BTreeSet::new();
    let mut sources = 0;
    while !told.contains("CreateAnnualReport") {
        let (of, name) = spans.recv().await.unwrap();
        if of == trace {
            sources += usize::from(name.ends_with("GatherFigures"));
            told.insert(name.rsplit('/').next().unwrap_or_default().to_owned());
        }
    }
    assert!(told.contains("ListIndicators"), "{told:?}");
    // Each source was called for two years.
    let counting = taizhang::roles::ROLES
        .iter()
        .filter(|role| role.is_source());
    assert_eq!(sources, 2 * counting.count(), "{told:?}");
    collector.abort();
}
