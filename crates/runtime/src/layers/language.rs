//! The language in which a caller is told of errors: that of its `accept-language`. A task-local
//! has it, since an error becomes a status in many places.

use std::task::{Context, Poll};

use axum::body::Bytes;
use axum::extract::Request;
use http::Response;
use http_body::Body;
use taizhang_contracts::error::Language;
use tower::{Layer, Service};

use super::within::{Enter, Within};

/// Runs the call, and streams its response, in the language of the caller.
#[derive(Debug, Clone, Copy)]
pub(super) struct LanguageLayer;

impl<S> Layer<S> for LanguageLayer {
    type Service = InLanguage<S>;

    fn layer(&self, inner: S) -> Self::Service {
        InLanguage { inner }
    }
}

#[derive(Debug, Clone)]
pub(super) struct InLanguage<S> {
    inner: S,
}

impl<S, B> Service<Request> for InLanguage<S>
where
    S: Service<Request, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    type Response = Response<Within<Language, B>>;
    type Error = S::Error;
    type Future = Within<Language, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let language = Language::of(request.headers());
        Within::new(language, || self.inner.call(request))
    }
}

impl Enter for Language {
    fn enter<T>(&self, run: impl FnOnce() -> T) -> T {
        self.sync_scope(run)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::layers::testing::{collected, request, streaming, trailers};
    use futures::stream::{self, StreamExt};
    use std::convert::Infallible;
    use taizhang_contracts::{Error, Reason};
    use tonic::Status;
    use tonic_types::StatusExt;
    use tower::{ServiceExt, service_fn};

    #[tokio::test]
    async fn errors_of_a_stream_are_told_in_the_callers_language() {
        for (asked, told) in [("en-GB,en", "en"), ("zh", "zh-CN"), ("fr", "zh-CN")] {
            let service = service_fn(|_: Request| async {
                let end = stream::iter(0..1)
                    .map(|_| trailers(&Status::from(Error::new(Reason::Internal))));
                Ok::<_, Infallible>(streaming(end))
            });
            let service = LanguageLayer.layer(service);
            let response = service.oneshot(request(&[("accept-language", asked)]));
            let (_, trailers) = collected(response.await.unwrap().into_body())
                .await
                .unwrap();
            let status = Status::from_header_map(&trailers).unwrap();
            let text = status.get_details_localized_message().unwrap();
            assert_eq!(text.locale, told);
        }
    }
}
