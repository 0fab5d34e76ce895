//! The records of a trial: those that the plan's figures count, and those that no figure may count.

mod matters;
mod meetings;
mod people;
mod reception;
mod research;
mod supervision;

use tonic::Status;

use crate::client::Clients;
use crate::figures::{Figures, Plannable, Sum};
use crate::job::{Job, NEIGHBOUR, OFFICE};

/// A record of one of the services.
#[derive(Debug, Clone)]
pub(crate) enum Record {
    Meetings(meetings::Record),
    Matter(matters::Matter),
    Supervision(supervision::Record),
    Reception(reception::Record),
    Research(research::Record),
}

/// The indicators that a plan can name.
pub(crate) fn plannable() -> impl Iterator<Item = &'static Plannable> {
    let all = [
        meetings::PLANNABLE,
        matters::PLANNABLE,
        supervision::PLANNABLE,
        reception::PLANNABLE,
        research::PLANNABLE,
    ];
    all.into_iter().flatten()
}

/// The sums that a plan may state.
pub(crate) const SUMS: &[Sum] = &[matters::SUM, reception::SUM, research::SUM];

/// All records of a plan: those of its year, those of the year before, and those that neither may
/// count.
pub(crate) fn jobs(year: i32, figures: &Figures, previous: &Figures) -> Vec<Job<Record>> {
    let mut jobs = Vec::new();
    for (year, figures) in [(year - 1, previous), (year, figures)] {
        add(
            &mut jobs,
            Record::Meetings,
            meetings::counted(year, figures),
        );
        add(&mut jobs, Record::Matter, matters::counted(year, figures));
        add(
            &mut jobs,
            Record::Supervision,
            supervision::counted(year, figures),
        );
        add(
            &mut jobs,
            Record::Reception,
            reception::counted(year, figures),
        );
        add(
            &mut jobs,
            Record::Research,
            research::counted(year, figures),
        );
    }
    add(&mut jobs, Record::Meetings, meetings::uncounted(year));
    add(&mut jobs, Record::Matter, matters::uncounted(year));
    add(&mut jobs, Record::Supervision, supervision::uncounted(year));
    add(&mut jobs, Record::Reception, reception::uncounted(year));
    add(&mut jobs, Record::Research, research::uncounted(year));
    jobs
}

fn add<R>(jobs: &mut Vec<Job<Record>>, of: fn(R) -> Record, more: Vec<Job<R>>) {
    jobs.extend(more.into_iter().map(|job| job.map(of)));
}

/// Makes the records that others refer to.
///
/// # Errors
/// The first refusal.
pub(crate) async fn prepare(clients: &Clients) -> Result<(), Status> {
    for office in [OFFICE, NEIGHBOUR] {
        let parent = format!("offices/{office}");
        supervision::prepare(&mut clients.clone(), &parent).await?;
    }
    Ok(())
}

/// Makes the `i`-th record, takes it to its state, and deletes it if it is to be deleted.
///
/// # Errors
/// The first refusal.
pub(crate) async fn make(mut c: Clients, i: usize, job: &Job<Record>) -> Result<(), Status> {
    let parent = job.parent();
    let name = match &job.record {
        Record::Meetings(record) => meetings::make(&mut c, parent, i, record).await?,
        Record::Matter(matter) => matters::make(&mut c, parent, i, matter).await?,
        Record::Supervision(record) => supervision::make(&mut c, parent, i, record).await?,
        Record::Reception(record) => reception::make(&mut c, parent, i, record).await?,
        Record::Research(record) => research::make(&mut c, parent, i, record).await?,
    };
    if job.deleted {
        match &job.record {
            Record::Meetings(record) => meetings::delete(&mut c, name, record).await?,
            Record::Matter(_) => matters::delete(&mut c, name).await?,
            Record::Supervision(record) => supervision::delete(&mut c, name, record).await?,
            Record::Reception(record) => reception::delete(&mut c, name, record).await?,
            Record::Research(record) => research::delete(&mut c, name, record).await?,
        }
    }
    Ok(())
}
