//! Authorization: whether the caller holds the scope that the method's contract requires.

use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use futures::future::Either;
use http::Response;
use taizhang_contracts::{Caller, Error, Reason, Result};
use tower::{Layer, Service};

use super::refuse::{OrRefused, refuse};
use crate::method::{Method, Methods};

/// Refuses a call whose caller lacks the scope as PERMISSION_DENIED, and one of an unknown method
/// as UNIMPLEMENTED: only an authenticated caller learns which methods there are.
#[derive(Debug, Clone)]
pub(super) struct AuthorizationLayer {
    methods: Arc<Methods>,
}

impl AuthorizationLayer {
    pub(super) fn new(methods: Arc<Methods>) -> Self {
        Self { methods }
    }
}

impl<S> Layer<S> for AuthorizationLayer {
    type Service = Authorization<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let methods = self.methods.clone();
        Authorization { inner, methods }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Authorization<S> {
    inner: S,
    methods: Arc<Methods>,
}

impl<S, B> Service<Request> for Authorization<S>
where
    S: Service<Request, Response = Response<B>, Error = Error>,
{
    type Response = Response<B>;
    type Error = Error;
    type Future = OrRefused<S::Future, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let method = self.methods.find(request.uri().path());
        match authorize(method, request.extensions().get()) {
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(error) => refuse(error),
        }
    }
}

fn authorize(method: &Method, caller: Option<&Arc<Caller>>) -> Result<()> {
    let caller = caller.ok_or_else(|| Error::new(Reason::TokenMissing))?;
    let Some(scope) = &method.scope else {
        return Err(Error::new(Reason::MethodUnknown));
    };
    if caller.scopes.contains(scope) {
        return Ok(());
    }
    Err(Error::new(Reason::ScopeMissing)
        .saying(
            format!("令牌没有权限 {scope}"),
            format!("the token lacks the scope {scope}"),
        )
        .with("scope", scope))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::layers::testing::{PATH, SERVICE, request};
    use taizhang_contracts::caller::Secret;
    use tower::{ServiceExt, service_fn};

    #[tokio::test]
    async fn the_scope_must_be_held_exactly() {
        let methods = Arc::new(Methods::of("meetings", &[SERVICE]));
        let layer = AuthorizationLayer::new(methods);
        for (scopes, path, expected) in [
            (Some("meetings.read"), PATH, Ok(())),
            (Some("meetings.write"), PATH, Err(Reason::ScopeMissing)),
            (Some("supervision.read"), PATH, Err(Reason::ScopeMissing)),
            (Some("meetings.read"), "/x/y", Err(Reason::MethodUnknown)),
            (None, PATH, Err(Reason::TokenMissing)),
        ] {
            let service = service_fn(|_: Request| async { Ok(Response::new(())) });
            let mut request = request(&[]);
            *request.uri_mut() = path.parse().unwrap();
            if let Some(scope) = scopes {
                request.extensions_mut().insert(Arc::new(Caller {
                    system: "township-portal".into(),
                    offices: Vec::new(),
                    scopes: vec![scope.into()],
                    token_id: String::new(),
                    token: Secret(String::new()),
                }));
            }
            let response = layer.layer(service).oneshot(request).await;
            let result = response.map(Response::into_body).map_err(|e| e.reason());
            assert_eq!(result, expected, "{scopes:?} {path}");
        }
    }
}
