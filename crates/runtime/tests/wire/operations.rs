//! Health and reflection, which need no token.

use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};

use crate::harness::{start, start_with};

#[tokio::test]
async fn health_is_served_per_service_and_overall() {
    let server = start_with(|c| c.limits.calls = 1).await;
    let mut client = HealthClient::new(server.channel());
    for service in ["", "taizhang.history.v1.HistoryService"] {
        let request = HealthCheckRequest {
            service: service.into(),
        };
        let answer = client.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status, 1, "{service}");
    }
    let request = HealthCheckRequest {
        service: "unknown".into(),
    };
    assert_eq!(
        client.check(request).await.unwrap_err().code(),
        Code::NotFound
    );
}

async fn listed(channel: Channel) -> Result<Vec<String>, tonic::Status> {
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel);
    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = client
        .server_reflection_info(tokio_stream::once(request))
        .await?
        .into_inner();
    match answers.message().await?.unwrap().message_response {
        Some(MessageResponse::ListServicesResponse(list)) => {
            Ok(list.service.into_iter().map(|s| s.name).collect())
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn reflection_lists_the_services_and_can_be_disabled() {
    let server = start().await;
    let listed_here = listed(server.channel()).await.unwrap();
    assert!(listed_here.contains(&"taizhang.history.v1.HistoryService".to_owned()));
    assert!(listed_here.contains(&"grpc.health.v1.Health".to_owned()));
    assert!(
        !listed_here.iter().any(|s| s.contains("meetings")),
        "{listed_here:?}"
    );

    let server = start_with(|c| c.reflection = false).await;
    assert!(listed(server.channel()).await.is_err());
}

#[tokio::test]
async fn reflection_is_served_in_its_older_version_too() {
    use v1alpha::server_reflection_request::MessageRequest;
    use v1alpha::server_reflection_response::MessageResponse;
    let server = start().await;
    let mut client =
        v1alpha::server_reflection_client::ServerReflectionClient::new(server.channel());
    let symbol = "taizhang.history.v1.HistoryService".to_owned();
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::FileContainingSymbol(symbol)),
    };
    let answers = client
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::FileDescriptorResponse(files)) = answer.message_response else {
        panic!("{answer:?}");
    };
    assert!(!files.file_descriptor_proto.is_empty());
}
