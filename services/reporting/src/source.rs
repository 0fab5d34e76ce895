//! The services that count: what is asked of them, for whom, and for how long.

use std::future::Future;
use std::time::Duration;

use taizhang_contracts::Context;
use taizhang_contracts::common::Period;
use taizhang_contracts::statistics::statistics_service_client::StatisticsServiceClient;
use taizhang_contracts::statistics::{
    Figure, GatherFiguresRequest, Indicator, ListEvidenceRequest, ListEvidenceResponse,
    ListIndicatorsRequest,
};
use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

/// A service that serves `StatisticsService`.
#[derive(Debug, Clone)]
pub struct Source {
    /// What it is called in reports, such as `meetings`.
    pub name: String,
    /// The way to it.
    pub channel: Channel,
    /// How long it may take for one answer.
    pub deadline: Duration,
}

/// For whom the sources are asked, and until when.
pub(crate) struct Asking<'a> {
    context: &'a Context,
    until: Option<Instant>,
}

impl<'a> Asking<'a> {
    /// Asks for the caller of a request. A fifth of the time that the caller still has is kept for
    /// what comes after the answers, so that a late source is a missing source and not a late
    /// answer to the caller.
    pub(crate) fn of(context: &'a Context, metadata: &MetadataMap) -> Self {
        let until = timeout(metadata).map(|left| Instant::now() + left - left / 5);
        Self { context, until }
    }

    pub(crate) fn context(&self) -> &'a Context {
        self.context
    }

    fn limit(&self, own: Duration) -> Duration {
        match self.until {
            Some(until) => own.min(until.saturating_duration_since(Instant::now())),
            None => own,
        }
    }
}

/// The caller's `grpc-timeout`: at most eight digits and a unit.
fn timeout(metadata: &MetadataMap) -> Option<Duration> {
    let value = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let n: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(n * 3600)),
        "M" => Some(Duration::from_secs(n * 60)),
        "S" => Some(Duration::from_secs(n)),
        "m" => Some(Duration::from_millis(n)),
        "u" => Some(Duration::from_micros(n)),
        "n" => Some(Duration::from_nanos(n)),
        _ => None,
    }
}

/// A request on the caller's behalf, with its own token: a source lets it see what it may see.
fn on_behalf<T>(context: &Context, message: T, limit: Duration) -> Result<Request<T>, Status> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {}", context.caller.token.0)
        .parse()
        .map_err(|_| Status::unauthenticated("the token can't be passed on"))?;
    request.metadata_mut().insert("authorization", bearer);
    request.set_timeout(limit);
    Ok(request)
}

impl Source {
    /// What it can count.
    pub(crate) async fn indicators(&self, asking: &Asking<'_>) -> Result<Vec<Indicator>, Status> {
        let parent = asking.context.office.to_string();
        let mut client = self.client();
        let answer = self.ask(asking, ListIndicatorsRequest { parent }, |q| async move {
            client.list_indicators(q).await
        });
        Ok(answer.await?.indicators)
    }

    /// Everything that it counts in a year.
    pub(crate) async fn figures(
        &self,
        asking: &Asking<'_>,
        year: i32,
    ) -> Result<Vec<Figure>, Status> {
        let q = GatherFiguresRequest {
            parent: asking.context.office.to_string(),
            period: Some(Period::year(year)),
            indicators: Vec::new(),
        };
        let mut client = self.client();
        let answer = self.ask(asking, q, |q| async move { client.gather_figures(q).await });
        Ok(answer.await?.figures)
    }

    /// The records behind one of its figures.
    pub(crate) async fn evidence(
        &self,
        asking: &Asking<'_>,
        q: ListEvidenceRequest,
    ) -> Result<ListEvidenceResponse, Status> {
        let mut client = self.client();
        self.ask(asking, q, |q| async move { client.list_evidence(q).await })
            .await
    }

    fn client(&self) -> StatisticsServiceClient<Channel> {
        StatisticsServiceClient::new(self.channel.clone())
    }

    async fn ask<T, A, F>(
        &self,
        asking: &Asking<'_>,
        message: T,
        call: impl FnOnce(Request<T>) -> F,
    ) -> Result<A, Status>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let limit = asking.limit(self.deadline);
        let request = on_behalf(asking.context, message, limit)?;
        let answer = match tokio::time::timeout(limit, call(request)).await {
            Ok(answer) => answer.map(Response::into_inner),
            Err(_) => Err(Status::deadline_exceeded("the source is late")),
        };
        answer.inspect_err(|status| {
            let (source, code) = (&self.name, status.code());
            tracing::warn!(%source, ?code, "a source did not answer");
        })
    }
}

/// Why a source did not answer, for people: never the source's own words.
pub(crate) fn reason(source: &str, code: Code) -> (String, String) {
    let (zh, en) = match code {
        // A call that our own time limit ended shows as cancelled.
        Code::DeadlineExceeded | Code::Cancelled => ("超过时限", "it is late"),
        Code::Unavailable => ("无法连接", "it can't be reached"),
        Code::PermissionDenied => ("令牌没有该来源的读取权限", "the token lacks its read scope"),
        Code::Unauthenticated => ("该来源不接受此令牌", "it does not accept the token"),
        Code::Unimplemented => ("该来源不提供统计接口", "it serves no statistics"),
        Code::ResourceExhausted => ("该来源繁忙", "it is overloaded"),
        Code::InvalidArgument | Code::NotFound | Code::FailedPrecondition | Code::OutOfRange => {
            ("该来源拒绝了取数请求", "it refused the request")
        }
        _ => ("该来源出错", "it failed"),
    };
    (
        format!("来源 {source} 未答复：{zh}"),
        format!("source {source} did not answer: {en}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        let read = |value: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", value.parse().unwrap());
            timeout(&metadata)
        };
        assert_eq!(read("2S"), Some(Duration::from_secs(2)));
        assert_eq!(read("1500m"), Some(Duration::from_millis(1500)));
        assert_eq!(read("1H"), Some(Duration::from_secs(3600)));
        for bad in ["", "S", "5", "-1S", "123456789S", "5s"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(timeout(&MetadataMap::new()), None);
    }
}
