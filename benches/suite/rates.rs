//! Calls per second on PostgreSQL, compared with the limits of the wire and of the database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use taizhang_contracts::meetings::GetMeetingRequest;

use crate::callers::{Measured, Pace, measure};
use crate::calls::{self, Meetings, office, stored_meeting};
use crate::cpu::Processes;
use crate::echo::EchoClient;
use crate::pgbench::Script;
use crate::postgres::Postgres;
use crate::process::{Home, Process};
use crate::statements;

/// A kind of measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    Echo,
    PgbenchCreate,
    PgbenchGet,
    CreateOneOffice,
    CreateManyOffices,
    Get,
    BookOneOffice,
    BookManyOffices,
}

/// The measurements of one round, with the number of callers. `pgbench` reads rows that it has written
/// with 64 clients, so writes come first.
const ROUND: &[(What, usize)] = &[
    (What::Echo, 16),
    (What::Echo, 64),
    (What::PgbenchCreate, 64),
    (What::PgbenchCreate, 16),
    (What::PgbenchCreate, 1),
    (What::PgbenchGet, 16),
    (What::PgbenchGet, 64),
    (What::CreateOneOffice, 16),
    (What::CreateOneOffice, 64),
    (What::CreateManyOffices, 16),
    (What::CreateManyOffices, 64),
    (What::Get, 16),
    (What::Get, 64),
    (What::BookOneOffice, 16),
    (What::BookManyOffices, 16),
];

impl What {
    /// Its label in the table.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Echo => "bare tonic echo",
            Self::PgbenchCreate => "pgbench, the statements of CreateMeeting",
            Self::PgbenchGet => "pgbench, the statements of GetMeeting",
            Self::CreateOneOffice => "CreateMeeting, all in one office",
            Self::CreateManyOffices => "CreateMeeting, in 16 offices",
            Self::Get => "GetMeeting",
            Self::BookOneOffice => "CreateBooking, all in one office",
            Self::BookManyOffices => "CreateBooking, in 16 offices",
        }
    }
}

/// The measurements of all rounds.
pub(crate) type Rates = BTreeMap<(What, usize), Vec<Measured>>;

/// The servers and clients of the measurements.
struct Setup<'a> {
    postgres: &'a Postgres,
    folder: PathBuf,
    pace: Pace,
    echo: Process,
    meetings: Meetings,
    create: Script,
    get: Script,
    bare: String,
    runs: AtomicUsize,
    server: Process,
}

/// The options of the measurements.
pub(crate) struct Plan<'a> {
    pub(crate) program: &'a Path,
    pub(crate) folder: &'a Path,
    pub(crate) pool: Option<u32>,
    pub(crate) pace: Pace,
    pub(crate) rounds: usize,
    /// Only measurements whose label contains this text.
    pub(crate) matching: &'a str,
}

/// Measures every rate once in each round.
pub(crate) async fn rates(postgres: &mut Postgres, plan: &Plan<'_>) -> anyhow::Result<Rates> {
    let scene = Setup::set(postgres, plan).await?;
    let mut rates = Rates::new();
    for round in 1..=plan.rounds {
        for (what, callers) in ROUND.iter().copied() {
            if !what.label().contains(plan.matching) {
                continue;
            }
            scene.postgres.checkpoint().await?;
            let measured = scene.measure(what, callers).await?;
            let (label, rate) = (what.label(), measured.rate);
            eprintln!("  round {round}: {label}, {callers} callers: {rate:.0}/s");
            rates.entry((what, callers)).or_default().push(measured);
        }
    }
    Ok(rates)
}

impl<'a> Setup<'a> {
    async fn set(postgres: &'a mut Postgres, plan: &Plan<'_>) -> anyhow::Result<Self> {
        let (program, folder) = (plan.program, plan.folder);
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("echo");
        let echo = Process::start(command, folder, &["echo"])?;

        let database = postgres.make("meetings", "template0").await?;
        let databases = [("meetings", postgres.url(&database))];
        let home = Home::make(folder.join("rates"), &databases, plan.pool)?;
        home.migrate(program, "meetings")?;
        let bare = postgres.make("bare", &database).await?;
        let server = home.serve(program, &["meetings"])?;
        let meetings = Meetings::open(server.address("meetings")?, &home.token()?).await?;
        let create = statements::of(postgres, &database, async {
            meetings.create(0, office(0)).await.map(drop)
        })
        .await?;
        let get = statements::of(postgres, &database, meetings.get(0, 0)).await?;
        eprintln!("  CreateMeeting runs {} statement(s):", create.len());
        for statement in create.iter().chain(&get) {
            eprintln!("    {}", statement.sql);
        }
        Ok(Self {
            postgres,
            folder: folder.to_owned(),
            pace: plan.pace,
            echo,
            meetings,
            create: Script::create(&create),
            get: Script::get(&get),
            bare,
            runs: AtomicUsize::new(0),
            server,
        })
    }

    async fn measure(&self, what: What, callers: usize) -> anyhow::Result<Measured> {
        let (meetings, pace) = (self.meetings.clone(), self.pace);
        let processes = self.processes(&self.server);
        match what {
            What::Echo => self.echo(callers).await,
            What::PgbenchCreate => {
                let run = self.runs.fetch_add(1, Ordering::Relaxed);
                self.pgbench(&self.create, run, callers).await
            }
            What::PgbenchGet => self.pgbench(&self.get, 0, callers).await,
            What::CreateOneOffice => {
                let call = move |caller, _| {
                    let meetings = meetings.clone();
                    async move { meetings.create(caller, office(0)).await.map(drop) }
                };
                measure(callers, pace, processes, call).await
            }
            What::CreateManyOffices => {
                let call = move |caller, _| {
                    let meetings = meetings.clone();
                    async move { meetings.create(caller, office(caller)).await.map(drop) }
                };
                measure(callers, pace, processes, call).await
            }
            What::Get => {
                let call = move |caller, n| {
                    let meetings = meetings.clone();
                    async move { meetings.get(caller, n).await }
                };
                measure(callers, pace, processes, call).await
            }
            What::BookOneOffice | What::BookManyOffices => {
                let call = move |caller, _| {
                    let meetings = meetings.clone();
                    async move { meetings.book(caller, what == What::BookOneOffice).await }
                };
                measure(callers, pace, processes, call).await
            }
        }
    }

    fn processes(&self, service: &Process) -> Processes {
        Processes {
            service: Some(service.id()),
            database: self.postgres.process(),
        }
    }

    async fn echo(&self, callers: usize) -> anyhow::Result<Measured> {
        let channels: Arc<[_]> = calls::connect(self.echo.address("echo")?).await?.into();
        let name: Arc<str> = stored_meeting().name.into();
        let call = move |caller: usize, _| {
            let channel = channels.get(caller % channels.len()).cloned();
            let name = name.to_string();
            async move {
                let channel = channel.ok_or_else(|| anyhow::anyhow!("no connection"))?;
                EchoClient::new(channel)
                    .get(GetMeetingRequest { name })
                    .await?;
                Ok(())
            }
        };
        measure(callers, self.pace, self.processes(&self.echo), call).await
    }

    async fn pgbench(
        &self,
        script: &Script,
        run: usize,
        clients: usize,
    ) -> anyhow::Result<Measured> {
        let seconds = self.pace.measured.as_secs().max(1);
        script
            .run(
                self.postgres,
                &self.bare,
                &self.folder,
                (run, clients, seconds),
            )
            .await
    }
}
