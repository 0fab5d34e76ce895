//! `taizhang migrate`.

use anyhow::Context;
use taizhang_ledger::partitions::{Table, partition};
use taizhang_ledger::views;
use taizhang_runtime::Config;

use crate::roles;
use crate::suite::connect;

pub(super) async fn run(
    config: &Config,
    partitions: Option<u64>,
    with_views: bool,
    services: &[String],
) -> anyhow::Result<()> {
    for role in roles::chosen(services)? {
        let database = connect(config, role).await?;
        let of_database = || format!("the database of {}", role.name);
        let pending = (role.pending)(database.writer())
            .await
            .with_context(of_database)?;
        (role.migrate)(database.writer())
            .await
            .with_context(of_database)?;
        if pending.is_empty() {
            println!("{}: up to date", role.name);
        }
        for migration in pending {
            println!("{}: {migration}", role.name);
        }
        if let Some(count) = partitions {
            partition(&database, role.kinds, count, |table| {
                print(role.name, &table)
            })
            .await
            .with_context(of_database)?;
        }
        if with_views {
            let views = views::create(&database, role.kinds).await;
            for view in views.with_context(of_database)? {
                println!("{}: {}.{view}", role.name, views::SCHEMA);
            }
        }
    }
    Ok(())
}

fn print(service: &str, table: &Table) {
    let Table {
        name, partitions, ..
    } = table;
    match table.moved {
        Some(rows) => println!("{service}: {name}: {partitions} partitions, {rows} rows"),
        None => println!("{service}: {name}: has {partitions} partitions already"),
    }
}
