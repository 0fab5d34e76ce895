//! Sends the caller's own token: the other service decides what the caller may do there.

use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use taizhang_contracts::Caller;
use tower::{Layer, Service};

/// Sends a caller's token with each call, as `authorization: Bearer …`.
#[derive(Debug, Clone)]
pub(super) struct IdentityLayer {
    bearer: Option<HeaderValue>,
}

impl IdentityLayer {
    pub(super) fn new(caller: &Caller) -> Self {
        // A verified token came in a header, so it is a good value for one.
        let bearer = HeaderValue::try_from(format!("Bearer {}", caller.token.0)).ok();
        let bearer = bearer.map(|mut bearer| {
            bearer.set_sensitive(true);
            bearer
        });
        Self { bearer }
    }
}

impl<S> Layer<S> for IdentityLayer {
    type Service = Identity<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let bearer = self.bearer.clone();
        Identity { inner, bearer }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Identity<S> {
    inner: S,
    bearer: Option<HeaderValue>,
}

impl<S, B> Service<Request<B>> for Identity<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(bearer) = &self.bearer {
            request.headers_mut().insert(AUTHORIZATION, bearer.clone());
        }
        self.inner.call(request)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use taizhang_contracts::caller::Secret;
    use tower::{ServiceExt, service_fn};

    #[tokio::test]
    async fn the_token_goes_along_and_is_marked_as_sensitive() {
        let caller = Caller {
            system: "township-portal".into(),
            offices: Vec::new(),
            scopes: Vec::new(),
            token_id: String::new(),
            token: Secret("token".into()),
        };
        let service = service_fn(|request: Request<()>| async move {
            Ok::<_, Infallible>(request.headers()[AUTHORIZATION].clone())
        });
        let service = IdentityLayer::new(&caller).layer(service);
        let sent = service.oneshot(Request::new(())).await.unwrap();
        assert_eq!(sent, "Bearer token");
        assert!(sent.is_sensitive());
    }
}
