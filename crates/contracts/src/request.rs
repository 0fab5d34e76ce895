//! Traits of requests, by the kind of their method. The build implements them from the
//! descriptors, so that code for a standard method is written once for all resources.

use prost_types::{FieldMask, Timestamp};

use crate::admit::Admit;
use crate::encoded::Encoded;
use crate::resource::Resource;

/// The request of any method.
pub trait Call: Admit + Encoded + Clone + 'static {
    /// The method's name, such as `CreateMeeting`.
    const METHOD: &'static str;
    /// The method's HTTP path, such as `/taizhang.meetings.v1.MeetingService/CreateMeeting`.
    const PATH: &'static str;
    /// The full name of the request's message, such as `taizhang.meetings.v1.CreateMeetingRequest`.
    const MESSAGE: &'static str;
    /// The path of the field that [`Call::place`] returns, such as `parent` or `meeting.name`.
    const PLACE: &'static str;
    /// The resource name that the office of the call is taken from: `parent`, `name`, or the name
    /// of the resource in the request.
    fn place(&self) -> &str;
}

/// The request of a method that writes (AIP-155, AIP-163).
pub trait Write: Call {
    /// The idempotency key of the request, a UUID; empty if the caller gave none.
    fn request_id(&self) -> &str;
    /// Whether to validate and answer as if it were done, without writing anything.
    fn validate_only(&self) -> bool;
    /// Sets `validate_only`.
    fn set_validate_only(&mut self, validate_only: bool);
}

/// The request of a Get method (AIP-131).
pub trait Get: Call {
    /// The resource that it returns.
    type Resource: Resource;
    /// The name of the resource.
    fn name(&self) -> &str;
}

/// The request of a List method (AIP-132).
pub trait List: Call {
    /// The resources that it lists.
    type Resource: Resource;
    /// The response message, which holds one page.
    type Response: Send;
    /// The page size as the caller gave it; see [`crate::rules::page_limit`].
    fn page_size(&self) -> i32;
    /// The page token; empty for the first page.
    fn page_token(&self) -> &str;
    /// The filter (AIP-160); empty for all.
    fn filter(&self) -> &str;
    /// The fields to order by (AIP-132); empty for the default order.
    fn order_by(&self) -> &str;
    /// Whether deleted resources are listed too (AIP-164).
    fn show_deleted(&self) -> bool;
    /// The response with one page; the token is empty for the last one.
    fn response(items: Vec<Self::Resource>, next_page_token: String) -> Self::Response;
}

/// The request of a Watch method, which streams the changes of all resources of one type.
pub trait Watch: Call {
    /// The resources whose changes it streams.
    type Resource: Resource;
    /// One message of the stream.
    type Response: Send;
    /// The token to resume after; empty to begin with the first change.
    fn resume_token(&self) -> &str;
    /// The message of one change.
    fn change(change: Changed<Self::Resource>, resume_token: String) -> Self::Response;
    /// A message without a change, which only moves the resume token forward.
    fn heartbeat(resume_token: String) -> Self::Response;
}

/// One change of a resource.
#[derive(Debug, Clone)]
pub struct Changed<R> {
    /// The resource after the change.
    pub record: R,
    /// The method that made it, such as `CreateMeeting`.
    pub method: String,
    /// When it was made.
    pub time: Timestamp,
    /// The calling system.
    pub caller: String,
}

/// The request of a Create method (AIP-133).
pub trait Create: Write {
    /// The resource that it creates.
    type Resource: Resource;
    /// The name of the request's field that holds the resource.
    const FIELD: &'static str;
    /// The id that the caller chose; empty if the service is to generate one.
    fn id(&self) -> &str;
    /// Takes the resource out of the request.
    fn take(&mut self) -> Option<Self::Resource>;
}

/// The request of an Update method (AIP-134).
pub trait Update: Write {
    /// The resource that it changes.
    type Resource: Resource;
    /// The name of the request's field that holds the resource.
    const FIELD: &'static str;
    /// Takes the resource out of the request.
    fn take(&mut self) -> Option<Self::Resource>;
    /// The fields to change.
    fn mask(&self) -> Option<&FieldMask>;
}

/// The request of a method that changes one resource by its name: Delete, Undelete, and the custom
/// methods (AIP-135, AIP-136, AIP-164, AIP-216).
pub trait Change: Write {
    /// The resource that it changes.
    type Resource: Resource;
    /// The name of the resource.
    fn name(&self) -> &str;
    /// The etag of the version that the caller saw; empty if any version may be changed.
    fn etag(&self) -> &str;
}
