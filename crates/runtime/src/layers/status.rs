//! Every call ends with a gRPC status that has details, whatever happened: a layer refused it, its
//! stream failed or stopped without trailers, or tonic made a bare status.

mod details;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use axum::extract::Request;
use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use taizhang_contracts::Error;
use tonic::Status;
use tower::{Layer, Service};

use crate::headers::GRPC_STATUS;

/// Turns errors of the layers below, and of their bodies, into statuses.
#[derive(Debug, Clone, Copy)]
pub(super) struct StatusLayer;

impl<S> Layer<S> for StatusLayer {
    type Service = Statuses<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Statuses { inner }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Statuses<S> {
    inner: S,
}

impl<S, B> Service<Request> for Statuses<S>
where
    S: Service<Request, Response = Response<B>, Error = Error>,
    B: Body<Data = Bytes, Error = Error>,
{
    type Response = Response<StatusBody<B>>;
    type Error = Infallible;
    type Future = StatusFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // No layer below fails before it is called: routes are always ready.
        self.inner.poll_ready(cx).map(|_| Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let inner = self.inner.call(request);
        StatusFuture { inner }
    }
}

pin_project! {
    pub(super) struct StatusFuture<F> {
        #[pin]
        inner: F,
    }
}

impl<F, B> Future for StatusFuture<F>
where
    F: Future<Output = Result<Response<B>, Error>>,
{
    type Output = Result<Response<StatusBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = match ready!(self.project().inner.poll(cx)) {
            Ok(mut response) if response.headers().contains_key(GRPC_STATUS) => {
                details::complete(response.headers_mut());
                response.map(|_| StatusBody { messages: None })
            }
            Ok(response) => response.map(|body| StatusBody {
                messages: Some(body),
            }),
            Err(error) => Status::from(error)
                .into_http::<()>()
                .map(|()| StatusBody { messages: None }),
        };
        Poll::Ready(Ok(response))
    }
}

pin_project! {
    /// A body that always ends with trailers.
    pub(super) struct StatusBody<B> {
        // `None` once the status is told.
        #[pin]
        messages: Option<B>,
    }
}

impl<B> Body for StatusBody<B>
where
    B: Body<Data = Bytes, Error = Error>,
{
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut this = self.project();
        let Some(messages) = this.messages.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let trailers = match ready!(messages.poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_trailers() {
                Ok(mut trailers) => {
                    details::complete(&mut trailers);
                    trailers
                }
                Err(message) => return Poll::Ready(Some(Ok(message))),
            },
            Some(Err(error)) => failed(error),
            None => failed(Error::internal("a response without trailers")),
        };
        this.messages.set(None);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.messages.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.messages {
            Some(messages) => messages.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

/// The trailers of a call that ends with an error.
fn failed(error: Error) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    details::write(&error.into(), &mut trailers);
    trailers
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::layers::testing::{assert_refused, collected, data, message, ok, request, trailers};
    use axum::body::Body as AxumBody;
    use futures::stream::{self, Stream};
    use http_body_util::StreamBody;
    use taizhang_contracts::Reason;
    use tower::{ServiceExt, service_fn};

    /// The headers, bytes and trailers of a response with these frames.
    async fn answered(
        frames: impl Stream<Item = Result<Frame<Bytes>, Error>> + Send + 'static,
    ) -> (Bytes, HeaderMap) {
        let mut body = Some(StreamBody::new(frames));
        let service = service_fn(move |_: Request| {
            let body = body.take().unwrap();
            async { Ok(Response::new(body)) }
        });
        let response = StatusLayer.layer(service).oneshot(request(&[])).await;
        collected(response.unwrap().into_body()).await.unwrap()
    }

    #[tokio::test]
    async fn messages_and_a_good_status_pass_unchanged() {
        let frames = [Ok(data()), Ok(data()), Ok(trailers(&ok()))];
        let (bytes, trailers) = answered(stream::iter(frames)).await;
        assert_eq!(bytes, "messagemessage");
        assert_eq!(trailers[GRPC_STATUS], "0");
        assert_eq!(trailers.len(), 1);
    }

    #[tokio::test]
    async fn a_bare_status_in_trailers_gets_details() {
        let frames = [Ok(data()), Ok(trailers(&Status::internal("text")))];
        let (_, trailers) = answered(stream::iter(frames)).await;
        assert_refused(&trailers, Reason::Internal);
        assert!(!format!("{trailers:?}").contains("text"));
    }

    #[tokio::test]
    async fn an_error_of_a_stream_ends_it_with_its_status() {
        let frames = [
            Ok(data()),
            Err(Error::new(Reason::DeadlineExceeded)),
            Ok(data()),
        ];
        let (bytes, trailers) = answered(stream::iter(frames)).await;
        assert_eq!(bytes, "message");
        assert_refused(&trailers, Reason::DeadlineExceeded);
    }

    #[tokio::test]
    async fn a_stream_without_trailers_is_an_internal_error() {
        let (_, trailers) = answered(stream::iter([Ok(data())])).await;
        assert_refused(&trailers, Reason::Internal);
    }

    #[tokio::test]
    async fn a_refusal_and_a_bare_status_have_no_body() {
        let refused = service_fn(|_: Request| async {
            Err::<Response<StreamBody<stream::Empty<_>>>, _>(Error::new(Reason::Overloaded))
        });
        let response = StatusLayer.layer(refused).oneshot(request(&[])).await;
        let response = response.unwrap();
        assert!(response.body().is_end_stream());
        assert_refused(response.headers(), Reason::Overloaded);

        let bare = service_fn(|_: Request| async {
            let response = Status::unimplemented("").into_http::<AxumBody>();
            Ok(response.map(|_| message().into_body()))
        });
        let bare = bare.map_response(|response: Response<AxumBody>| {
            response.map(|body| http_body_util::BodyExt::map_err(body, Error::internal))
        });
        let response = StatusLayer.layer(bare).oneshot(request(&[])).await;
        let response = response.unwrap();
        assert!(response.body().is_end_stream());
        assert_refused(response.headers(), Reason::MethodUnknown);
    }
}
