//! The measured calls, and their records.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Context;
use prost::Message;
use prost_types::Any;
use taizhang_contracts::Call;
use taizhang_contracts::batch::batch_service_client::BatchServiceClient;
use taizhang_contracts::batch::{BatchCall, BatchWriteRequest};
use taizhang_contracts::common::Level;
use taizhang_contracts::date::timestamp;
use taizhang_contracts::meetings::booking_service_client::BookingServiceClient;
use taizhang_contracts::meetings::facility_service_client::FacilityServiceClient;
use taizhang_contracts::meetings::meeting_service_client::MeetingServiceClient;
use taizhang_contracts::meetings::{
    AgendaItem, Booking, CreateBookingRequest, CreateFacilityRequest, CreateMeetingRequest,
    Facility, FacilityKind, GetMeetingRequest, Meeting, MeetingKind, MeetingState, Participant,
    ParticipantRole,
};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// The number of connections that the callers share.
const CONNECTIONS: usize = 4;

/// The number of meetings of each office that are read.
const READ: usize = 64;

/// The number of offices of the token.
pub(crate) const OFFICES: usize = 16;

/// The name of an office; all have the same length.
pub(crate) fn office(i: usize) -> String {
    format!("offices/county-{:02}", i % OFFICES)
}

/// Sends the token with every call.
#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}

pub(crate) type Bearing = InterceptedService<Channel, Bearer>;

/// A few connections to one address.
pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Vec<Channel>> {
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
        channels.push(endpoint.connect().await?);
    }
    Ok(channels)
}

/// A few connections that send the token.
pub(crate) async fn connect_with(address: SocketAddr, token: &str) -> anyhow::Result<Vec<Bearing>> {
    let bearer = Bearer(format!("Bearer {token}").parse()?);
    let channels = connect(address).await?.into_iter();
    Ok(channels
        .map(|channel| InterceptedService::new(channel, bearer.clone()))
        .collect())
}

/// A client of the meetings service.
#[derive(Clone)]
pub(crate) struct Meetings {
    channels: Arc<[Bearing]>,
    /// The meetings that are read.
    known: Arc<[String]>,
    /// A room and a meeting for each caller, in one office for all and in an office for each.
    rooms: Arc<[[(String, String); 2]]>,
    /// The next slot, which is free in every room.
    next_slot: Arc<AtomicI64>,
}

impl Meetings {
    /// Connects, and creates the records that the calls need.
    pub(crate) async fn open(address: SocketAddr, token: &str) -> anyhow::Result<Self> {
        let mut meetings = Self {
            channels: connect_with(address, token).await?.into(),
            known: Arc::default(),
            rooms: Arc::default(),
            next_slot: Arc::default(),
        };
        let mut known = Vec::new();
        for i in 0..READ * OFFICES {
            known.push(meetings.create(i, office(i)).await?);
        }
        let mut rooms = Vec::new();
        for caller in 0..OFFICES {
            rooms.push([
                meetings.room(caller, office(0)).await?,
                meetings.room(caller, office(caller)).await?,
            ]);
        }
        meetings.known = known.into();
        meetings.rooms = rooms.into();
        Ok(meetings)
    }

    fn channel(&self, caller: usize) -> anyhow::Result<Bearing> {
        let channel = self.channels.get(caller % self.channels.len());
        channel.cloned().context("a connection")
    }

    /// `CreateMeeting` with a request id; returns the name.
    pub(crate) async fn create(&self, caller: usize, parent: String) -> anyhow::Result<String> {
        let mut client = MeetingServiceClient::new(self.channel(caller)?);
        let request = CreateMeetingRequest {
            parent,
            meeting: Some(meeting()),
            request_id: uuid::Uuid::new_v4().to_string(),
            ..Default::default()
        };
        Ok(client.create_meeting(request).await?.into_inner().name)
    }

    /// `BatchWrite` of so many `CreateMeeting`.
    pub(crate) async fn create_many(
        &self,
        caller: usize,
        parent: String,
        count: usize,
    ) -> anyhow::Result<()> {
        let request = CreateMeetingRequest {
            parent: parent.clone(),
            meeting: Some(meeting()),
            ..Default::default()
        };
        let call = BatchCall {
            method: CreateMeetingRequest::PATH.trim_start_matches('/').into(),
            request: Some(Any {
                type_url: format!("type.googleapis.com/{}", CreateMeetingRequest::MESSAGE),
                value: request.encode_to_vec(),
            }),
        };
        let request = BatchWriteRequest {
            parent,
            calls: vec![call; count],
            request_id: uuid::Uuid::new_v4().to_string(),
            ..Default::default()
        };
        let mut client = BatchServiceClient::new(self.channel(caller)?);
        client.batch_write(request).await?;
        Ok(())
    }

    /// `GetMeeting` of an existing meeting.
    pub(crate) async fn get(&self, caller: usize, n: u64) -> anyhow::Result<()> {
        // A prime, so that adjacent callers read different meetings.
        let i = (caller * 7919 + usize::try_from(n)?) % self.known.len();
        let name = self.known.get(i).context("a meeting")?.clone();
        let mut client = MeetingServiceClient::new(self.channel(caller)?);
        let found = client.get_meeting(GetMeetingRequest { name }).await?;
        anyhow::ensure!(!found.get_ref().title.is_empty(), "an empty meeting");
        Ok(())
    }

    async fn room(&self, caller: usize, parent: String) -> anyhow::Result<(String, String)> {
        let mut client = FacilityServiceClient::new(self.channel(caller)?);
        let request = CreateFacilityRequest {
            parent: parent.clone(),
            facility: Some(Facility {
                title: format!("第{caller}会议室"),
                kind: FacilityKind::Room.into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let room = client.create_facility(request).await?.into_inner().name;
        Ok((room, self.create(caller, parent).await?))
    }

    /// `CreateBooking` of a slot that is free.
    pub(crate) async fn book(&self, caller: usize, one_office: bool) -> anyhow::Result<()> {
        let rooms = self.rooms.get(caller % OFFICES).context("a room")?;
        let (room, meeting) = &rooms[usize::from(!one_office)];
        let slot = self.next_slot.fetch_add(1, Ordering::Relaxed);
        let start = chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(slot);
        let request = CreateBookingRequest {
            parent: office(if one_office { 0 } else { caller }),
            booking: Some(Booking {
                facility: room.clone(),
                meeting: meeting.clone(),
                start_time: Some(timestamp(start)),
                end_time: Some(timestamp(start + chrono::TimeDelta::hours(1))),
                ..Default::default()
            }),
            request_id: uuid::Uuid::new_v4().to_string(),
            ..Default::default()
        };
        let mut client = BookingServiceClient::new(self.channel(caller)?);
        client.create_booking(request).await?;
        Ok(())
    }
}

/// A typical meeting: two agenda items and five participants.
pub(crate) fn meeting() -> Meeting {
    let start = chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_000);
    let person = |person: &str, unit: &str, role: ParticipantRole| Participant {
        person: person.into(),
        unit: unit.into(),
        role: role.into(),
        ..Default::default()
    };
    let item = |order, title: &str, reporter: &str, unit: &str| AgendaItem {
        order,
        title: title.into(),
        reporter: reporter.into(),
        unit: unit.into(),
    };
    Meeting {
        title: "全县农村人居环境整治工作推进会议".into(),
        kind: MeetingKind::Deployment.into(),
        organiser: "县委办公室".into(),
        organised_by_office: true,
        host_level: Level::County.into(),
        chair: "闻知行".into(),
        place: "县会议中心".into(),
        agenda_items: vec![
            item(1, "通报人居环境整治进展", "柏立言", "县农业农村局"),
            item(2, "部署下一阶段河道治理", "苗景和", "县水利局"),
        ],
        participants: vec![
            person("柏立言", "县农业农村局", ParticipantRole::Attendee),
            person("苗景和", "县水利局", ParticipantRole::Attendee),
            person("岑念之", "青石镇", ParticipantRole::Attendee),
            person("项望舒", "柳河镇", ParticipantRole::Observer),
            person("祝思齐", "松岭乡", ParticipantRole::OnLeave),
        ],
        start_time: Some(timestamp(start)),
        end_time: Some(timestamp(start + chrono::TimeDelta::minutes(90))),
        ..Default::default()
    }
}

/// The same meeting with the fields that the ledger sets.
pub(crate) fn stored_meeting() -> Meeting {
    let now = Some(timestamp(taizhang_ledger::Clock::system().now()));
    Meeting {
        name: format!("{}/meetings/{}", office(0), uuid::Uuid::now_v7()),
        state: MeetingState::Planned.into(),
        create_time: now,
        update_time: now,
        etag: "v1".into(),
        ..meeting()
    }
}
