//! `StatisticsService`, one implementation for all services that have indicators.

use std::sync::Arc;

use taizhang_contracts::common::Period;
use taizhang_contracts::statistics::statistics_service_server::{
    StatisticsService as Api, StatisticsServiceServer,
};
use taizhang_contracts::statistics::{
    GatherFiguresRequest, GatherFiguresResponse, ListEvidenceRequest, ListEvidenceResponse,
    ListIndicatorsRequest, ListIndicatorsResponse,
};
use taizhang_contracts::{Context, Result, Violations};
use tonic::{Request, Response, Status};

use crate::figures::{self, Days, Indicator};
use crate::{Ledger, Moment};

/// Serves a service's indicators.
pub struct StatisticsService {
    ledger: Ledger,
    indicators: Arc<[Indicator]>,
}

impl StatisticsService {
    /// The server of these indicators.
    pub fn server(ledger: Ledger, indicators: Vec<Indicator>) -> StatisticsServiceServer<Self> {
        StatisticsServiceServer::new(Self {
            ledger,
            indicators: indicators.into(),
        })
    }

    fn find(&self, id: &str) -> Option<&Indicator> {
        self.indicators
            .iter()
            .find(|indicator| indicator.id() == id)
    }

    async fn gather(
        &self,
        context: &Context,
        q: &GatherFiguresRequest,
    ) -> Result<GatherFiguresResponse> {
        let days = days(q.period.as_ref(), self.ledger.moment())?;
        let mut wanted: Vec<&Indicator> = Vec::new();
        let mut v = Violations::default();
        for (i, id) in q.indicators.iter().enumerate() {
            match self.find(id) {
                Some(indicator) => wanted.push(indicator),
                None => v.item("indicators", i, |v| unknown(v, id)),
            }
        }
        v.finish()?;
        if q.indicators.is_empty() {
            wanted = self.indicators.iter().collect();
        }
        figures::gather_figures(&self.ledger, context, days, &wanted).await
    }

    async fn evidence(
        &self,
        context: &Context,
        q: &ListEvidenceRequest,
    ) -> Result<ListEvidenceResponse> {
        let days = days(q.period.as_ref(), self.ledger.moment())?;
        let mut v = Violations::default();
        let indicator = self.find(&q.indicator);
        if indicator.is_none() {
            v.within("indicator", |v| unknown(v, &q.indicator));
        }
        v.finish()?;
        let Some(indicator) = indicator else {
            return Ok(ListEvidenceResponse::default());
        };
        figures::list_evidence(&self.ledger, &context.office, days, indicator, q).await
    }
}

fn unknown(v: &mut Violations, id: &str) {
    v.add(
        "",
        format!("没有指标{id}"),
        format!("there is no indicator {id}"),
    );
}

fn days(period: Option<&Period>, at: Moment) -> Result<Days> {
    let (first, last) = period
        .and_then(Period::days)
        .ok_or_else(|| Violations::of("period", "必填", "is required"))?;
    let today = at.today();
    Ok(Days { first, last, today })
}

#[tonic::async_trait]
impl Api for StatisticsService {
    async fn list_indicators(
        &self,
        request: Request<ListIndicatorsRequest>,
    ) -> Result<Response<ListIndicatorsResponse>, Status> {
        Context::enter(request)?;
        let indicators = self.indicators.iter().map(Indicator::message).collect();
        Ok(Response::new(ListIndicatorsResponse { indicators }))
    }

    async fn gather_figures(
        &self,
        request: Request<GatherFiguresRequest>,
    ) -> Result<Response<GatherFiguresResponse>, Status> {
        let (context, request) = Context::enter(request)?;
        Ok(Response::new(self.gather(&context, &request).await?))
    }

    async fn list_evidence(
        &self,
        request: Request<ListEvidenceRequest>,
    ) -> Result<Response<ListEvidenceResponse>, Status> {
        let (context, request) = Context::enter(request)?;
        Ok(Response::new(self.evidence(&context, &request).await?))
    }
}
