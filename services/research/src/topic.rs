//! Topics (调研课题).

mod review;
mod rules;
mod states;

use taizhang_contracts::research::topic_service_server::TopicService;
use taizhang_contracts::research::{
    ApproveTopicRequest, ConcludeTopicRequest, CreateTopicRequest, DeleteTopicRequest,
    DropTopicRequest, GetTopicRequest, ListTopicsRequest, ListTopicsResponse, ReviewTopicsRequest,
    ReviewTopicsResponse, StartTopicRequest, Topic, TopicLevel, TopicState, UndeleteTopicRequest,
    UpdateTopicRequest,
};
use taizhang_contracts::{Office, Result, Violations};
use taizhang_ledger::column::day;
use taizhang_ledger::{Column, Ledger, Moment, Record, enum_column, serve};

use crate::Research;
pub(crate) use rules::report;
pub use states::MACHINE;

pub(crate) const LEVEL: Column<Topic> = enum_column!(Topic, level: TopicLevel);
pub(crate) const STATE: Column<Topic> = enum_column!(Topic, state: TopicState);
pub(crate) const APPROVED_ON: Column<Topic> =
    Column::day("approved_on", |t| day(t.approved_on.as_ref()));
pub(crate) const CONCLUDED_ON: Column<Topic> =
    Column::day("concluded_on", |t| day(t.concluded_on.as_ref()));

impl Record<Research> for Topic {
    const TABLE: &'static str = "topics";

    const COLUMNS: &'static [Column<Self>] = &[
        LEVEL,
        STATE,
        APPROVED_ON,
        CONCLUDED_ON,
        Column::day("planned_start", |t| day(t.planned_start.as_ref())),
        Column::day("planned_end", |t| day(t.planned_end.as_ref())),
        Column::text("title", |t| t.title.as_str().into()),
        Column::text("leader", |t| t.leader.as_str().into()),
        Column::text("lead_unit", |t| t.lead_unit.as_str().into()),
    ];

    fn title(&self) -> &str {
        &self.title
    }

    fn initial(&mut self, _at: Moment) {
        self.set_state(MACHINE.initial);
    }

    fn check(&self, v: &mut Violations) {
        rules::check(self, v);
    }

    const SHOWS: bool = true;

    async fn show(
        records: &mut [Self],
        at: Moment,
        _ledger: &Ledger<Research>,
        _office: &Office,
    ) -> Result<()> {
        for topic in records {
            topic.behind = rules::behind(topic, at.today());
        }
        Ok(())
    }
}

serve! {
    TopicService for Research {
        create_topic(CreateTopicRequest) -> Topic: create;
        get_topic(GetTopicRequest) -> Topic: get;
        list_topics(ListTopicsRequest) -> ListTopicsResponse: list;
        update_topic(UpdateTopicRequest) -> Topic: update_with(rules::update);
        delete_topic(DeleteTopicRequest) -> Topic: delete;
        undelete_topic(UndeleteTopicRequest) -> Topic: undelete;
        approve_topic(ApproveTopicRequest) -> Topic: change(rules::approve);
        start_topic(StartTopicRequest) -> Topic: change(rules::start);
        conclude_topic(ConcludeTopicRequest) -> Topic: change(rules::conclude);
        drop_topic(DropTopicRequest) -> Topic: change(rules::give_up);
    } and {
        review_topics(ReviewTopicsRequest) -> ReviewTopicsResponse = review::review_topics;
    }
}
