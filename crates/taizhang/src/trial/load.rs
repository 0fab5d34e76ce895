//! Makes the records of a trial over gRPC, each from its creation to its end.

use futures::{StreamExt, TryStreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use tonic::Status;

use super::job::{Job, What, Whose};
use super::{Clients, matters, meetings, office, reception, research, supervision};

/// How many records are under way at once.
const AT_ONCE: usize = 16;

/// Makes the records, with a progress bar.
///
/// # Errors
/// The first refusal.
pub(super) async fn load(clients: &Clients, jobs: &[Job]) -> anyhow::Result<()> {
    for whose in [Whose::Ours, Whose::Another] {
        supervision::prepare(&mut clients.clone(), &office(whose)).await?;
    }
    let bar = ProgressBar::new(jobs.len() as u64);
    let style = "录入记录 [{bar:40}] {pos}/{len}（剩余{eta}）";
    bar.set_style(ProgressStyle::with_template(style)?.progress_chars("█▉ "));
    stream::iter(jobs.iter().enumerate())
        .map(|(i, job)| {
            let (clients, bar) = (clients.clone(), bar.clone());
            async move {
                make(clients, i, job).await?;
                bar.inc(1);
                Ok::<_, anyhow::Error>(())
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    bar.finish();
    println!("已通过 gRPC 录入 {} 条记录", jobs.len());
    Ok(())
}

async fn make(mut c: Clients, i: usize, job: &Job) -> Result<(), Status> {
    let parent = office(job.whose);
    let name = match &job.what {
        What::Meetings(what) => meetings::make(&mut c, parent, i, what).await?,
        What::Matter(plan) => matters::make(&mut c, parent, i, plan).await?,
        What::Supervision(what) => supervision::make(&mut c, parent, i, what).await?,
        What::Reception(what) => reception::make(&mut c, parent, i, what).await?,
        What::Research(what) => research::make(&mut c, parent, i, what).await?,
    };
    if job.deleted {
        match &job.what {
            What::Meetings(what) => meetings::delete(&mut c, name, what).await?,
            What::Matter(_) => matters::delete(&mut c, name).await?,
            What::Supervision(what) => supervision::delete(&mut c, name, what).await?,
            What::Reception(what) => reception::delete(&mut c, name, what).await?,
            What::Research(what) => research::delete(&mut c, name, what).await?,
        }
    }
    Ok(())
}

/// A new request id.
pub(super) fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
