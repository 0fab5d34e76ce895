//! Resource names (AIP-122).

use std::fmt;
use std::marker::PhantomData;

use crate::resource::Resource;

/// The id of an office, such as `demo` in `offices/demo`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Office(String);

impl Office {
    /// The office with this id; `None` if it is malformed.
    pub fn from_id(id: &str) -> Option<Self> {
        is_id(id).then(|| Self(id.to_owned()))
    }

    /// The office of a resource name: that of `offices/demo` or of `offices/demo/meetings/m1`.
    pub fn of(name: &str) -> Option<Self> {
        Self::from_id(name.strip_prefix("offices/")?.split('/').next()?)
    }

    /// The id.
    pub fn id(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Office {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offices/{}", self.0)
    }
}

/// The name of a resource of type `R`.
pub struct Name<R> {
    office: Office,
    id: String,
    resource: PhantomData<fn() -> R>,
}

impl<R: Resource> Name<R> {
    /// The name of the resource with this id.
    pub fn new(office: &Office, id: &str) -> Self {
        Self {
            office: office.clone(),
            id: id.to_owned(),
            resource: PhantomData,
        }
    }

    /// The name of the office's only resource of this type (AIP-156).
    pub fn singleton(office: &Office) -> Self {
        Self::new(office, R::COLLECTION)
    }

    /// Parses a name of this type.
    pub fn parse(name: &str) -> Option<Self> {
        let (office, collection, id) = split(name)?;
        if collection != R::COLLECTION || id.is_none() != R::SINGLETON {
            return None;
        }
        Some(Self::new(&office, id.unwrap_or(R::COLLECTION)))
    }
}

impl<R> Name<R> {
    /// The office.
    pub fn office(&self) -> &Office {
        &self.office
    }

    /// The id; of a singleton its collection.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl<R> Clone for Name<R> {
    fn clone(&self) -> Self {
        Self {
            office: self.office.clone(),
            id: self.id.clone(),
            resource: PhantomData,
        }
    }
}

impl<R> fmt::Debug for Name<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({}/…/{})", self.office, self.id)
    }
}

impl<R: Resource> fmt::Display for Name<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if R::SINGLETON {
            write!(f, "{}/{}", self.office, R::COLLECTION)
        } else {
            write!(f, "{}/{}/{}", self.office, R::COLLECTION, self.id)
        }
    }
}

/// The office, the collection and the id of the name of any resource; a singleton has no id.
pub fn split(name: &str) -> Option<(Office, &str, Option<&str>)> {
    let mut parts = name.split('/');
    if parts.next() != Some("offices") {
        return None;
    }
    let office = Office::from_id(parts.next()?)?;
    let collection = parts.next().filter(|c| !c.is_empty())?;
    let id = parts.next();
    let whole = parts.next().is_none() && id.is_none_or(is_id_or_uuid);
    whole.then_some((office, collection, id))
}

/// Whether a caller may choose this id: `^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$` (AIP-122).
pub fn is_id(id: &str) -> bool {
    let b = id.as_bytes();
    let (Some(first), Some(last)) = (b.first(), b.last()) else {
        return false;
    };
    b.len() <= 63
        && first.is_ascii_lowercase()
        && last != &b'-'
        && b.iter()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == b'-')
}

/// Whether a resource can have this id: one that a caller may choose, or a generated UUID.
pub fn is_id_or_uuid(id: &str) -> bool {
    is_id(id) || (id.len() == 36 && uuid::Uuid::try_parse(id).is_ok_and(|u| u.to_string() == id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meetings::Meeting;
    use crate::supervision::SupervisionSettings;

    #[test]
    fn ids_follow_aip_122() {
        for good in ["a", "a1", "a-b", "m202201"] {
            assert!(is_id(good), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", "1a", "-a", "a-", "A", "a_b", "会", long.as_str()] {
            assert!(!is_id(bad), "{bad}");
        }
    }

    #[test]
    fn a_parsed_name_formats_as_the_same_text() {
        for name in [
            "offices/demo/meetings/m1",
            "offices/a/meetings/0193e5f2-2f4b-7c2e-8a39-5b6c7d8e9f00",
        ] {
            assert_eq!(
                Name::<Meeting>::parse(name)
                    .map(|n| n.to_string())
                    .as_deref(),
                Some(name)
            );
        }
        let settings = "offices/demo/supervisionSettings";
        assert_eq!(
            Name::<SupervisionSettings>::parse(settings)
                .map(|n| n.to_string())
                .as_deref(),
            Some(settings)
        );
        for bad in [
            "",
            "meetings/m1",
            "offices/demo/lectures/m1",
            "offices/demo/meetings",
            "offices/demo/meetings/m1/x",
            "offices//meetings/m1",
        ] {
            assert!(Name::<Meeting>::parse(bad).is_none(), "{bad}");
        }
    }
}
