//! What requests have in common. The build implements these traits from the descriptors, so that
//! a handler of a standard method is one line and no field is forgotten.

use prost_types::{FieldMask, Timestamp};

use crate::Violations;
use crate::resource::Resource;

/// A message whose fields can be checked.
pub trait Admit {
    /// Brings every text into its normal form (NFC) and reports every bad field.
    fn admit(&mut self, v: &mut Violations);
}

/// A request.
pub trait Call: Admit + prost::Message + Default + Clone + 'static {
    /// The method's name, such as `CreateMeeting`.
    const METHOD: &'static str;
    /// The method's path on the wire, such as `/taizhang.meetings.v1.MeetingService/CreateMeeting`.
    const PATH: &'static str;
    /// The request's message, such as `taizhang.meetings.v1.CreateMeetingRequest`.
    const MESSAGE: &'static str;
    /// The path of the field that [`Call::place`] gives, such as `parent` or `meeting.name`.
    const PLACE: &'static str;
    /// The name that says which office the call is about: `parent`, `name`, or the resource's.
    fn place(&self) -> &str;
}

/// A request that writes (AIP-155, 163).
pub trait Write: Call {
    /// The caller's id of the request; empty if it gave none.
    fn request_id(&self) -> &str;
    /// Whether only to say what would happen.
    fn validate_only(&self) -> bool;
    /// Makes it one that only says so, or one in earnest.
    fn set_validate_only(&mut self, validate_only: bool);
}

/// AIP-131.
pub trait Get: Call {
    /// What is wanted.
    type Resource: Resource;
    /// Its name.
    fn name(&self) -> &str;
}

/// AIP-132.
pub trait List: Call {
    /// What is listed.
    type Resource: Resource;
    /// One page of it.
    type Response: Send;
    /// As the caller gave it; see [`crate::rules::page_limit`].
    fn page_size(&self) -> i32;
    /// Empty for the first page.
    fn page_token(&self) -> &str;
    /// AIP-160.
    fn filter(&self) -> &str;
    /// AIP-132.
    fn order_by(&self) -> &str;
    /// AIP-164.
    fn show_deleted(&self) -> bool;
    /// The answer with one page.
    fn response(items: Vec<Self::Resource>, next_page_token: String) -> Self::Response;
}

/// A request to follow the changes of a kind of record.
pub trait Watch: Call {
    /// What is followed.
    type Resource: Resource;
    /// One message of the stream.
    type Response: Send;
    /// Where to go on; empty to begin with the first change.
    fn resume_token(&self) -> &str;
    /// The message of one change.
    fn change(change: Changed<Self::Resource>, resume_token: String) -> Self::Response;
    /// The message that only tells where one stands.
    fn heartbeat(resume_token: String) -> Self::Response;
}

/// One change of a record.
#[derive(Debug, Clone)]
pub struct Changed<R> {
    /// The record after the change.
    pub record: R,
    /// The method that made it, such as `CreateMeeting`.
    pub method: String,
    /// When it was made.
    pub time: Timestamp,
    /// The calling system.
    pub caller: String,
}

/// AIP-133.
pub trait Create: Write {
    /// What is created.
    type Resource: Resource;
    /// The request's field that holds it.
    const FIELD: &'static str;
    /// The id that the caller wants; empty if it gave none.
    fn id(&self) -> &str;
    /// Takes the resource out of the request.
    fn take(&mut self) -> Option<Self::Resource>;
}

/// AIP-134.
pub trait Update: Write {
    /// What is changed.
    type Resource: Resource;
    /// The request's field that holds it.
    const FIELD: &'static str;
    /// Takes the resource out of the request.
    fn take(&mut self) -> Option<Self::Resource>;
    /// Which fields to change.
    fn mask(&self) -> Option<&FieldMask>;
}

/// A method that changes one resource by its name: Delete, Undelete, and the custom ones
/// (AIP-135, 136, 164, 216).
pub trait Change: Write {
    /// What is changed.
    type Resource: Resource;
    /// Its name.
    fn name(&self) -> &str;
    /// The etag that the caller has seen; empty if it gave none.
    fn etag(&self) -> &str;
}
