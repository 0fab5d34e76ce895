//! The echo service: tonic only, in a process of its own. Its rate is the upper limit of any service
//! over tonic on this machine.

#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all)]
mod made {
    include!(concat!(env!("OUT_DIR"), "/taizhang.bench.Echo.rs"));
}

use std::net::Ipv4Addr;

use taizhang_contracts::meetings::{GetMeetingRequest, Meeting};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

pub(crate) use made::echo_client::EchoClient;
use made::echo_server::{Echo, EchoServer};

use crate::calls;

/// Always returns the same meeting.
struct Always(Meeting);

#[tonic::async_trait]
impl Echo for Always {
    async fn get(&self, _: Request<GetMeetingRequest>) -> Result<Response<Meeting>, Status> {
        Ok(Response::new(self.0.clone()))
    }
}

/// Serves on a free port, which is printed, until the process is killed.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("echo listens on {}", listener.local_addr()?);
    Server::builder()
        .add_service(EchoServer::new(Always(calls::stored_meeting())))
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
        .await?;
    Ok(())
}
