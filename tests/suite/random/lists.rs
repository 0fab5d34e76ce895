//! Lists in every order, read page by page during concurrent writes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use prost_reflect::{DynamicMessage, ReflectMessage, Value};
use taizhang_ledger::Clock;

use super::office::Office;
use super::record_methods::RecordMethods;
use super::{Ledgers, OFFICES};
use crate::served_methods::ServedMethod;

impl Office<'_> {
    /// Reads the lists of a share of the kinds in the order of every field. Returns the number of
    /// records that were created meanwhile.
    pub(super) async fn check_lists(&mut self, share: usize) -> usize {
        let (ledgers, office) = (self.ledgers, self.name.clone());
        let mut written = 0;
        for (i, methods) in ledgers.kinds.iter().enumerate() {
            let Some(list) = methods.list.as_ref().filter(|_| i % OFFICES == share) else {
                continue;
            };
            let collection = methods.kind.collection();
            for (n, field) in methods.kind.fields().iter().enumerate() {
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
                let (listed, came) = tokio::join!(read, self.busy(methods, &done));
                written += came;
                let after = ledgers.list(list, &office, &order, 1000).await;

                let names: BTreeSet<&String> = listed.iter().map(|(name, _)| name).collect();
                assert_eq!(
                    names.len(),
                    listed.len(),
                    "{collection} by {order}: a record is listed twice"
                );
                // Records that did not change are listed, in the same order.
                let after: BTreeSet<_> = after.into_iter().collect();
                let stays: Vec<_> = before
                    .iter()
                    .filter(|record| after.contains(record))
                    .collect();
                let unchanged: BTreeSet<_> = stays.iter().map(|(name, _)| name).collect();
                let listed: Vec<_> = listed
                    .iter()
                    .filter(|(name, _)| unchanged.contains(name))
                    .collect();
                assert_eq!(listed, stays, "{collection} by {order}");
            }
        }
        written
    }

    /// Creates and deletes records of a kind until `done`; returns how many.
    async fn busy(&mut self, methods: &RecordMethods, done: &AtomicBool) -> usize {
        let mut written = 0;
        while let Some(create) = methods.create.as_ref().filter(|_| !done.load(Relaxed)) {
            let Some(record) = self.create(methods, create).await else {
                continue;
            };
            written += 1;
            if let Some(delete) = &methods.delete {
                let name = record.get_field_by_name("name").unwrap();
                let since = Clock::system().now();
                let request = self.request(delete, name.as_str().unwrap(), &record, since);
                self.call(methods, delete, request, since).await.unwrap();
            }
        }
        written
    }
}

impl Ledgers<'_> {
    /// Names and etags of all records of a list, read page by page.
    async fn list(
        &self,
        list: &ServedMethod,
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
