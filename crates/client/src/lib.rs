//! How the program and the tests call the suite, as any other system does: a channel that sends a
//! token with every call, and calls whose messages are known only from a descriptor.

mod codec;

pub use codec::DynamicCodec;

use prost_reflect::{DynamicMessage, MethodDescriptor};
use tonic::client::Grpc;
use tonic::metadata::errors::InvalidMetadataValue;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// Sends a token with every call, as `authorization: Bearer …`.
#[derive(Debug, Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl Bearer {
    /// Sends this token.
    ///
    /// # Errors
    /// If it holds characters that no header can.
    pub fn of(token: &str) -> Result<Self, InvalidMetadataValue> {
        let mut bearer: MetadataValue<Ascii> = format!("Bearer {token}").parse()?;
        bearer.set_sensitive(true);
        Ok(Self(bearer))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// A channel that sends a token with every call.
pub type AuthorizedChannel = InterceptedService<Channel, Bearer>;

/// Calls a unary method whose messages are known only from its descriptor.
///
/// # Errors
/// What the service or the transport says.
pub async fn unary(
    channel: &AuthorizedChannel,
    method: &MethodDescriptor,
    message: DynamicMessage,
) -> Result<DynamicMessage, Status> {
    let mut client = Grpc::new(channel.clone());
    client
        .ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let service = method.parent_service();
    let path = format!("/{}/{}", service.full_name(), method.name());
    let path = path
        .parse()
        .map_err(|_| Status::internal("the method's name makes no path"))?;
    let codec = DynamicCodec(method.output());
    let response = client.unary(Request::new(message), path, codec).await?;
    Ok(response.into_inner())
}
