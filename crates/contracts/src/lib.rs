//! The contracts of `proto/` in Rust: their messages, clients and servers; the rules of their
//! fields; resource names; the caller of a call; and errors as callers see them.
//!
//! Nothing here does I/O. What the build derives from the descriptors stands in [`METHODS`] and in
//! the implementations of the traits of [`request`] and [`resource`].

pub mod caller;
pub mod date;
pub mod descriptors;
pub mod error;
pub mod name;
pub mod request;
pub mod resource;
pub mod rules;

pub use caller::{Caller, Context, Stopping, Until};
pub use error::{Error, Reason, Result, Violations};
pub use name::{Name, Office};
pub use request::{Admit, Call, Change, Changed, Create, Get, List, Update, Watch, Write};
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
    /// The path on the wire, `/{service}/{name}`.
    pub path: &'static str,
    /// The scope that a caller must hold; `{service}` in it stands for the serving service.
    pub scope: &'static str,
}

mod derived {
    #![allow(clippy::all)]
    use crate::request::{Admit, Call, Change, Changed, Create, Get, List, Update, Watch, Write};
    use crate::resource::{Resource, Stored};
    use crate::{Method, Violations, rules};
    include!(concat!(env!("OUT_DIR"), "/derived.rs"));
}
pub use derived::METHODS;
