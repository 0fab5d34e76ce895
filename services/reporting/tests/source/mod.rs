//! A source of figures for tests: a gRPC server on a free port.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use taizhang_contracts::statistics::statistics_service_server::{
    StatisticsService, StatisticsServiceServer,
};
use taizhang_contracts::statistics::{
    Evidence, Figure, GatherFiguresRequest, GatherFiguresResponse, Indicator, ListEvidenceRequest,
    ListEvidenceResponse, ListIndicatorsRequest, ListIndicatorsResponse,
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status};

/// How it answers calls.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    Answer,
    Late,
    Fail(Code),
}

struct State {
    name: String,
    mode: Mode,
    indicators: Vec<Indicator>,
    values: HashMap<i32, Vec<i64>>,
    evidence_asked: Vec<(String, ListEvidenceRequest)>,
}

#[derive(Clone)]
pub(crate) struct FakeSource {
    address: std::net::SocketAddr,
    state: Arc<Mutex<State>>,
}

impl FakeSource {
    /// Starts a source with these indicators: id, label, unit.
    pub(crate) async fn start(name: &str, indicators: &[(&str, &str, &str)]) -> Self {
        let indicators = indicators
            .iter()
            .map(|(id, label, unit)| Indicator {
                id: (*id).into(),
                label: (*label).into(),
                unit: (*unit).into(),
                ..Default::default()
            })
            .collect();
        let state = State {
            name: name.into(),
            mode: Mode::Answer,
            indicators,
            values: HashMap::new(),
            evidence_asked: Vec::new(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::new(Mutex::new(state)),
        };
        let server = Server::builder().add_service(StatisticsServiceServer::new(fake.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        fake
    }

    pub(crate) fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address))
            .unwrap()
            .connect_lazy()
    }

    pub(crate) fn set_mode(&self, mode: Mode) {
        self.state.lock().unwrap().mode = mode;
    }

    /// Sets the values of a year, in the order of the indicators. A year without values was not kept.
    pub(crate) fn count(&self, year: i32, values: &[i64]) {
        self.state
            .lock()
            .unwrap()
            .values
            .insert(year, values.to_vec());
    }

    pub(crate) fn clear_evidence_asked(&self) {
        self.state.lock().unwrap().evidence_asked.clear();
    }

    pub(crate) fn evidence_asked(&self) -> Vec<(String, ListEvidenceRequest)> {
        self.state.lock().unwrap().evidence_asked.clone()
    }

    async fn begin<T>(&self, request: &Request<T>) -> Result<String, Status> {
        let mode = self.state.lock().unwrap().mode;
        match mode {
            Mode::Answer => {}
            Mode::Late => tokio::time::sleep(Duration::from_secs(30)).await,
            Mode::Fail(code) => return Err(Status::new(code, "the source's message")),
        }
        let token = request
            .metadata()
            .get("authorization")
            .unwrap()
            .to_str()
            .unwrap();
        assert!(request.metadata().contains_key("grpc-timeout"));
        Ok(token.to_owned())
    }
}

#[tonic::async_trait]
impl StatisticsService for FakeSource {
    async fn list_indicators(
        &self,
        request: Request<ListIndicatorsRequest>,
    ) -> Result<Response<ListIndicatorsResponse>, Status> {
        self.begin(&request).await?;
        let indicators = self.state.lock().unwrap().indicators.clone();
        Ok(Response::new(ListIndicatorsResponse { indicators }))
    }

    async fn gather_figures(
        &self,
        request: Request<GatherFiguresRequest>,
    ) -> Result<Response<GatherFiguresResponse>, Status> {
        self.begin(&request).await?;
        let period = request.into_inner().period.unwrap();
        let (first, last) = (period.first_day.unwrap(), period.last_day.unwrap());
        assert_eq!(
            (first.month, first.day, last.month, last.day),
            (1, 1, 12, 31)
        );
        let state = self.state.lock().unwrap();
        let values = state.values.get(&first.year);
        let figures = state
            .indicators
            .iter()
            .enumerate()
            .map(|(i, indicator)| Figure {
                indicator: indicator.id.clone(),
                value: values.map_or(0, |v| v[i]),
                records: values.map_or(0, |v| v[i]),
                kept: values.is_some(),
            })
            .collect();
        Ok(Response::new(GatherFiguresResponse {
            figures,
            snapshot_time: None,
        }))
    }

    async fn list_evidence(
        &self,
        request: Request<ListEvidenceRequest>,
    ) -> Result<Response<ListEvidenceResponse>, Status> {
        let token = self.begin(&request).await?;
        let mut state = self.state.lock().unwrap();
        state.evidence_asked.push((token, request.into_inner()));
        Ok(Response::new(ListEvidenceResponse {
            evidence: vec![Evidence {
                record: format!("offices/demo/{}/m1", state.name),
                contribution: 1,
                ..Default::default()
            }],
            next_page_token: "next".into(),
        }))
    }
}
