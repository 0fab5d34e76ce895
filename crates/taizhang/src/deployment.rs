//! The folder of a deployment in containers: keys, certificates, passwords, settings.
//!
//! Compose mounts secrets as files, with their owner and mode, and the containers run as users of
//! their own. So what a container needs is readable by all, within a folder that only its owner
//! can enter.

mod authority;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chrono::TimeDelta;
use taizhang_contracts::Office;
use taizhang_files::{Mode, append_line, overwrite, private_folder, secret};
use taizhang_runtime::identity::{Grant, Keyring};

use crate::key::LEDGER_KEY;
use crate::roles::{ROLES, Role, scopes};
use authority::{Authority, Purpose, Signed};

/// What the folder contains.
const FILES: [&str; 4] = [".env", "taizhang.toml", "administrator.token", "secrets"];

/// The folder of a deployment.
#[derive(Debug)]
pub struct Deployment(PathBuf);

impl Deployment {
    /// The deployment in this folder, as it is.
    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Makes every file that the suite needs. Overwrites nothing.
    ///
    /// # Errors
    /// If one of them exists already, or can't be written.
    pub fn create(path: PathBuf, hosts: &[String], offices: Vec<Office>) -> anyhow::Result<Self> {
        let deployment = Self(path);
        for file in FILES {
            let file = deployment.0.join(file);
            if file.symlink_metadata().is_ok() {
                bail!("{} exists already; nothing was changed", file.display());
            }
        }
        fs::create_dir_all(&deployment.0)
            .with_context(|| format!("folder {}", deployment.0.display()))?;
        let secrets = deployment.secrets();
        private_folder(&secrets)?;

        secret::create(&secrets.join(LEDGER_KEY), Mode::Shared)?;
        let keyring = Keyring::open_or_create(&secrets.join("identity"))?;

        create(&secrets.join("hosts"), &lines(hosts), Mode::Shared)?;
        let authority = Authority::create(&secrets)?;
        let superuser = format!("{}\n", secret::generate()?);
        create(&secrets.join("postgres.password"), &superuser, Mode::Shared)?;
        let nobody = "REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;\n";
        create(&secrets.join("databases.sql"), nobody, Mode::Shared)?;
        for role in ROLES {
            deployment.add_service(&authority, role)?;
        }

        let token = keyring.issue(Grant {
            system: "administrator".into(),
            offices,
            scopes: scopes().into_iter().collect(),
            valid_for: TimeDelta::days(365),
        })?;
        let token = format!("{token}\n");
        create(
            &deployment.0.join("administrator.token"),
            &token,
            Mode::Private,
        )?;
        let settings = include_str!("deployment/taizhang.toml");
        create(&deployment.0.join("taizhang.toml"), settings, Mode::Shared)?;
        let environment = concat!(
            include_str!("deployment/env"),
            "TAIZHANG_IMAGE=taizhang:",
            env!("CARGO_PKG_VERSION"),
            "\n"
        );
        create(&deployment.0.join(".env"), environment, Mode::Shared)?;
        Ok(deployment)
    }

    /// Makes the files of the services that the deployment does not have yet, and touches no other.
    /// Returns those services, each with the file of SQL that PostgreSQL has to run for it.
    ///
    /// # Errors
    /// If the folder is no deployment, or a file can't be written.
    pub fn add(&self) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
        let authority = Authority::open(&self.secrets())?;
        let mut added = Vec::new();
        for role in ROLES.iter().filter(|role| !self.url(role).is_file()) {
            let sql = self.add_service(&authority, role)?;
            let file = self.secrets().join(format!("{}.sql", role.name));
            create(&file, &sql, Mode::Private)?;
            added.push((role.name, file));
        }
        Ok(added)
    }

    /// Renews the certificates of all services, for the names in `secrets/hosts`.
    ///
    /// # Errors
    /// If a name is malformed, or a file can't be read or written.
    pub fn renew(&self) -> anyhow::Result<()> {
        let authority = Authority::open(&self.secrets())?;
        for role in ROLES {
            let signed = self.sign(&authority, role)?;
            // A container sees the file that was mounted, not one that takes its name.
            for (file, pem) in [
                (self.certificate(role), signed.certificate),
                (self.key(role), signed.key),
            ] {
                overwrite(&file, pem.as_bytes()).with_context(|| in_file(&file))?;
            }
        }
        Ok(())
    }

    /// Signs a client certificate for a calling system: `NAME.pem` and `NAME.key` in `callers`.
    /// Returns the certificate's file.
    ///
    /// # Errors
    /// If the name is malformed or has a certificate, or a file can't be written.
    pub fn issue_to_caller(&self, name: &str) -> anyhow::Result<PathBuf> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.chars().all(plain) {
            bail!("{name:?} is not a valid name: use lower-case letters, digits and hyphens");
        }
        let authority = Authority::open(&self.secrets())?;
        let signed = authority.sign(&[name.to_owned()], Purpose::Caller)?;
        let callers = self.0.join("callers");
        private_folder(&callers)?;
        create(
            &callers.join(format!("{name}.key")),
            &signed.key,
            Mode::Private,
        )?;
        let certificate = callers.join(format!("{name}.pem"));
        create(&certificate, &signed.certificate, Mode::Shared)?;
        Ok(certificate)
    }

    /// Makes a service's certificate, and a database role whose database no other role can enter.
    /// Returns the SQL that makes that role; PostgreSQL runs `databases.sql` when it first starts.
    fn add_service(&self, authority: &Authority, role: &Role) -> anyhow::Result<String> {
        let signed = self.sign(authority, role)?;
        create(&self.certificate(role), &signed.certificate, Mode::Shared)?;
        create(&self.key(role), &signed.key, Mode::Shared)?;
        let (name, password) = (role.name, secret::generate()?);
        let sql = format!(
            "CREATE ROLE {name} LOGIN PASSWORD '{password}';\n\
             CREATE DATABASE {name} OWNER {name};\n\
             REVOKE ALL ON DATABASE {name} FROM PUBLIC;\n"
        );
        let databases = self.secrets().join("databases.sql");
        append_line(&databases, sql.trim_end()).with_context(|| in_file(&databases))?;
        let url = format!("postgres://{name}:{password}@postgres/{name}\n");
        create(&self.url(role), &url, Mode::Shared)?;
        Ok(sql)
    }

    /// Signs a service's certificate: for its name among the containers, and for the machine's names.
    fn sign(&self, authority: &Authority, role: &Role) -> anyhow::Result<Signed> {
        let file = self.secrets().join("hosts");
        let hosts = fs::read_to_string(&file).with_context(|| in_file(&file))?;
        let names: Vec<String> = [role.name, "localhost", "127.0.0.1"]
            .into_iter()
            .chain(hosts.lines().map(str::trim).filter(|l| !l.is_empty()))
            .map(str::to_owned)
            .collect();
        authority.sign(&names, Purpose::Service)
    }

    fn secrets(&self) -> PathBuf {
        self.0.join("secrets")
    }

    fn certificate(&self, role: &Role) -> PathBuf {
        self.secrets().join(format!("{}.pem", role.name))
    }

    fn url(&self, role: &Role) -> PathBuf {
        self.secrets().join(format!("{}.url", role.name))
    }

    fn key(&self, role: &Role) -> PathBuf {
        self.secrets().join(format!("{}.key", role.name))
    }
}

/// Writes a file that must not exist yet.
fn create(path: &Path, text: &str, mode: Mode) -> anyhow::Result<()> {
    taizhang_files::create(path, text.as_bytes(), mode).with_context(|| in_file(path))
}

fn in_file(path: &Path) -> String {
    format!("file {}", path.display())
}

fn lines(texts: &[String]) -> String {
    texts.iter().map(|text| format!("{text}\n")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn created() -> (tempfile::TempDir, Deployment) {
        let temporary = tempfile::tempdir().unwrap();
        let office = Office::from_id("demo").unwrap();
        let hosts = ["ledger.example".to_owned(), "192.0.2.7".to_owned()];
        let deployment =
            Deployment::create(temporary.path().join("office"), &hosts, vec![office]).unwrap();
        (temporary, deployment)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn secrets_of_containers_are_readable_in_a_private_folder() {
        let (_temporary, deployment) = created();
        let secrets = deployment.secrets();
        assert_eq!(mode(&secrets), 0o700);
        let mut shared = vec!["ledger.key", "ca.pem", "postgres.password", "databases.sql"];
        shared.extend(["identity/public.key", "identity/revoked"]);
        for name in shared {
            assert_eq!(mode(&secrets.join(name)), 0o644, "{name}");
        }
        for role in ROLES {
            assert_eq!(mode(&deployment.certificate(role)), 0o644);
            assert_eq!(mode(&deployment.key(role)), 0o644);
        }
        for name in ["authority.key", "identity/signing.key"] {
            assert_eq!(mode(&secrets.join(name)), 0o600, "{name}");
        }
        assert_eq!(mode(&deployment.0.join("administrator.token")), 0o600);
    }

    #[test]
    fn each_service_has_a_database_and_a_password_of_its_own() {
        let (_temporary, deployment) = created();
        let sql = fs::read_to_string(deployment.secrets().join("databases.sql")).unwrap();
        let mut passwords = std::collections::BTreeSet::new();
        for role in ROLES {
            let name = role.name;
            let url = fs::read_to_string(deployment.secrets().join(format!("{name}.url"))).unwrap();
            let password = url
                .trim()
                .strip_prefix(&format!("postgres://{name}:"))
                .and_then(|url| url.strip_suffix(&format!("@postgres/{name}")))
                .unwrap()
                .to_owned();
            assert_eq!(password.len(), 64);
            assert!(sql.contains(&format!("CREATE ROLE {name} LOGIN PASSWORD '{password}';")));
            assert!(sql.contains(&format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC;")));
            assert!(passwords.insert(password));
        }
    }

    #[test]
    fn create_overwrites_nothing() {
        for file in FILES {
            let temporary = tempfile::tempdir().unwrap();
            let path = temporary.path().join(file);
            fs::write(&path, "mine").unwrap();
            let error =
                Deployment::create(temporary.path().to_owned(), &[], Vec::new()).unwrap_err();
            assert!(error.to_string().contains(file), "{error}");
            assert_eq!(fs::read_to_string(path).unwrap(), "mine");
            assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn add_makes_the_files_of_new_services_only() {
        let (_temporary, deployment) = created();
        let secrets = deployment.secrets();
        let text = |name: &str| fs::read_to_string(secrets.join(name)).unwrap();
        let all = || {
            let files = fs::read_dir(&secrets).unwrap().map(|f| f.unwrap().path());
            let files = files.filter(|f| f.is_file() && !f.ends_with("databases.sql"));
            let texts = files.map(|f| (f.clone(), fs::read_to_string(f).unwrap()));
            texts.collect::<std::collections::BTreeMap<_, _>>()
        };
        assert!(deployment.add().unwrap().is_empty());

        // A deployment that was made before the last service existed.
        let new = ROLES.last().unwrap();
        for file in [
            deployment.url(new),
            deployment.certificate(new),
            deployment.key(new),
        ] {
            fs::remove_file(file).unwrap();
        }
        let complete = text("databases.sql");
        let (old, _) = complete
            .split_once(&format!("CREATE ROLE {} ", new.name))
            .unwrap();
        fs::write(secrets.join("databases.sql"), old).unwrap();
        let before = all();

        let file = secrets.join(format!("{}.sql", new.name));
        assert_eq!(deployment.add().unwrap(), [(new.name, file.clone())]);
        let mut after = all();
        after.retain(|file, _| before.contains_key(file));
        assert_eq!(before, after);
        let sql = fs::read_to_string(&file).unwrap();
        assert_eq!(text("databases.sql"), format!("{old}{sql}"));
        assert_eq!(mode(&file), 0o600);
        let url = text(&format!("{}.url", new.name));
        let password = url.split([':', '@']).nth(2).unwrap();
        assert!(sql.contains(&format!("LOGIN PASSWORD '{password}';")));
        assert_eq!(mode(&deployment.certificate(new)), 0o644);
        assert!(deployment.add().unwrap().is_empty());

        let elsewhere = tempfile::tempdir().unwrap();
        assert!(Deployment::at(elsewhere.path().to_owned()).add().is_err());
    }

    #[test]
    fn renew_writes_certificates_in_place() {
        use std::os::unix::fs::MetadataExt;
        let (_temporary, deployment) = created();
        let file = deployment.certificate(&ROLES[0]);
        let (inode, text) = (
            fs::metadata(&file).unwrap().ino(),
            fs::read_to_string(&file).unwrap(),
        );
        deployment.renew().unwrap();
        assert_eq!(fs::metadata(&file).unwrap().ino(), inode);
        assert_ne!(fs::read_to_string(&file).unwrap(), text);
        assert_eq!(mode(&file), 0o644);
    }

    #[test]
    fn a_caller_gets_one_certificate() {
        let (_temporary, deployment) = created();
        let certificate = deployment.issue_to_caller("township-portal").unwrap();
        assert_eq!(mode(&certificate.with_extension("key")), 0o600);
        assert!(deployment.issue_to_caller("township-portal").is_err());
        for bad in ["", "../ca", "a b", "Ä"] {
            assert!(deployment.issue_to_caller(bad).is_err(), "{bad}");
        }
    }
}
