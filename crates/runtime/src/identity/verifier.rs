//! The services' side: verifies tokens.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use pasetors::Public;
use pasetors::keys::AsymmetricPublicKey;
use pasetors::token::UntrustedToken;
use pasetors::version4::{PublicToken, V4};
use taizhang_contracts::{Caller, Error, Reason};

use super::claims::Claims;
use super::error::IdentityError;
use super::revoked::Revoked;
use crate::config::Config;

/// Verifies tokens. A signature is verified once and cached, expiry and revocation are checked at
/// each call.
#[derive(Debug)]
pub struct Verifier {
    key: AsymmetricPublicKey<V4>,
    revoked: Revoked,
    cache: RwLock<HashMap<String, Verified>>,
}

#[derive(Debug, Clone)]
struct Verified {
    caller: Arc<Caller>,
    expires: DateTime<Utc>,
}

/// The most tokens in the cache. Only valid ones get there, so an attacker can't fill it.
const MOST_CACHED: usize = 1_024;

/// The longest token in bytes; those that the keyring signs are shorter.
const LONGEST_TOKEN: usize = 16 << 10;

impl Verifier {
    /// Reads the public key and the list of revoked tokens.
    ///
    /// # Errors
    /// If one of them can't be read.
    pub fn open(public_key: &Path, revoked: &Path) -> Result<Self, IdentityError> {
        Self::with_interval(Duration::from_secs(1), public_key, revoked)
    }

    /// As [`Verifier::open`], with the files of the configuration.
    ///
    /// # Errors
    /// If one of them can't be read.
    pub fn of(config: &Config) -> Result<Self, IdentityError> {
        Self::open(&config.public_key(), &config.revoked())
    }

    /// As [`Verifier::open`], with an interval for checks of the list of revoked tokens.
    ///
    /// # Errors
    /// If one of them can't be read.
    pub fn with_interval(
        interval: Duration,
        public_key: &Path,
        revoked: &Path,
    ) -> Result<Self, IdentityError> {
        let text = fs::read_to_string(public_key).map_err(IdentityError::file(public_key))?;
        let key = AsymmetricPublicKey::try_from(text.trim())
            .map_err(|_| IdentityError::content(public_key, "is not a PASERK k4.public key"))?;
        Ok(Self {
            key,
            revoked: Revoked::open(revoked, interval).map_err(IdentityError::file(revoked))?,
            cache: RwLock::default(),
        })
    }

    /// The caller that a token identifies.
    ///
    /// # Errors
    /// UNAUTHENTICATED if the token is invalid, expired or revoked.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Arc<Caller>, Error> {
        let Verified { caller, expires } = match self.cached(token) {
            Some(verified) => verified,
            None => self.verify_signature(token, now)?,
        };
        if expires <= now {
            return Err(Error::new(Reason::TokenExpired));
        }
        if self.revoked.contains(&caller.token_id) {
            return Err(Error::new(Reason::TokenRevoked));
        }
        Ok(caller)
    }

    fn cached(&self, token: &str) -> Option<Verified> {
        let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
        cache.get(token).cloned()
    }

    /// Verifies the signature and the claims, and caches the caller unless the token has expired.
    fn verify_signature(&self, token: &str, now: DateTime<Utc>) -> Result<Verified, Error> {
        let claims = self.claims(token).filter(|c| c.problem(now).is_none());
        let claims = claims.ok_or_else(|| Error::new(Reason::TokenInvalid))?;
        let expires = claims.exp;
        let caller = Arc::new(claims.caller(token));
        let checked = Verified { caller, expires };
        if expires > now {
            let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
            if cache.len() >= MOST_CACHED {
                cache.clear();
            }
            cache.insert(token.to_owned(), checked.clone());
        }
        Ok(checked)
    }

    /// The claims of a token signed with the administrator's key; `None` for any other.
    fn claims(&self, token: &str) -> Option<Claims> {
        if token.len() > LONGEST_TOKEN {
            return None;
        }
        let token = UntrustedToken::<Public, V4>::try_from(token).ok()?;
        if !token.untrusted_footer().is_empty() {
            return None;
        }
        let trusted = PublicToken::verify(&self.key, &token, None, None).ok()?;
        serde_json::from_str(trusted.payload()).ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[expect(
    clippy::disallowed_methods,
    reason = "tokens are dated by the machine's clock"
)]
mod tests {
    use super::*;
    use crate::identity::{Grant, Keyring};
    use chrono::TimeDelta;
    use taizhang_contracts::Office;

    fn keyring(folder: &Path) -> (Keyring, Verifier) {
        let keyring = Keyring::open_or_create(folder).unwrap();
        let (key, revoked) = (folder.join("public.key"), folder.join("revoked"));
        (
            keyring,
            Verifier::with_interval(Duration::ZERO, &key, &revoked).unwrap(),
        )
    }

    fn grant() -> Grant {
        Grant {
            system: "township-portal".into(),
            offices: vec![Office::from_id("demo").unwrap()],
            scopes: vec!["meetings.read".into()],
            valid_for: TimeDelta::hours(1),
        }
    }

    #[test]
    fn a_token_identifies_its_caller_until_it_expires() {
        let folder = tempfile::tempdir().unwrap();
        let (keyring, verifier) = keyring(folder.path());
        let token = keyring.issue(grant()).unwrap();
        let now = Utc::now();
        for _ in 0..2 {
            let caller = verifier.verify(&token, now).unwrap();
            assert_eq!(caller.system, "township-portal");
            assert_eq!(caller.offices, grant().offices);
            assert_eq!(caller.scopes, ["meetings.read"]);
            assert_eq!(caller.token.0, token);
        }
        for late in [now + TimeDelta::hours(1), now + TimeDelta::days(9)] {
            let error = verifier.verify(&token, late).unwrap_err();
            assert_eq!(error.reason(), Reason::TokenExpired);
        }
        // The same for a verifier that has it not in its cache.
        let (_, fresh) = self::keyring(folder.path());
        let error = fresh.verify(&token, now + TimeDelta::hours(2)).unwrap_err();
        assert_eq!(error.reason(), Reason::TokenExpired);
        let error = fresh.verify(&token, now - TimeDelta::hours(1)).unwrap_err();
        assert_eq!(error.reason(), Reason::TokenInvalid);
    }

    #[test]
    fn a_token_with_another_signature_is_invalid() {
        let folder = tempfile::tempdir().unwrap();
        let (keyring, verifier) = keyring(folder.path());
        let token = keyring.issue(grant()).unwrap();
        let (other, _) = self::keyring(&folder.path().join("other"));
        let mut bad = vec![
            String::new(),
            "v4.public.".into(),
            token.replace("v4", "v3"),
            token.replace("public", "local"),
            format!("{token}.Zm9vdGVy"),
            "v4.public.".to_owned() + &"A".repeat(20_000),
            other.issue(grant()).unwrap(),
        ];
        for i in (10..token.len()).step_by(7) {
            let mut changed = token.clone().into_bytes();
            changed[i] = if changed[i] == b'A' { b'B' } else { b'A' };
            bad.push(String::from_utf8(changed).unwrap());
        }
        for token in bad {
            let error = verifier.verify(&token, Utc::now()).unwrap_err();
            assert_eq!(error.reason(), Reason::TokenInvalid, "{token}");
        }
    }

    #[test]
    fn signed_claims_are_validated() {
        let folder = tempfile::tempdir().unwrap();
        let (_, verifier) = keyring(folder.path());
        let key = fs::read_to_string(folder.path().join("signing.key")).unwrap();
        let key = pasetors::keys::AsymmetricSecretKey::<V4>::try_from(key.trim()).unwrap();
        let now = Utc::now();
        let claims = Claims::of(grant(), now).unwrap();
        let sign = |json: &serde_json::Value, footer: Option<&[u8]>| {
            PublicToken::sign(&key, json.to_string().as_bytes(), footer, None).unwrap()
        };
        let good = serde_json::to_value(&claims).unwrap();
        assert!(verifier.verify(&sign(&good, None), now).is_ok());
        assert!(verifier.verify(&sign(&good, Some(b"footer")), now).is_err());
        for (claim, value) in [
            ("iss", "else".into()),
            ("sub", "".into()),
            ("exp", "never".into()),
            ("offices", serde_json::json!([])),
            ("scopes", serde_json::json!(["*"])),
            ("admin", true.into()),
        ] {
            let mut bad = good.clone();
            bad[claim] = value;
            let error = verifier.verify(&sign(&bad, None), now).unwrap_err();
            assert_eq!(error.reason(), Reason::TokenInvalid, "{claim}");
        }
    }

    #[test]
    fn a_revoked_token_stays_refused_when_the_list_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (keyring, verifier) = keyring(folder.path());
        let (first, second) = (
            keyring.issue(grant()).unwrap(),
            keyring.issue(grant()).unwrap(),
        );
        let now = Utc::now();
        assert!(verifier.verify(&first, now).is_ok());
        keyring.revoke(&keyring.list().unwrap()[0].id).unwrap();
        let reason = |v: &Verifier| v.verify(&first, now).unwrap_err().reason();
        assert_eq!(reason(&verifier), Reason::TokenRevoked);
        assert!(verifier.verify(&second, now).is_ok());
        fs::remove_file(folder.path().join("revoked")).unwrap();
        assert_eq!(reason(&verifier), Reason::TokenRevoked);
        assert!(verifier.verify(&second, now).is_ok());
        assert!(
            Verifier::open(
                &folder.path().join("public.key"),
                &folder.path().join("revoked")
            )
            .is_err()
        );
    }

    #[test]
    fn the_cache_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let (keyring, verifier) = keyring(folder.path());
        let token = keyring.issue(grant()).unwrap();
        let now = Utc::now();
        let verified = verifier.verify_signature(&token, now).unwrap();
        for i in 0..MOST_CACHED * 3 {
            let mut cache = verifier.cache.write().unwrap();
            if cache.len() < MOST_CACHED {
                cache.insert(i.to_string(), verified.clone());
            }
        }
        verifier
            .verify_signature(&keyring.issue(grant()).unwrap(), now)
            .unwrap();
        assert!(verifier.cache.read().unwrap().len() <= MOST_CACHED);
    }
}
