//! Reads the request and the response of a unary call as a whole, so that the layers in between
//! see one value each way.

use std::mem;
use std::task::{Context, Poll};

use axum::body::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt, Collected, Full, LengthLimitError, Limited};
use tonic::Status;
use tonic::body::Body;
use tower::{BoxError, Layer, Service};

/// The longest response: the largest message that a tonic client decodes, and its prefix.
const MOST_BYTES: usize = (4 << 20) + 5;

/// Collects the request on its way in.
#[derive(Debug, Clone, Copy)]
pub(super) struct CollectRequestLayer;

impl<S> Layer<S> for CollectRequestLayer {
    type Service = CollectRequest<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CollectRequest { inner }
    }
}

#[derive(Debug, Clone)]
pub(super) struct CollectRequest<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for CollectRequest<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<Collected<Bytes>>, Error = BoxError>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response<Body>, Status>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx).map_err(Status::from_error)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // This one is ready; its clone is not.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let bytes = body.collect().await?.to_bytes();
            let request = Request::from_parts(parts, Full::new(bytes));
            let response = inner.call(request).await.map_err(Status::from_error)?;
            Ok(response.map(Body::new))
        })
    }
}

/// Collects the response on its way back. An error of the transport before its last byte is an
/// error of the call.
#[derive(Debug, Clone, Copy)]
pub(super) struct CollectResponseLayer;

impl<S> Layer<S> for CollectResponseLayer {
    type Service = CollectResponse<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CollectResponse { inner }
    }
}

#[derive(Debug, Clone)]
pub(super) struct CollectResponse<S> {
    inner: S,
}

impl<S, B> Service<Request<Full<Bytes>>> for CollectResponse<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<Collected<Bytes>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let response = self.inner.call(request.map(Body::new));
        Box::pin(async move {
            let (parts, body) = response.await.map_err(Into::into)?.into_parts();
            let collected = Limited::new(body, MOST_BYTES).collect().await;
            let collected = collected.map_err(|error| match error.downcast() {
                Ok(too_large) => {
                    let _: Box<LengthLimitError> = too_large;
                    Status::out_of_range("the response is too large").into()
                }
                Err(error) => error,
            })?;
            Ok(Response::from_parts(parts, collected))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use futures::stream;
    use http::HeaderMap;
    use http_body::Frame;
    use http_body_util::StreamBody;
    use tonic::Code;
    use tower::{ServiceBuilder, ServiceExt};

    type Frames = Vec<Result<Frame<Bytes>, BoxError>>;

    /// Calls a service that answers with these frames, through both layers.
    async fn called(frames: Frames) -> Result<Response<Body>, Status> {
        let frames = std::sync::Arc::new(std::sync::Mutex::new(frames));
        let service = ServiceBuilder::new()
            .layer(CollectRequestLayer)
            .layer(CollectResponseLayer)
            .service_fn(move |request: Request<Body>| {
                let frames = std::mem::take(&mut *frames.lock().unwrap());
                async {
                    let body = request.into_body().collect().await?.to_bytes();
                    assert_eq!(body, "request");
                    let frames = StreamBody::new(stream::iter(frames));
                    Ok::<_, BoxError>(Response::new(frames))
                }
            });
        let body = Body::new(Full::<Bytes>::from("request"));
        service.oneshot(Request::new(body)).await
    }

    fn data(bytes: usize) -> Result<Frame<Bytes>, BoxError> {
        Ok(Frame::data(vec![0; bytes].into()))
    }

    #[tokio::test]
    async fn a_response_arrives_with_its_trailers() {
        let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), 0.into())]);
        let frames = vec![data(3), data(4), Ok(Frame::trailers(trailers.clone()))];
        let body = called(frames).await.unwrap().into_body();
        let collected = body.collect().await.unwrap();
        assert_eq!(collected.trailers(), Some(&trailers));
        assert_eq!(collected.to_bytes().len(), 7);
    }

    #[tokio::test]
    async fn an_error_before_the_last_byte_is_an_error_of_the_call() {
        let frames = vec![data(3), Err("connection reset".into())];
        assert!(called(frames).await.is_err());
    }

    #[tokio::test]
    async fn a_response_above_the_bound_is_refused() {
        assert!(called(vec![data(MOST_BYTES)]).await.is_ok());
        let refused = called(vec![data(MOST_BYTES), data(1)]).await.unwrap_err();
        assert_eq!(refused.code(), Code::OutOfRange);
    }
}
