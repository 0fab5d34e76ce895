//! The folder of an office that runs the suite in containers: keys, certificates, passwords.
//!
//! Compose mounts secrets as files, with their owner and mode, and the containers run as users of
//! their own. So what a container needs is readable by all, within a folder that only its owner
//! can enter.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chrono::TimeDelta;
use taizhang_contracts::Office;
use taizhang_runtime::identity::{Grant, Keyring};

use crate::authority::{Authority, Signed, Whose};
use crate::key;
use crate::roles::{ROLES, Role, scopes};

/// The mode of what a container reads.
pub(crate) const SHARED: u32 = 0o644;
/// The mode of what only the administrator reads.
pub(crate) const SECRET: u32 = 0o600;

/// What stands in the folder itself.
const FILES: [&str; 4] = [".env", "taizhang.toml", "administrator.token", "secrets"];

/// The folder.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at this path, as it is.
    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Makes everything that the suite needs. Overwrites nothing.
    ///
    /// # Errors
    /// If something is there already, or can't be made.
    pub fn create(path: PathBuf, hosts: &[String], offices: Vec<Office>) -> anyhow::Result<Self> {
        let folder = Self(path);
        for file in FILES {
            let file = folder.0.join(file);
            if file.symlink_metadata().is_ok() {
                bail!("{} is there already; nothing was changed", file.display());
            }
        }
        fs::create_dir_all(&folder.0).with_context(|| format!("folder {}", folder.0.display()))?;
        let secrets = folder.secrets();
        DirBuilder::new().mode(0o700).create(&secrets)?;

        key::open_or_create(&secrets)?;
        fs::set_permissions(secrets.join("ledger.key"), Permissions::from_mode(SHARED))?;
        let keyring = Keyring::open_or_create(&secrets.join("identity"))?;

        write_new(&secrets.join("hosts"), &lines(hosts), SHARED)?;
        let authority = Authority::create(&secrets)?;
        let superuser = format!("{}\n", password()?);
        write_new(&secrets.join("postgres.password"), &superuser, SHARED)?;
        let nobody = "REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;\n";
        write_new(&secrets.join("databases.sql"), nobody, SHARED)?;
        for role in ROLES {
            folder.enrol(&authority, role)?;
        }

        let token = keyring.issue(Grant {
            system: "administrator".into(),
            offices,
            scopes: scopes().into_iter().collect(),
            valid_for: TimeDelta::days(365),
        })?;
        let token = format!("{token}\n");
        write_new(&folder.0.join("administrator.token"), &token, SECRET)?;
        let settings = include_str!("folder/taizhang.toml");
        write_new(&folder.0.join("taizhang.toml"), settings, SHARED)?;
        let environment = concat!(
            include_str!("folder/env"),
            "TAIZHANG_IMAGE=taizhang:",
            env!("CARGO_PKG_VERSION"),
            "\n"
        );
        write_new(&folder.0.join(".env"), environment, SHARED)?;
        Ok(folder)
    }

    /// Makes what services need that the folder does not know yet, and touches nothing else. Returns
    /// them, each with the file of what PostgreSQL has to run for it.
    ///
    /// # Errors
    /// If this is no such folder, or a file can't be written.
    pub fn add(&self) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
        let authority = Authority::open(&self.secrets())?;
        let mut added = Vec::new();
        for role in ROLES.iter().filter(|role| !self.url(role).is_file()) {
            let sql = self.enrol(&authority, role)?;
            let file = self.secrets().join(format!("{}.sql", role.name));
            write_new(&file, &sql, SECRET)?;
            added.push((role.name, file));
        }
        Ok(added)
    }

    /// Signs the certificates of all services anew, for the names in `secrets/hosts`.
    ///
    /// # Errors
    /// If a name is bad, or a file can't be read or written.
    pub fn renew(&self) -> anyhow::Result<()> {
        let authority = Authority::open(&self.secrets())?;
        for role in ROLES {
            let signed = self.sign(&authority, role)?;
            // Written in place: a container sees the file that was mounted, not one put over it.
            fs::write(self.certificate(role), signed.certificate)?;
            fs::write(self.key(role), signed.key)?;
        }
        Ok(())
    }

    /// Signs a certificate with which a calling system shows who it is: `NAME.pem` and `NAME.key`
    /// in `callers`.
    ///
    /// # Errors
    /// If the name is bad, there is one already, or a file can't be written.
    pub fn caller(&self, name: &str) -> anyhow::Result<PathBuf> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.chars().all(plain) {
            bail!("{name:?} is no name: lower-case letters, digits and hyphens");
        }
        let authority = Authority::open(&self.secrets())?;
        let signed = authority.sign(&[name.to_owned()], Whose::Caller)?;
        let callers = self.0.join("callers");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&callers)?;
        write_new(&callers.join(format!("{name}.key")), &signed.key, SECRET)?;
        let certificate = callers.join(format!("{name}.pem"));
        write_new(&certificate, &signed.certificate, SHARED)?;
        Ok(certificate)
    }

    /// A certificate for a service, and a role with a database that only it can enter. Returns what
    /// PostgreSQL has to run; it does so by itself on its first start.
    fn enrol(&self, authority: &Authority, role: &Role) -> anyhow::Result<String> {
        let signed = self.sign(authority, role)?;
        write_new(&self.certificate(role), &signed.certificate, SHARED)?;
        write_new(&self.key(role), &signed.key, SHARED)?;
        let (name, password) = (role.name, password()?);
        let sql = format!(
            "CREATE ROLE {name} LOGIN PASSWORD '{password}';\n\
             CREATE DATABASE {name} OWNER {name};\n\
             REVOKE ALL ON DATABASE {name} FROM PUBLIC;\n"
        );
        let databases = self.secrets().join("databases.sql");
        OpenOptions::new()
            .append(true)
            .open(&databases)
            .and_then(|mut file| file.write_all(sql.as_bytes()))
            .with_context(|| format!("file {}", databases.display()))?;
        let url = format!("postgres://{name}:{password}@postgres/{name}\n");
        write_new(&self.url(role), &url, SHARED)?;
        Ok(sql)
    }

    /// A certificate for a service: among containers it has its own name, elsewhere the machine's.
    fn sign(&self, authority: &Authority, role: &Role) -> anyhow::Result<Signed> {
        let file = self.secrets().join("hosts");
        let hosts =
            fs::read_to_string(&file).with_context(|| format!("file {}", file.display()))?;
        let names: Vec<String> = [role.name, "localhost", "127.0.0.1"]
            .into_iter()
            .chain(hosts.lines().map(str::trim).filter(|l| !l.is_empty()))
            .map(str::to_owned)
            .collect();
        authority.sign(&names, Whose::Service)
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

/// Writes a file that is not there yet.
pub(crate) fn write_new(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let written = options
        .open(path)
        // The umask may have taken something from the mode.
        .and_then(|file| {
            file.set_permissions(Permissions::from_mode(mode))
                .map(|()| file)
        })
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| format!("file {}", path.display()))
}

fn lines(texts: &[String]) -> String {
    texts.iter().map(|text| format!("{text}\n")).collect()
}

/// 256 random bits.
fn password() -> anyhow::Result<String> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|e| anyhow::anyhow!("random numbers: {e}"))?;
    Ok(hex::encode(secret))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn created() -> (tempfile::TempDir, Folder) {
        let temporary = tempfile::tempdir().unwrap();
        let office = Office::from_id("demo").unwrap();
        let hosts = ["ledger.example".to_owned(), "192.0.2.7".to_owned()];
        let folder = Folder::create(temporary.path().join("office"), &hosts, vec![office]).unwrap();
        (temporary, folder)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_a_container_reads_is_readable_in_a_private_folder() {
        let (_temporary, folder) = created();
        let secrets = folder.secrets();
        assert_eq!(mode(&secrets), 0o700);
        let mut shared = vec!["ledger.key", "ca.pem", "postgres.password", "databases.sql"];
        shared.extend(["identity/public.key", "identity/revoked"]);
        for name in shared {
            assert_eq!(mode(&secrets.join(name)), 0o644, "{name}");
        }
        for role in ROLES {
            assert_eq!(mode(&folder.certificate(role)), 0o644);
            assert_eq!(mode(&folder.key(role)), 0o644);
        }
        for name in ["authority.key", "identity/signing.key"] {
            assert_eq!(mode(&secrets.join(name)), 0o600, "{name}");
        }
        assert_eq!(mode(&folder.0.join("administrator.token")), 0o600);
    }

    #[test]
    fn each_service_has_a_database_and_a_password_of_its_own() {
        let (_temporary, folder) = created();
        let sql = fs::read_to_string(folder.secrets().join("databases.sql")).unwrap();
        let mut passwords = std::collections::BTreeSet::new();
        for role in ROLES {
            let name = role.name;
            let url = fs::read_to_string(folder.secrets().join(format!("{name}.url"))).unwrap();
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
    fn nothing_is_overwritten() {
        for file in FILES {
            let temporary = tempfile::tempdir().unwrap();
            let path = temporary.path().join(file);
            fs::write(&path, "mine").unwrap();
            let error = Folder::create(temporary.path().to_owned(), &[], Vec::new()).unwrap_err();
            assert!(error.to_string().contains(file), "{error}");
            assert_eq!(fs::read_to_string(path).unwrap(), "mine");
            assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn only_a_service_that_is_new_is_added() {
        let (_temporary, folder) = created();
        let secrets = folder.secrets();
        let text = |name: &str| fs::read_to_string(secrets.join(name)).unwrap();
        let all = || {
            let files = fs::read_dir(&secrets).unwrap().map(|f| f.unwrap().path());
            let files = files.filter(|f| f.is_file() && !f.ends_with("databases.sql"));
            let texts = files.map(|f| (f.clone(), fs::read_to_string(f).unwrap()));
            texts.collect::<std::collections::BTreeMap<_, _>>()
        };
        assert!(folder.add().unwrap().is_empty());

        // As a folder that was made before there was the last service.
        let new = ROLES.last().unwrap();
        for file in [folder.url(new), folder.certificate(new), folder.key(new)] {
            fs::remove_file(file).unwrap();
        }
        let complete = text("databases.sql");
        let (old, _) = complete
            .split_once(&format!("CREATE ROLE {} ", new.name))
            .unwrap();
        fs::write(secrets.join("databases.sql"), old).unwrap();
        let before = all();

        let file = secrets.join(format!("{}.sql", new.name));
        assert_eq!(folder.add().unwrap(), [(new.name, file.clone())]);
        let mut after = all();
        after.retain(|file, _| before.contains_key(file));
        assert_eq!(before, after);
        let sql = fs::read_to_string(&file).unwrap();
        assert_eq!(text("databases.sql"), format!("{old}{sql}"));
        assert_eq!(mode(&file), 0o600);
        let url = text(&format!("{}.url", new.name));
        let password = url.split([':', '@']).nth(2).unwrap();
        assert!(sql.contains(&format!("LOGIN PASSWORD '{password}';")));
        assert_eq!(mode(&folder.certificate(new)), 0o644);
        assert!(folder.add().unwrap().is_empty());

        let elsewhere = tempfile::tempdir().unwrap();
        assert!(Folder::at(elsewhere.path().to_owned()).add().is_err());
    }

    #[test]
    fn a_renewed_certificate_takes_the_place_of_the_old_in_the_same_file() {
        use std::os::unix::fs::MetadataExt;
        let (_temporary, folder) = created();
        let file = folder.certificate(&ROLES[0]);
        let (inode, text) = (
            fs::metadata(&file).unwrap().ino(),
            fs::read_to_string(&file).unwrap(),
        );
        folder.renew().unwrap();
        assert_eq!(fs::metadata(&file).unwrap().ino(), inode);
        assert_ne!(fs::read_to_string(&file).unwrap(), text);
        assert_eq!(mode(&file), 0o644);
    }

    #[test]
    fn a_caller_has_one_certificate() {
        let (_temporary, folder) = created();
        let certificate = folder.caller("township-portal").unwrap();
        assert_eq!(mode(&certificate.with_extension("key")), 0o600);
        assert!(folder.caller("township-portal").is_err());
        for bad in ["", "../ca", "a b", "Ä"] {
            assert!(folder.caller(bad).is_err(), "{bad}");
        }
    }
}
