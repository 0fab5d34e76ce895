//! Topics (调研课题).

mod review;
mod rules;
mod states;

use taizhang_contracts::research::topic_service_server::TopicService;
use taizhang_contracts::research::{
    ApproveTopicRequest, ConcludeTopicRequest, CreateTopicRequest, DeleteTopicRequest,
    DropTopicRequest, GetTopicRequest, ListTopicsRequest, ListTopicsResponse, ReviewTopicsRequest,
    ReviewTopicsResponse, StartTopicRequest, Topic, UndeleteTopicRequest, UpdateTopicRequest,
};
use taizhang_contracts::{Office, Result, Violations};
use taizhang_ledger::{Behavior, Ledger, Moment, Record, serve};

use crate::Research;
use crate::entities::topics;
pub(crate) use rules::report;
pub use states::MACHINE;

impl Record for topics::Entity {
    fn title(topic: &Topic) -> &str {
        &topic.title
    }

    fn initial(topic: &mut Topic, _at: Moment) {
        topic.set_state(MACHINE.initial);
    }

    fn check(topic: &Topic, v: &mut Violations) {
        rules::check(topic, v);
    }
}

impl Behavior for topics::Entity {
    const SHOWS: bool = true;

    async fn show(
        records: &mut [Topic],
        at: Moment,
        _ledger: &Ledger,
        _office: &Office,
    ) -> Result<()> {
        for topic in records {
            topic.behind = rules::behind(topic, at.today());
        }
        Ok(())
    }
}

serve! {
    TopicService for Research, topics {
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
