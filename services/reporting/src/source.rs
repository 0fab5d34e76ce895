//! The sources of a report's figures: other services that serve `StatisticsService`.

use std::time::Duration;

use taizhang_contracts::Context;
use taizhang_contracts::common::Period;
use taizhang_contracts::statistics::statistics_service_client::StatisticsServiceClient;
use taizhang_contracts::statistics::{
    Figure, GatherFiguresRequest, Indicator, ListEvidenceRequest, ListEvidenceResponse,
    ListIndicatorsRequest,
};
use taizhang_runtime::client::{OnBehalf, on_behalf};
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

/// A service that serves `StatisticsService`.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name in reports, such as `meetings`.
    pub name: String,
    /// The channel to it.
    pub channel: Channel,
    /// The deadline of one call.
    pub deadline: Duration,
}

/// The timeout of a call to a source: its own deadline, but at most four fifths of the caller's
/// remaining time. The last fifth is reserved for the work after the answers, so that a late source
/// leaves its figures missing instead of exceeding the caller's deadline.
fn timeout(own: Duration, left: Option<Duration>) -> Duration {
    left.map_or(own, |left| own.min(left - left / 5))
}

impl Source {
    /// Its indicators.
    pub(crate) async fn indicators(&self, context: &Context) -> Result<Vec<Indicator>, Status> {
        let parent = context.office.to_string();
        let q = ListIndicatorsRequest { parent };
        let answer = self.client(context).list_indicators(q).await;
        Ok(self.logged(answer)?.indicators)
    }

    /// The figures of all its indicators in a year.
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
        let answer = self.client(context).gather_figures(q).await;
        Ok(self.logged(answer)?.figures)
    }

    /// The records behind one of its figures.
    pub(crate) async fn evidence(
        &self,
        context: &Context,
        q: ListEvidenceRequest,
    ) -> Result<ListEvidenceResponse, Status> {
        self.logged(self.client(context).list_evidence(q).await)
    }

    /// A client for one call on behalf of the caller; the timeout starts here.
    fn client(&self, context: &Context) -> StatisticsServiceClient<OnBehalf> {
        let timeout = timeout(self.deadline, context.until.map(|u| u.remaining()));
        StatisticsServiceClient::new(on_behalf(context, self.channel.clone(), timeout))
    }

    fn logged<A>(&self, answer: Result<Response<A>, Status>) -> Result<A, Status> {
        let answer = answer.inspect_err(|status| {
            let (source, code) = (&self.name, status.code());
            tracing::warn!(%source, ?code, "a source did not answer");
        });
        answer.map(Response::into_inner)
    }
}

/// Why a source did not answer, in Chinese and English. The source's own message is not repeated:
/// it may be another team's system.
pub(crate) fn reason(source: &str, code: Code) -> (String, String) {
    let (zh, en) = match code {
        // The channel's own timeout shows as CANCELLED.
        Code::DeadlineExceeded | Code::Cancelled => ("超过时限", "the deadline was exceeded"),
        Code::Unavailable => ("无法连接", "it can't be reached"),
        Code::PermissionDenied => ("令牌没有该来源的读取权限", "the token lacks its read scope"),
        Code::Unauthenticated => ("该来源不接受此令牌", "it does not accept the token"),
        Code::Unimplemented => (
            "该来源不提供统计接口",
            "it does not serve StatisticsService",
        ),
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
    fn the_timeout_is_the_sources_own_and_at_most_four_fifths_of_the_callers() {
        let seconds = Duration::from_secs;
        assert_eq!(timeout(seconds(10), None), seconds(10));
        assert_eq!(timeout(seconds(10), Some(seconds(60))), seconds(10));
        assert_eq!(timeout(seconds(10), Some(seconds(5))), seconds(4));
        assert_eq!(timeout(seconds(10), Some(Duration::ZERO)), Duration::ZERO);
    }
}
