//! The id by which a call is found in logs, ours and the caller's.

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

pub(crate) const NAME: HeaderName = HeaderName::from_static("x-request-id");

/// The caller's id if it is fit for a log line, else a new one.
pub(super) fn of(headers: &HeaderMap) -> HeaderValue {
    match headers.get(NAME) {
        Some(id) if fit(id.as_bytes()) => id.clone(),
        _ => {
            let id = Uuid::new_v4().to_string();
            // A UUID is always a good value; an empty one would only be less useful.
            HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static(""))
        }
    }
}

fn fit(id: &[u8]) -> bool {
    let good = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    (1..=128).contains(&id.len()) && id.iter().all(good)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_fit_id_is_kept_and_any_other_replaced() {
        let long = "a".repeat(129);
        for (given, kept) in [
            ("0193e5f2-2f4b-7c2e-8a39-5b6c7d8e9f00", true),
            ("portal:2022.12_31", true),
            ("", false),
            ("two words", false),
            ("a\"}", false),
            (long.as_str(), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(NAME, given.parse().unwrap());
            let id = of(&headers);
            assert_eq!(id == given, kept, "{given}");
            assert!(fit(id.as_bytes()));
        }
        assert_ne!(of(&HeaderMap::new()), of(&HeaderMap::new()));
    }
}
