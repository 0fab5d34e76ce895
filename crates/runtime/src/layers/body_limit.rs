//! How many bytes a caller may send.

use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use http_body_util::Limited;
use tower::{Layer, Service};

use crate::method::Methods;

/// gRPC's prefix of a message: a flag and a length.
const PREFIX: usize = 5;

/// Bounds the body of a call with one message to the largest message. In a client stream tonic
/// bounds each message when it decodes it; the stream as a whole has no bound.
#[derive(Debug, Clone)]
pub(super) struct BodyLimitLayer {
    message_bytes: usize,
    methods: Arc<Methods>,
}

impl BodyLimitLayer {
    pub(super) fn new(message_bytes: usize, methods: Arc<Methods>) -> Self {
        Self {
            message_bytes,
            methods,
        }
    }
}

impl<S> Layer<S> for BodyLimitLayer {
    type Service = BodyLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BodyLimit {
            inner,
            layer: self.clone(),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct BodyLimit<S> {
    inner: S,
    layer: BodyLimitLayer,
}

impl<S: Service<Request>> Service<Request> for BodyLimit<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let BodyLimitLayer {
            message_bytes,
            methods,
        } = &self.layer;
        if methods.find(request.uri().path()).client_streams {
            return self.inner.call(request);
        }
        let limit = message_bytes + PREFIX;
        let bounded = request.map(|body| Body::new(Limited::new(body, limit)));
        self.inner.call(bounded)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::layers::testing::{SERVICE, collected, request};
    use std::convert::Infallible;
    use tower::{ServiceExt, service_fn};

    #[tokio::test]
    async fn a_body_above_the_largest_message_is_an_error_for_its_reader() {
        let methods = Arc::new(Methods::of("meetings", &[SERVICE]));
        for (bytes, fits) in [(0, true), (105, true), (106, false)] {
            let service = service_fn(|request: Request| async {
                Ok::<_, Infallible>(collected(request.into_body()).await)
            });
            let service = BodyLimitLayer::new(100, methods.clone()).layer(service);
            let request = request(&[]).map(|_| Body::from(vec![0; bytes]));
            let read = service.oneshot(request).await.unwrap();
            assert_eq!(read.is_ok(), fits, "{bytes}");
            if let Err(error) = read {
                assert_eq!(error.to_string(), "length limit exceeded");
            }
        }
    }
}
