//! The contracts of `proto/` in Rust: their messages, clients and servers, field rules, resource
//! names, the caller of a call, and errors as callers see them. Nothing here does I/O.
//!
//! The build derives [`METHODS`], and the implementations of [`Admit`] and of the traits in
//! [`request`] and [`resource`], from the descriptors.

pub mod admit;
pub mod caller;
pub mod date;
pub mod descriptors;
mod encoded;
pub mod error;
pub mod name;
pub mod request;
pub mod resource;
pub mod rules;
pub mod terms;

pub use admit::Admit;
pub use caller::{Caller, Context, Stopping, Until};
pub use encoded::Encoded;
pub use error::{Error, Reason, Result, Violations};
pub use name::{Name, Office};
pub use request::{Call, Change, Changed, Create, Get, List, Update, Watch, Write};
pub use resource::{Resource, Stored};

#[allow(missing_docs, unreachable_pub, clippy::all, rustdoc::all)]
mod packages {
    include!(concat!(env!("OUT_DIR"), "/packages.rs"));
}
pub use packages::taizhang;
pub use taizhang::{
    batch::v1 as batch, common::v1 as common, history::v1 as history, meetings::v1 as meetings,
    reception::v1 as reception, reporting::v1 as reporting, research::v1 as research,
    statistics::v1 as statistics, supervision::v1 as supervision,
};

/// One method of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// The service's full name, such as `taizhang.meetings.v1.MeetingService`.
    pub service: &'static str,
    /// The method's name, such as `CreateMeeting`.
    pub name: &'static str,
    /// The HTTP path, `/{service}/{name}`.
    pub path: &'static str,
    /// The scope that a caller must hold; `{service}` in it stands for the service that serves the
    /// method, such as `meetings`.
    pub scope: &'static str,
}

mod derived {
    #![allow(clippy::all)]
    use crate::admit::Admit;
    use crate::encoded::Encoded;
    use crate::request::{Call, Change, Changed, Create, Get, List, Update, Watch, Write};
    use crate::resource::{Resource, Stored};
    use crate::{Method, Violations, rules};
    include!(concat!(env!("OUT_DIR"), "/derived.rs"));
}
pub use derived::METHODS;
