//! The token that comes with a call.

use std::sync::Arc;

use chrono::Utc;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use taizhang_contracts::{Caller, Error, Reason, Result};

use crate::identity::Verifier;

/// Whose call this is.
///
/// # Errors
/// UNAUTHENTICATED without a good token.
#[expect(
    clippy::disallowed_methods,
    reason = "a token expires by the machine's clock"
)]
pub(super) fn caller(headers: &HeaderMap, verifier: &Verifier) -> Result<Arc<Caller>> {
    let token = token(headers).ok_or_else(|| Error::new(Reason::TokenMissing))?;
    verifier.verify(token, Utc::now())
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
