//! Page tokens (AIP-158): a position, authenticated by an HMAC over it and the request.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::Value;
use serde_json::Value as Json;
use taizhang_contracts::{Error, Reason, Result};

use crate::secret::Key;

const MAC: usize = 16;

/// Encodes a position as a token. `request` is what the next request must repeat.
pub(crate) fn token(key: &Key, request: &[&str], position: &[Value]) -> String {
    let position = Json::Array(position.iter().map(json).collect()).to_string();
    let mac = mac(key, request, position.as_bytes());
    let mut bytes = mac[..MAC].to_vec();
    bytes.extend(position.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes and verifies a token; `None` for the first page.
///
/// # Errors
/// INVALID_PAGE_TOKEN if the HMAC does not match the token and the request.
pub(crate) fn position(key: &Key, request: &[&str], token: &str) -> Result<Option<Vec<Value>>> {
    if token.is_empty() {
        return Ok(None);
    }
    read(key, request, token)
        .map(Some)
        .ok_or_else(|| Error::new(Reason::InvalidPageToken))
}

fn read(key: &Key, request: &[&str], token: &str) -> Option<Vec<Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (given, position) = bytes.split_at_checked(MAC)?;
    let expected = mac(key, request, position);
    // Compared in constant time.
    let differs = given
        .iter()
        .zip(&expected[..MAC])
        .fold(0, |d, (a, b)| d | (a ^ b));
    if differs != 0 {
        return None;
    }
    let Json::Array(values) = serde_json::from_slice(position).ok()? else {
        return None;
    };
    values.iter().map(value).collect()
}

fn mac(key: &Key, request: &[&str], position: &[u8]) -> [u8; 32] {
    let mut parts: Vec<&[u8]> = request.iter().map(|part| part.as_bytes()).collect();
    parts.push(position);
    key.page(&parts)
}

fn json(value: &Value) -> Json {
    match value {
        Value::String(Some(text)) => Json::String(format!("t{text}")),
        Value::ChronoDate(Some(day)) => Json::String(format!("d{day}")),
        Value::ChronoDateTimeUtc(Some(time)) => Json::String(format!("i{}", time.to_rfc3339())),
        Value::Bool(Some(yes)) => Json::Bool(*yes),
        Value::BigInt(Some(n)) => Json::from(*n),
        Value::Int(Some(n)) => Json::from(*n),
        _ => Json::Null,
    }
}

fn value(json: &Json) -> Option<Value> {
    match json {
        Json::Bool(yes) => Some(Value::Bool(Some(*yes))),
        Json::Number(n) => Some(Value::BigInt(n.as_i64())),
        Json::String(text) => {
            let rest = text.get(1..)?;
            match text.as_bytes().first()? {
                b't' => Some(rest.into()),
                b'd' => rest.parse::<NaiveDate>().ok().map(Into::into),
                b'i' => rest.parse::<DateTime<Utc>>().ok().map(Into::into),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_is_bound_to_its_request() {
        let key = Key::new(b"secret");
        let day = NaiveDate::from_ymd_opt(2022, 12, 31).unwrap();
        let here: Vec<Value> = vec!["会".into(), 7i64.into(), true.into(), day.into()];
        let token = token(&key, &["a", "b"], &here);
        assert_eq!(position(&key, &["a", "b"], &token).unwrap().unwrap(), here);
        assert!(position(&key, &["ab", ""], &token).is_err());
        assert!(position(&Key::new(b"other"), &["a", "b"], &token).is_err());
        assert!(position(&key, &["a", "b"], "AAAA").is_err());
        assert!(position(&key, &["a", "b"], "").unwrap().is_none());
    }
}
