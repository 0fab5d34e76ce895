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
use taizhang_runtime::client;
use tokio::time::timeout;
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

/// How long a source may take, of what the caller has left. A fifth is kept for what comes after
/// the answers, so that a late source is a missing source and not a late answer to the caller.
fn limit(own: Duration, left: Option<Duration>) -> Duration {
    left.map_or(own, |left| own.min(left - left / 5))
}

impl Source {
    /// What it can count.
    pub(crate) async fn indicators(&self, context: &Context) -> Result<Vec<Indicator>, Status> {
        let parent = context.office.to_string();
        let answer = self.ask(context, ListIndicatorsRequest { parent }, |q| {
            let mut client = self.client();
            async move { client.list_indicators(q).await }
        });
        Ok(answer.await?.indicators)
    }

    /// Everything that it counts in a year.
    pub(crate) async fn figures(
        &self,
        context: &Context,
        year: i32,
    ) -> Result<Vec<Figure>, Status> {
        let q = GatherFiguresRequest {
            parent: context.office.to_string(),
            period: Some(Period::year(year)),
            indicators: Vec::new(),
        };
        let answer = self.ask(context, q, |q| {
            let mut client = self.client();
            async move { client.gather_figures(q).await }
        });
        Ok(answer.await?.figures)
    }

    /// The records behind one of its figures.
    pub(crate) async fn evidence(
        &self,
        context: &Context,
        q: ListEvidenceRequest,
    ) -> Result<ListEvidenceResponse, Status> {
        let answer = self.ask(context, q, |q| {
            let mut client = self.client();
            async move { client.list_evidence(q).await }
        });
        answer.await
    }

    fn client(&self) -> StatisticsServiceClient<Channel> {
        StatisticsServiceClient::new(self.channel.clone())
    }

    async fn ask<T, A, F>(
        &self,
        context: &Context,
        message: T,
        call: impl Fn(Request<T>) -> F,
    ) -> Result<A, Status>
    where
        T: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let limit = limit(self.deadline, context.until.map(|u| u.remaining()));
        let answer = match timeout(limit, client::read(context, message, limit, call)).await {
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_source_may_take_its_own_time_and_no_more_than_the_caller_can_spare() {
        let seconds = Duration::from_secs;
        assert_eq!(limit(seconds(10), None), seconds(10));
        assert_eq!(limit(seconds(10), Some(seconds(60))), seconds(10));
        assert_eq!(limit(seconds(10), Some(seconds(5))), seconds(4));
        assert_eq!(limit(seconds(10), Some(Duration::ZERO)), Duration::ZERO);
    }
}
