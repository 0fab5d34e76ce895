//! Lists and figures are read from a standby while its lag is small; everything else from the primary.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use taizhang::roles::ROLES;
use taizhang_contracts::caller::Secret;
use taizhang_contracts::common::Period;
use taizhang_contracts::date::instant;
use taizhang_contracts::meetings::*;
use taizhang_contracts::statistics::statistics_service_client::StatisticsServiceClient;
use taizhang_contracts::statistics::{
    GatherFiguresRequest, GatherFiguresResponse, ListEvidenceRequest,
};
use taizhang_ledger::Clock;

use crate::harness::{Databases, OFFICE, Suite};
use crate::records::*;

/// A PostgreSQL server of this test; stopped when dropped.
struct Server {
    folder: tempfile::TempDir,
    port: u16,
}

impl Server {
    fn new() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let folder = tempfile::tempdir().unwrap();
        if is_root() {
            let mut chown = Command::new("chown");
            chown.arg("postgres").arg(folder.path());
            assert!(chown.status().unwrap().success());
        }
        Self {
            folder,
            port: free.local_addr().unwrap().port(),
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn url(&self) -> String {
        format!("postgres://taizhang@127.0.0.1:{}", self.port)
    }

    /// Runs a program of PostgreSQL, which refuses to run as root.
    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let program = bin().join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        command
            .current_dir(self.folder.path())
            .args(arguments)
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        command.status().unwrap().success()
    }

    fn start(&self) {
        let data = self.data().display().to_string();
        let options = format!(
            "-p {} -k {} -c listen_addresses=127.0.0.1 -c max_connections=200",
            self.port,
            self.folder.path().display()
        );
        assert!(self.run("pg_ctl", &["-D", &data, "-w", "-o", &options, "start"]));
    }

    fn stop(&self) {
        let data = self.data().display().to_string();
        self.run("pg_ctl", &["-D", &data, "-w", "-m", "immediate", "stop"]);
    }

    fn primary() -> Self {
        let server = Self::new();
        let data = server.data().display().to_string();
        let init = [
            "-D",
            &data,
            "-U",
            "taizhang",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
        ];
        assert!(server.run("initdb", &init));
        server.start();
        server
    }

    fn standby_of(primary: &Self) -> Self {
        let server = Self::new();
        let data = server.data().display().to_string();
        let from = format!("host=127.0.0.1 port={} user=taizhang", primary.port);
        let copy = ["-D", &data, "-d", &from, "-R", "-X", "stream", "-c", "fast"];
        assert!(server.run("pg_basebackup", &copy));
        server.start();
        server
    }

    async fn ask(&self, sql: &str) -> bool {
        let database = sea_orm::Database::connect(format!("{}/postgres", self.url()))
            .await
            .unwrap();
        yes(&database, sql).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn yes(database: &DatabaseConnection, sql: &str) -> bool {
    let statement = Statement::from_string(database.get_database_backend(), sql);
    let row = database.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

/// The newest PostgreSQL that is installed.
fn bin() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is not installed");
    let newest = versions.map(|version| version.unwrap().path()).max();
    newest.unwrap().join("bin")
}

/// Waits until a condition is true.
async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !so().await {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn listed(api: &Api) -> usize {
    let request = ListMeetingsRequest {
        parent: OFFICE.into(),
        page_size: 100,
        ..Default::default()
    };
    let answer = api.meetings.clone().list_meetings(request).await.unwrap();
    answer.into_inner().meetings.len()
}

async fn gathered(suite: &Suite) -> GatherFiguresResponse {
    let request = GatherFiguresRequest {
        parent: OFFICE.into(),
        period: Some(Period::year(2022)),
        indicators: vec!["meetings_total".into()],
    };
    let mut source = StatisticsServiceClient::new(suite.authorized("meetings"));
    source.gather_figures(request).await.unwrap().into_inner()
}

async fn behind(suite: &Suite) -> usize {
    let request = ListEvidenceRequest {
        parent: OFFICE.into(),
        period: Some(Period::year(2022)),
        indicator: "meetings_total".into(),
        page_size: 100,
        ..Default::default()
    };
    let mut source = StatisticsServiceClient::new(suite.authorized("meetings"));
    let answer = source.list_evidence(request).await.unwrap();
    answer.into_inner().evidence.len()
}

#[test]
fn late_reads_use_a_replica_with_small_lag() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(lists_and_figures_come_from_the_replica());
}

async fn lists_and_figures_come_from_the_replica() {
    let primary = Server::primary();
    let mut databases = Databases::on(Some(primary.url())).await;
    let standby = Server::standby_of(&primary);
    for service in databases.config.services.values_mut() {
        let url = service.database.as_ref().unwrap().0.clone();
        let (_, name) = url.rsplit_once('/').unwrap();
        service.replica = Some(Secret(format!("{}/{name}", standby.url())));
    }
    let suite = Suite::start(&databases).await;
    let api = Api::of(&suite);
    let write = async |n: usize| {
        let meeting = past_meeting(&format!("例会{n}"), "2022-03-01T01:00:00Z");
        let made = api.create_meeting(new_meeting(meeting)).await.unwrap();
        let convene = ConveneMeetingRequest {
            name: made.name.clone(),
            ..Default::default()
        };
        let mut meetings = api.meetings.clone();
        meetings.convene_meeting(convene).await.unwrap();
        let hold = HoldMeetingRequest {
            name: made.name.clone(),
            ..Default::default()
        };
        meetings.hold_meeting(hold).await.unwrap();
        made.name
    };
    write(1).await;
    until("the replica is in sync", async || listed(&api).await == 1).await;
    until("the replica is read", async || {
        let taken = instant(&gathered(&suite).await.snapshot_time.unwrap()).unwrap();
        taken < Clock::system().now() - TimeDelta::milliseconds(20)
    })
    .await;

    // The replay is paused: lists, evidence and figures lag and say so; reads by name do not.
    let stopped = Clock::system().now();
    standby
        .ask("SELECT pg_wal_replay_pause() IS NOT NULL")
        .await;
    until("the replay is paused", async || {
        standby
            .ask("SELECT pg_get_wal_replay_pause_state() = 'paused'")
            .await
    })
    .await;
    let second = write(2).await;
    assert_eq!((listed(&api).await, behind(&suite).await), (1, 1));
    let figures = gathered(&suite).await;
    assert_eq!(figures.figures[0].value, 1);
    let taken = instant(&figures.snapshot_time.unwrap()).unwrap();
    assert!(taken < stopped + TimeDelta::seconds(2), "{taken} {stopped}");
    assert_eq!(api.get_meeting(&second).await.unwrap().title, "例会2");
    assert_eq!(api.history(&second).await.len(), 3);

    // Too far behind, it is not read any more.
    until("late reads go to the primary", async || {
        listed(&api).await == 2
    })
    .await;
    let figures = gathered(&suite).await;
    assert_eq!(figures.figures[0].value, 2);
    assert!(instant(&figures.snapshot_time.unwrap()).unwrap() > stopped);
    let waited = Clock::system().now() - stopped;
    assert!(waited > TimeDelta::seconds(8), "{waited}");

    // The replay is resumed, and it is read again.
    standby
        .ask("SELECT pg_wal_replay_resume() IS NOT NULL")
        .await;
    until("the replica is read again", async || {
        let taken = instant(&gathered(&suite).await.snapshot_time.unwrap()).unwrap();
        taken < Clock::system().now() - TimeDelta::milliseconds(20)
    })
    .await;
    assert_eq!((listed(&api).await, behind(&suite).await), (2, 2));

    // Without it everything is read from the primary.
    standby.stop();
    write(3).await;
    assert_eq!((listed(&api).await, behind(&suite).await), (3, 3));
    assert_eq!(gathered(&suite).await.figures[0].value, 3);
    for role in ROLES {
        assert_eq!(suite.audit(role.name).await.findings, [], "{}", role.name);
    }
    suite.stop().await;

    // A service starts without its replica too, but not with a wrong one.
    let suite = Suite::start(&databases).await;
    assert_eq!(listed(&Api::of(&suite)).await, 3);
    suite.stop().await;
    let meetings = databases.config.services["meetings"].database.clone();
    let service = databases.config.services.get_mut("supervision").unwrap();
    service.replica = meetings;
    let roles: Vec<_> = ROLES.iter().collect();
    let started = taizhang::suite::Suite::start(&databases.config, &roles, Clock::system()).await;
    let refused = format!("{:#}", started.err().unwrap());
    assert!(
        refused.contains("services.supervision.replica"),
        "{refused}"
    );
    databases.remove().await;
}
