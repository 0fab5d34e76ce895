//! SQLite on failing and full disks. Acknowledged writes survive a restart, the server keeps running,
//! and writes succeed again when the disk does.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use prost::Message;
use prost_types::Any;
use taizhang_contracts::Call;
use taizhang_contracts::batch::batch_service_client::BatchServiceClient;
use taizhang_contracts::batch::{BatchCall, BatchWriteRequest};
use taizhang_contracts::caller::Secret;
use taizhang_contracts::meetings::*;
use taizhang_ledger::Clock;
use taizhang_runtime::Config;
use tokio::task::block_in_place;
use tonic::Code;

use crate::harness::{Authorized, Bearer, OFFICE, Store, Suite, run_on};
use crate::records::*;
use crate::server::Server;

/// `errno` values of Linux.
const EIO: i32 = 5;
const ENOSPC: i32 = 28;

#[derive(Debug, Clone, Copy)]
enum Calls {
    None = 0,
    Writes = 1,
    Fsyncs = 2,
    Truncations = 3,
}

/// The fault that the shim injects: the layout of `struct fault` in disks/shim.c.
struct Fault(File);

impl Fault {
    /// `wait` calls succeed, then one fails, or all if `lasting`; error 0 is a short write.
    fn set(&self, calls: Calls, wait: i32, lasting: bool, error: i32) {
        let told = [calls as i32, wait, i32::from(lasting), error, 0];
        let told: Vec<u8> = told.iter().flat_map(|n| n.to_ne_bytes()).collect();
        self.0.write_all_at(&told, 0).unwrap();
    }

    fn clear(&self) {
        self.set(Calls::None, 0, false, 0);
    }

    /// The number of calls that failed since it was set.
    fn failed(&self) -> i32 {
        let mut failed = [0; 4];
        self.0.read_exact_at(&mut failed, 16).unwrap();
        i32::from_ne_bytes(failed)
    }
}

/// Compiles the shim into a folder.
fn shim(folder: &Path) -> PathBuf {
    let library = folder.join("shim.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/suite/disks/shim.c");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    assert!(built.expect("needs a C compiler, cc").success());
    library
}

/// A server and what it has acknowledged.
struct Office {
    api: Api,
    batches: BatchServiceClient<Authorized>,
    acknowledged: BTreeSet<String>,
    last: usize,
}

impl Office {
    fn of(server: &Server, config: &Config, token: &str) -> Self {
        let suite = Suite::elsewhere(config, server.addresses.clone());
        let bearer = Authorized::new(suite.channel("meetings"), Bearer::of(token).unwrap());
        Self {
            api: Api::with(&suite, token),
            batches: BatchServiceClient::new(bearer),
            acknowledged: BTreeSet::new(),
            last: 0,
        }
    }

    /// Creates a meeting; returns whether it was acknowledged.
    async fn create(&mut self) -> bool {
        self.last += 1;
        let id = format!("m{}", self.last);
        let request = CreateMeetingRequest {
            meeting_id: id.clone(),
            ..new_meeting(meeting(&id))
        };
        let created = self.api.create_meeting(request).await;
        if created.is_ok() {
            self.acknowledged.insert(id);
        }
        created.is_ok()
    }

    /// Asserts that a create with a taken id and a batch with a refused call are refused.
    async fn are_refused(&self) {
        let taken = || CreateMeetingRequest {
            meeting_id: "first".into(),
            ..new_meeting(meeting("taken"))
        };
        let refused = self.api.create_meeting(taken()).await.unwrap_err();
        assert_eq!(refused.code(), Code::AlreadyExists, "{refused:?}");
        let calls = [new_meeting(meeting("in a batch")), taken()].map(|request| BatchCall {
            method: CreateMeetingRequest::PATH.trim_start_matches('/').into(),
            request: Some(Any {
                type_url: format!("type.googleapis.com/{}", CreateMeetingRequest::MESSAGE),
                value: request.encode_to_vec(),
            }),
        });
        let batch = BatchWriteRequest {
            parent: OFFICE.into(),
            calls: calls.into(),
            ..Default::default()
        };
        let refused = self.batches.clone().batch_write(batch).await.unwrap_err();
        assert_eq!(refused.code(), Code::AlreadyExists, "{refused:?}");
    }
}

/// Writes during every kind of fault, then stops the server gracefully.
async fn write_on_a_failing_disk(office: &mut Office, fault: &Fault) {
    let first = CreateMeetingRequest {
        meeting_id: "first".into(),
        ..new_meeting(meeting("first"))
    };
    office.api.create_meeting(first).await.unwrap();
    let ways = [
        (Calls::Writes, EIO),
        (Calls::Writes, ENOSPC),
        (Calls::Writes, 0),
        (Calls::Fsyncs, EIO),
        (Calls::Truncations, EIO),
    ];
    for (calls, error) in ways {
        for wait in 0..12 {
            for lasting in [false, true] {
                fault.set(calls, wait, lasting, error);
                for _ in 0..6 {
                    office.create().await;
                }
                let failed = fault.failed();
                fault.clear();
                office.are_refused().await;
                assert!(office.create().await, "{calls:?} {error} {wait} {failed}");
            }
        }
    }
}

#[test]
fn acknowledged_writes_survive_failing_writes_and_fsyncs() {
    run_on(Store::Sqlite, async |databases| {
        let suite = Suite::start(databases).await;
        let (config, file, token) = (
            suite.config.clone(),
            suite.config_file(),
            suite.every_scope(),
        );
        suite.stop().await;
        let told = config.data.join("fault");
        std::fs::write(&told, [0; 20]).unwrap();
        let fault = Fault(
            OpenOptions::new()
                .read(true)
                .write(true)
                .open(&told)
                .unwrap(),
        );
        let library = shim(&config.data);
        let environment = [
            ("LD_PRELOAD", library.to_str().unwrap()),
            ("DISK_FAULT", told.to_str().unwrap()),
            ("TAIZHANG__TELEMETRY__LOG", "off"),
        ];
        let server = block_in_place(|| Server::start(&file, &environment));
        let mut office = Office::of(&server, &config, &token);
        write_on_a_failing_disk(&mut office, &fault).await;
        block_in_place(|| server.stop());
        all_is_there(&config, &office).await;
    });
}

/// A tmpfs in a mount namespace of its own.
struct FullDisk {
    holder: Child,
    _told: BufReader<std::process::ChildStdout>,
}

impl FullDisk {
    fn mount(at: &Path) -> Self {
        let mount = "mount -t tmpfs -o size=8m tmpfs \"$0\" && echo mounted && exec sleep infinity";
        let mut holder = Command::new("unshare")
            // Root within the namespace, whatever the user of the test.
            .args(["--mount", "--map-root-user", "sh", "-c", mount])
            .arg(at)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(holder.stdout.take().unwrap());
        let mut line = String::new();
        told.read_line(&mut line).unwrap();
        assert_eq!(line, "mounted\n", "needs to mount a tmpfs");
        Self {
            holder,
            _told: told,
        }
    }

    /// Runs a program on it.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--preserve-credentials", "--user", "--mount", "--target"])
            .args([&self.holder.id().to_string(), program]);
        command
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

#[test]
fn acknowledged_writes_survive_a_full_disk() {
    run_on(Store::Sqlite, async |databases| {
        let folder = databases.config.data.join("disk");
        std::fs::create_dir(&folder).unwrap();
        let mut config = databases.config.clone();
        let meetings = config.services.get_mut("meetings").unwrap();
        let url = format!("sqlite://{}/meetings.db", folder.display());
        meetings.database = Some(Secret(url));
        let suite = Suite::elsewhere(&config, Default::default());
        let (file, token) = (suite.config_file(), suite.every_scope());
        let disk = FullDisk::mount(&folder);
        let environment = [("TAIZHANG__TELEMETRY__LOG", "off")];
        let start = |file: &Path| Server::run(disk.command(Server::PROGRAM), file, &environment);
        let server = block_in_place(|| start(&file));
        let mut office = Office::of(&server, &config, &token);
        assert!(office.create().await);

        let fill = folder.join("fill");
        let fill = fill.to_str().unwrap();
        let dd = |count: &str| {
            let of = format!("of={fill}");
            let mut dd = disk.command("dd");
            dd.args(["if=/dev/zero", &of, "bs=4k", count, "status=none"])
                .stderr(Stdio::null());
            dd.status().unwrap()
        };
        let mut refused = 0;
        for _ in 0..3 {
            dd("count=100000");
            for _ in 0..200 {
                if !office.create().await {
                    refused += 1;
                }
                if refused % 5 == 4 {
                    break;
                }
            }
            refused += 1;
            let removed = disk.command("rm").arg(fill).status().unwrap();
            assert!(removed.success());
            for _ in 0..20 {
                assert!(office.create().await, "there is room again");
            }
        }
        assert!(refused > 3, "the disk was never full");
        block_in_place(|| server.stop());
        // The tmpfs is visible in its namespace only.
        let server = block_in_place(|| start(&file));
        let after = Office::of(&server, &config, &token);
        for id in &office.acknowledged {
            let name = format!("{OFFICE}/meetings/{id}");
            assert_eq!(after.api.get_meeting(&name).await.unwrap().title, *id);
        }
    });
}

/// Asserts that every acknowledged record is stored once, and that the databases are intact.
async fn all_is_there(config: &Config, office: &Office) {
    let suite = Suite::with(config, Clock::system()).await;
    let api = Api::of(&suite);
    assert!(office.acknowledged.len() > 100);
    for id in &office.acknowledged {
        let name = format!("{OFFICE}/meetings/{id}");
        let found = api.get_meeting(&name).await;
        assert!(
            found.is_ok(),
            "{id} was acknowledged and is lost: {found:?}"
        );
        assert_eq!(api.history(&name).await.len(), 1);
    }
    assert_eq!(suite.audit("meetings").await.findings, []);
    suite.stop().await;
}
