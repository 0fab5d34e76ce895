//! Runs the program in a process of its own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use taizhang::roles::ROLES;

/// A process that serves all services; killed when dropped.
pub struct Server {
    process: Child,
    // RecordMethods open, so that the server can go on writing to it.
    _told: BufReader<ChildStdout>,
    pub addresses: BTreeMap<&'static str, SocketAddr>,
}

impl Server {
    pub const PROGRAM: &str = env!("CARGO_BIN_EXE_taizhang");

    /// Starts it with environment variables, and waits until it has printed the address of each
    /// service.
    pub fn start(config: &Path, environment: &[(&str, &str)]) -> Self {
        Self::run(Command::new(Self::PROGRAM), config, environment)
    }

    /// Starts it by a command, to which its arguments are added.
    pub fn run(mut command: Command, config: &Path, environment: &[(&str, &str)]) -> Self {
        let mut process = command
            .args(["serve", "--config"])
            .arg(config)
            .env("TAIZHANG__TELEMETRY__LOG", "error")
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(process.stdout.take().unwrap());
        let mut addresses = BTreeMap::new();
        while addresses.len() < ROLES.len() {
            let mut line = String::new();
            assert!(
                told.read_line(&mut line).unwrap() > 0,
                "the server exited during startup"
            );
            if let Some((name, address)) = line.trim_end().split_once(" listens on ") {
                let role = ROLES.iter().find(|role| role.name == name).unwrap();
                addresses.insert(role.name, address.parse().unwrap());
            }
        }
        Self {
            process,
            _told: told,
            addresses,
        }
    }

    /// Sends SIGTERM and waits for its graceful exit.
    pub fn stop(mut self) {
        let id = self.process.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(told.success());
        assert!(self.process.wait().unwrap().success());
    }

    /// Sends SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
