//! Makes the bare service that the suite is measured beside: one method with the messages of
//! `GetMeeting`.

use tonic_prost_build::manual::{Builder, Method, Service};

fn main() {
    let get = Method::builder()
        .name("get")
        .route_name("Get")
        .input_type("taizhang_contracts::meetings::GetMeetingRequest")
        .output_type("taizhang_contracts::meetings::Meeting")
        .codec_path("tonic_prost::ProstCodec")
        .build();
    let echo = Service::builder()
        .name("Echo")
        .package("taizhang.bench")
        .method(get)
        .build();
    Builder::new().compile(&[echo]);
}
