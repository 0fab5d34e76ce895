//! The claims of a token.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use taizhang_contracts::Office;
use taizhang_contracts::caller::{Caller, Secret};
use taizhang_contracts::name::is_id;

use super::error::IdentityError;

/// What an administrator grants to a system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The name of the system, such as `township-portal`.
    pub system: String,
    /// The offices whose records it may read and write.
    pub offices: Vec<Office>,
    /// The scopes that it holds there, such as `meetings.read`. No scope implies another.
    pub scopes: Vec<String>,
    /// How long the token is valid.
    pub valid_for: TimeDelta,
}

/// The claims of a token. A token with others is invalid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) sub: String,
    pub(super) jti: String,
    pub(super) iat: DateTime<Utc>,
    pub(super) exp: DateTime<Utc>,
    pub(super) offices: Vec<String>,
    pub(super) scopes: Vec<String>,
}

const ISSUER: &str = "taizhang";

/// The largest tolerated difference between the clocks of two machines.
const SKEW: TimeDelta = TimeDelta::minutes(5);

impl Claims {
    /// The claims of a new token.
    pub(super) fn of(grant: Grant, now: DateTime<Utc>) -> Result<Self, IdentityError> {
        if grant.valid_for <= TimeDelta::zero() {
            return Err(IdentityError::Grant(
                "the time of validity must be positive",
            ));
        }
        let exp = now.checked_add_signed(grant.valid_for);
        let claims = Self {
            iss: ISSUER.to_owned(),
            sub: grant.system,
            jti: uuid::Uuid::now_v7().to_string(),
            iat: now,
            exp: exp.ok_or(IdentityError::Grant("the time of validity is too long"))?,
            offices: grant.offices.iter().map(|o| o.id().to_owned()).collect(),
            scopes: grant.scopes,
        };
        match claims.problem(now) {
            Some(problem) => Err(IdentityError::Grant(problem)),
            None => Ok(claims),
        }
    }

    /// What is wrong with the claims, apart from their expiry; `None` if nothing is.
    pub(super) fn problem(&self, now: DateTime<Utc>) -> Option<&'static str> {
        let checks = [
            (self.iss == ISSUER, "the issuer is not Taizhang"),
            (
                is_id(&self.sub),
                "a system's name is lower-case letters, digits and hyphens",
            ),
            (
                uuid::Uuid::try_parse(&self.jti).is_ok(),
                "the token's id is not a UUID",
            ),
            (self.iat < self.exp, "the token expires before it is issued"),
            (self.iat <= now + SKEW, "the token is issued in the future"),
            (
                !self.offices.is_empty(),
                "at least one office must be granted",
            ),
            (
                self.offices.iter().all(|o| is_id(o)),
                "the id of an office is malformed",
            ),
            (
                !self.scopes.is_empty(),
                "at least one scope must be granted",
            ),
            (
                self.scopes.iter().all(|s| is_scope(s)),
                "a scope must be like `meetings.read`",
            ),
        ];
        checks
            .into_iter()
            .find_map(|(good, problem)| (!good).then_some(problem))
    }

    /// The caller that the token identifies.
    pub(super) fn caller(self, token: &str) -> Caller {
        Caller {
            system: self.sub,
            offices: self
                .offices
                .iter()
                .filter_map(|o| Office::from_id(o))
                .collect(),
            scopes: self.scopes,
            token_id: self.jti,
            token: Secret(token.to_owned()),
        }
    }
}

/// Whether a text is a scope, such as `meetings.read`: a service and an action, without wildcards.
fn is_scope(scope: &str) -> bool {
    let word =
        |w: &str| !w.is_empty() && w.len() <= 40 && w.bytes().all(|b| b.is_ascii_lowercase());
    scope
        .split_once('.')
        .is_some_and(|(service, action)| word(service) && word(action))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[expect(
    clippy::disallowed_methods,
    reason = "tokens are dated by the machine's clock"
)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        Grant {
            system: "township-portal".into(),
            offices: vec![Office::from_id("demo").unwrap()],
            scopes: vec!["meetings.read".into()],
            valid_for: TimeDelta::hours(1),
        }
    }

    #[test]
    fn malformed_grants_are_refused() {
        let now = Utc::now();
        assert!(Claims::of(grant(), now).is_ok());
        let bad = [
            Grant {
                system: "Portal".into(),
                ..grant()
            },
            Grant {
                system: String::new(),
                ..grant()
            },
            Grant {
                offices: vec![],
                ..grant()
            },
            Grant {
                scopes: vec![],
                ..grant()
            },
            Grant {
                valid_for: TimeDelta::zero(),
                ..grant()
            },
            Grant {
                valid_for: TimeDelta::MAX,
                ..grant()
            },
        ];
        for grant in bad {
            assert!(Claims::of(grant.clone(), now).is_err(), "{grant:?}");
        }
        for scope in [
            "*",
            "meetings.*",
            "meetings",
            "meetings.",
            ".read",
            "meetings.read.all",
            "Meetings.read",
        ] {
            let grant = Grant {
                scopes: vec![scope.into()],
                ..grant()
            };
            assert!(Claims::of(grant, now).is_err(), "{scope}");
        }
    }

    #[test]
    fn missing_additional_and_malformed_claims_are_refused() {
        let now = Utc::now();
        let claims = Claims::of(grant(), now).unwrap();
        let json = serde_json::to_value(&claims).unwrap();
        assert_eq!(
            serde_json::from_value::<Claims>(json.clone()).unwrap(),
            claims
        );
        for field in ["iss", "sub", "jti", "iat", "exp", "offices", "scopes"] {
            let mut less = json.clone();
            less.as_object_mut().unwrap().remove(field);
            assert!(serde_json::from_value::<Claims>(less).is_err(), "{field}");
        }
        let mut more = json;
        more["admin"] = true.into();
        assert!(serde_json::from_value::<Claims>(more).is_err());

        let bad = [
            Claims {
                iss: "else".into(),
                ..claims.clone()
            },
            Claims {
                jti: "1".into(),
                ..claims.clone()
            },
            Claims {
                iat: now + TimeDelta::minutes(6),
                ..claims.clone()
            },
            Claims {
                exp: now - TimeDelta::hours(1),
                ..claims.clone()
            },
            Claims {
                offices: vec!["De mo".into()],
                ..claims
            },
        ];
        for claims in bad {
            assert!(claims.problem(now).is_some(), "{claims:?}");
        }
    }
}
