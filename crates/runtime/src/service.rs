//! What is served: a name and gRPC services.

use tonic::service::Routes;

/// A service that can be served.
#[derive(Debug)]
pub struct Service {
    /// Its name, such as `meetings`; it stands for `{service}` in scopes.
    pub name: &'static str,
    /// Its gRPC services.
    pub routes: Routes,
    /// Their full names, such as `taizhang.meetings.v1.MeetingService`.
    pub services: &'static [&'static str],
}
