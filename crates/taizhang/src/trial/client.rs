//! The clients of the suite, as another system would have them.

use std::collections::BTreeMap;

use anyhow::Context;
use taizhang_contracts::meetings::facility_service_client::FacilityServiceClient;
use taizhang_contracts::meetings::lecture_service_client::LectureServiceClient;
use taizhang_contracts::meetings::meeting_series_service_client::MeetingSeriesServiceClient;
use taizhang_contracts::meetings::meeting_service_client::MeetingServiceClient;
use taizhang_contracts::reporting::annual_report_service_client::AnnualReportServiceClient;
use taizhang_contracts::supervision::matter_service_client::MatterServiceClient;
use taizhang_runtime::client::connect_lazy;
use taizhang_runtime::config::Tls;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// Sends the token with every call.
#[derive(Clone)]
pub(super) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}

type Bearing = InterceptedService<Channel, Bearer>;

/// One client for each gRPC service that a trial calls.
#[derive(Clone)]
#[allow(missing_docs)]
pub(super) struct Clients {
    pub(super) meetings: MeetingServiceClient<Bearing>,
    pub(super) series: MeetingSeriesServiceClient<Bearing>,
    pub(super) lectures: LectureServiceClient<Bearing>,
    pub(super) facilities: FacilityServiceClient<Bearing>,
    pub(super) matters: MatterServiceClient<Bearing>,
    pub(super) reports: AnnualReportServiceClient<Bearing>,
}

impl Clients {
    /// Connects to the services at these addresses.
    ///
    /// # Errors
    /// If an address is missing or can't be used.
    pub(super) fn connect(
        addresses: &BTreeMap<&'static str, String>,
        tls: &Tls,
        token: &str,
    ) -> anyhow::Result<Self> {
        let mut bearer: MetadataValue<Ascii> = format!("Bearer {token}").parse()?;
        bearer.set_sensitive(true);
        let bearer = Bearer(bearer);
        let to = |name: &str| -> anyhow::Result<Bearing> {
            let address = addresses
                .get(name)
                .with_context(|| format!("service {name} does not run"))?;
            let channel = connect_lazy(address, tls)?;
            Ok(InterceptedService::new(channel, bearer.clone()))
        };
        let meetings = to("meetings")?;
        Ok(Self {
            meetings: MeetingServiceClient::new(meetings.clone()),
            series: MeetingSeriesServiceClient::new(meetings.clone()),
            lectures: LectureServiceClient::new(meetings.clone()),
            facilities: FacilityServiceClient::new(meetings),
            matters: MatterServiceClient::new(to("supervision")?),
            reports: AnnualReportServiceClient::new(to("reporting")?)
                .max_decoding_message_size(64 << 20),
        })
    }
}
