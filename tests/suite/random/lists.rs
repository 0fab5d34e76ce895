//! Lists in every order, read page by page while others write.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use prost_reflect::{DynamicMessage, ReflectMessage, Value};
use taizhang_ledger::Clock;

use super::kept::Kept;
use super::office::Office;
use super::{Ledgers, OFFICES};
use crate::walk::Walked;

impl Office<'_> {
    /// Reads the lists of some kinds by every field, so that all offices together read all. Gives the
    /// number of records that came meanwhile.
    pub(super) async fn lists(&mut self, share: usize) -> usize {
        let (ledgers, office) = (self.ledgers, self.name.clone());
        let mut written = 0;
        for (i, kept) in ledgers.kept.iter().enumerate() {
            let Some(list) = kept.list.as_ref().filter(|_| i % OFFICES == share) else {
                continue;
            };
            let collection = kept.kind.collection();
            for (n, field) in kept.kind.fields().iter().enumerate() {
                let direction = if n % 2 == 0 { "" } else { " desc" };
                let order = format!("{}{direction}", field.path);
                let before = ledgers.list(list, &office, &order, 1000).await;
                let page_size = i32::try_from(before.len() / 5).unwrap().max(2);
                let done = AtomicBool::new(false);
                let read = async {
                    let listed = ledgers.list(list, &office, &order, page_size).await;
                    done.store(true, Relaxed);
                    listed
                };
                let (listed, came) = tokio::join!(read, self.busy(kept, &done));
                written += came;
                let after = ledgers.list(list, &office, &order, 1000).await;

                let names: BTreeSet<&String> = listed.iter().map(|(name, _)| name).collect();
                assert_eq!(
                    names.len(),
                    listed.len(),
                    "{collection} by {order}: one twice"
                );
                // What stayed as it was is listed, and where it was.
                let after: BTreeSet<_> = after.into_iter().collect();
                let stays: Vec<_> = before
                    .iter()
                    .filter(|record| after.contains(record))
                    .collect();
                let kept: BTreeSet<_> = stays.iter().map(|(name, _)| name).collect();
                let listed: Vec<_> = listed
                    .iter()
                    .filter(|(name, _)| kept.contains(name))
                    .collect();
                assert_eq!(listed, stays, "{collection} by {order}");
            }
        }
        written
    }

    /// Creates records of a kind and deletes them again, until it is told to stop.
    async fn busy(&mut self, kept: &Kept, done: &AtomicBool) -> usize {
        let mut written = 0;
        while let Some(create) = kept.create.as_ref().filter(|_| !done.load(Relaxed)) {
            let Some(record) = self.create(kept, create).await else {
                continue;
            };
            written += 1;
            if let Some(delete) = &kept.delete {
                let name = record.get_field_by_name("name").unwrap();
                let since = Clock::system().now();
                let request = self.request(delete, name.as_str().unwrap(), &record, since);
                self.call(kept, delete, request, since).await.unwrap();
            }
        }
        written
    }
}

impl Ledgers<'_> {
    /// Names and etags of all that a list shows, read page by page.
    async fn list(
        &self,
        list: &Walked,
        office: &str,
        order: &str,
        page_size: i32,
    ) -> Vec<(String, String)> {
        let mut request = DynamicMessage::new(list.method.input());
        request.set_field_by_name("parent", Value::String(office.into()));
        request.set_field_by_name("order_by", Value::String(order.into()));
        request.set_field_by_name("page_size", Value::I32(page_size));
        let mut listed = Vec::new();
        loop {
            let page = self.ask(list, request.clone()).await.unwrap();
            let records = page.descriptor().fields().find(|f| f.is_list()).unwrap();
            for record in page.get_field(&records).as_list().unwrap() {
                let text = |field| {
                    let value = record.as_message().unwrap().get_field_by_name(field);
                    value.unwrap().as_str().unwrap().to_owned()
                };
                listed.push((text("name"), text("etag")));
            }
            let token = page.get_field_by_name("next_page_token").unwrap();
            if token.as_str() == Some("") {
                return listed;
            }
            request.set_field_by_name("page_token", token.into_owned());
        }
    }
}
