//! Authentication: the bearer token of a call, and whose it is.

use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use chrono::Utc;
use futures::future::Either;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Response};
use taizhang_contracts::{Caller, Error, Reason, Result};
use tower::{Layer, Service};
use tracing::Span;

use super::refuse::{OrRefused, refuse};
use crate::identity::Verifier;

/// Verifies the token, refuses a call without a good one as UNAUTHENTICATED, and puts the
/// [`Caller`] into the request's extensions and its name into the span.
#[derive(Debug, Clone)]
pub(super) struct IdentityLayer {
    verifier: Arc<Verifier>,
}

impl IdentityLayer {
    pub(super) fn new(verifier: Arc<Verifier>) -> Self {
        Self { verifier }
    }
}

impl<S> Layer<S> for IdentityLayer {
    type Service = Identity<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let verifier = self.verifier.clone();
        Identity { inner, verifier }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Identity<S> {
    inner: S,
    verifier: Arc<Verifier>,
}

impl<S, B> Service<Request> for Identity<S>
where
    S: Service<Request, Response = Response<B>, Error = Error>,
{
    type Response = Response<B>;
    type Error = Error;
    type Future = OrRefused<S::Future, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        match caller(request.headers(), &self.verifier) {
            Ok(caller) => {
                Span::current().record("caller", &caller.system);
                request.extensions_mut().insert(caller);
                Either::Left(self.inner.call(request))
            }
            Err(error) => refuse(error),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a token expires by the machine's clock"
)]
fn caller(headers: &HeaderMap, verifier: &Verifier) -> Result<Arc<Caller>> {
    let token = token(headers).ok_or_else(|| Error::new(Reason::TokenMissing))?;
    verifier.verify(token, Utc::now())
}

/// The bearer token (RFC 6750).
fn token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::identity::{Grant, Keyring};
    use crate::layers::testing::request;
    use chrono::TimeDelta;
    use taizhang_contracts::Office;
    use tower::{ServiceExt, service_fn};

    #[tokio::test]
    async fn a_good_token_names_the_caller_and_no_other_gets_through() {
        let folder = tempfile::tempdir().unwrap();
        let keyring = Keyring::open_or_create(folder.path()).unwrap();
        let token = keyring
            .issue(Grant {
                system: "township-portal".into(),
                offices: vec![Office::from_id("demo").unwrap()],
                scopes: vec!["meetings.read".into()],
                valid_for: TimeDelta::hours(1),
            })
            .unwrap();
        let (key, revoked) = (
            folder.path().join("public.key"),
            folder.path().join("revoked"),
        );
        let layer = IdentityLayer::new(Arc::new(Verifier::open(&key, &revoked).unwrap()));
        for (authorization, expected) in [
            (format!("Bearer {token}"), Ok("township-portal".to_owned())),
            (
                format!("bearer  {token} "),
                Ok("township-portal".to_owned()),
            ),
            (token, Err(Reason::TokenMissing)),
            ("Bearer".into(), Err(Reason::TokenMissing)),
            ("Basic dTpw".into(), Err(Reason::TokenMissing)),
            ("Bearer nonsense".into(), Err(Reason::TokenInvalid)),
        ] {
            let service = service_fn(|request: Request| async move {
                let caller = request.extensions().get::<Arc<Caller>>().unwrap();
                Ok(Response::new(caller.system.clone()))
            });
            let request = request(&[("authorization", &authorization)]);
            let response = layer.layer(service).oneshot(request).await;
            let caller = response.map(Response::into_body).map_err(|e| e.reason());
            assert_eq!(caller.as_deref(), expected.as_deref(), "{authorization}");
        }
    }
}
