//! The administrator's side: the signing key, and the register of issued tokens.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use pasetors::keys::{AsymmetricKeyPair, AsymmetricPublicKey, AsymmetricSecretKey, Generate};
use pasetors::paserk::FormatAsPaserk;
use pasetors::version4::{PublicToken, V4};
use serde::{Deserialize, Serialize};
use taizhang_files::{self as files, Mode};

use super::claims::{Claims, Grant};
use super::error::IdentityError;
use super::revoked;

/// The folder `identity`: `signing.key`, `public.key`, `issued.jsonl` and `revoked`.
#[derive(Debug)]
pub struct Keyring {
    folder: PathBuf,
    key: AsymmetricSecretKey<V4>,
}

/// The entry of a token in the register, which does not have the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// The id of the token.
    pub id: String,
    /// The system that it was issued to.
    pub system: String,
    /// The ids of the offices.
    pub offices: Vec<String>,
    /// The scopes that it grants there.
    pub scopes: Vec<String>,
    /// When it was issued.
    pub issued: DateTime<Utc>,
    /// When it expires.
    pub expires: DateTime<Utc>,
    /// Whether it was revoked.
    #[serde(skip)]
    pub revoked: bool,
}

impl Keyring {
    /// Opens the folder; creates it and a key if there is none.
    ///
    /// # Errors
    /// If a file can't be read or written, or the key is malformed.
    pub fn open_or_create(folder: &Path) -> Result<Self, IdentityError> {
        files::private_folder(folder).map_err(IdentityError::file(folder))?;
        let _lock = files::lock(folder).map_err(IdentityError::file(folder))?;
        let path = folder.join("signing.key");
        if !path.exists() {
            let pair = AsymmetricKeyPair::<V4>::generate().map_err(|_| IdentityError::Signature)?;
            files::replace(&path, text_of(&pair.secret)?.as_bytes(), Mode::Private)
                .map_err(IdentityError::file(&path))?;
        }
        let text = fs::read_to_string(&path).map_err(IdentityError::file(&path))?;
        let key = AsymmetricSecretKey::try_from(text.trim())
            .map_err(|_| IdentityError::content(&path, "is not a PASERK k4.secret key"))?;

        // Derived at each start, so that it always belongs to the signing key.
        let path = folder.join("public.key");
        let public = AsymmetricPublicKey::try_from(&key).map_err(|_| IdentityError::Signature)?;
        let public = text_of(&public)?;
        if fs::read_to_string(&path).ok().as_ref() != Some(&public) {
            files::replace(&path, public.as_bytes(), Mode::Shared)
                .map_err(IdentityError::file(&path))?;
        }
        let path = folder.join("revoked");
        if !path.exists() {
            files::replace(&path, b"", Mode::Shared).map_err(IdentityError::file(&path))?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            key,
        })
    }

    /// Signs a token, and enters it into the register before it is returned.
    ///
    /// # Errors
    /// If the grant is malformed, or the register can't be written.
    #[expect(
        clippy::disallowed_methods,
        reason = "a token is dated by the machine's clock"
    )]
    pub fn issue(&self, grant: Grant) -> Result<String, IdentityError> {
        let claims = Claims::of(grant, Utc::now())?;
        let message = serde_json::to_vec(&claims).map_err(|_| IdentityError::Signature)?;
        let token = PublicToken::sign(&self.key, &message, None, None);
        let token = token.map_err(|_| IdentityError::Signature)?;
        let issued = Issued {
            id: claims.jti,
            system: claims.sub,
            offices: claims.offices,
            scopes: claims.scopes,
            issued: claims.iat,
            expires: claims.exp,
            revoked: false,
        };
        let line = serde_json::to_string(&issued).map_err(|_| IdentityError::Signature)?;
        self.append("issued.jsonl", &line)?;
        Ok(token)
    }

    /// All issued tokens, in the order of their issue.
    ///
    /// # Errors
    /// If the register or the list of revoked tokens can't be read.
    pub fn list(&self) -> Result<Vec<Issued>, IdentityError> {
        let path = self.folder.join("issued.jsonl");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(IdentityError::file(&path)(e)),
        };
        let revoked = self.revoked()?;
        let issued = text.lines().enumerate().filter_map(|(i, line)| {
            let parsed = serde_json::from_str::<Issued>(line);
            if let Err(cause) = &parsed {
                // A crash can cut a line short; its token was never returned.
                tracing::warn!(line = i + 1, %cause, "the register of tokens has a malformed line");
            }
            parsed.ok()
        });
        Ok(issued
            .map(|i| Issued {
                revoked: revoked.contains(&i.id),
                ..i
            })
            .collect())
    }

    /// Revokes a token. Services refuse it within seconds. Revoking it again has no effect.
    ///
    /// # Errors
    /// If no such token was issued, or the list can't be written.
    pub fn revoke(&self, id: &str) -> Result<(), IdentityError> {
        match self.list()?.iter().find(|i| i.id == id) {
            None => Err(IdentityError::UnknownToken(id.to_owned())),
            Some(issued) if issued.revoked => Ok(()),
            Some(_) => self.append("revoked", id),
        }
    }

    fn revoked(&self) -> Result<HashSet<String>, IdentityError> {
        let path = self.folder.join("revoked");
        revoked::read(&path).map_err(IdentityError::file(&path))
    }

    fn append(&self, name: &str, line: &str) -> Result<(), IdentityError> {
        let _lock = files::lock(&self.folder).map_err(IdentityError::file(&self.folder))?;
        let path = self.folder.join(name);
        files::append_line(&path, line).map_err(IdentityError::file(&path))
    }
}

/// A key in the format of its file (PASERK).
fn text_of(key: &impl FormatAsPaserk) -> Result<String, IdentityError> {
    let mut text = String::new();
    key.fmt(&mut text).map_err(|_| IdentityError::Signature)?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use taizhang_contracts::Office;

    fn grant() -> Grant {
        Grant {
            system: "township-portal".into(),
            offices: vec![Office::from_id("demo").unwrap()],
            scopes: vec!["meetings.read".into()],
            valid_for: TimeDelta::days(365),
        }
    }

    #[test]
    fn a_keyring_keeps_its_key_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("data/identity");
        let first = Keyring::open_or_create(&folder).unwrap();
        assert_eq!(first.list().unwrap(), []);
        let second = Keyring::open_or_create(&folder).unwrap();
        assert_eq!(first.key, second.key);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&folder), 0o700);
            assert_eq!(mode(&folder.join("signing.key")), 0o600);
        }
        fs::remove_file(folder.join("public.key")).unwrap();
        Keyring::open_or_create(&folder).unwrap();
        assert!(folder.join("public.key").exists());
        fs::write(folder.join("signing.key"), "k4.secret.short").unwrap();
        let error = Keyring::open_or_create(&folder).unwrap_err();
        assert!(error.to_string().contains("signing.key"), "{error}");
    }

    #[test]
    fn the_register_lists_tokens_without_the_tokens_themselves() {
        let folder = tempfile::tempdir().unwrap();
        let keyring = Keyring::open_or_create(folder.path()).unwrap();
        let token = keyring.issue(grant()).unwrap();
        keyring.issue(grant()).unwrap();
        let text = fs::read_to_string(folder.path().join("issued.jsonl")).unwrap();
        assert!(!text.contains("v4.public.") && !text.contains(&token[10..40]));

        let listed = keyring.list().unwrap();
        assert_eq!(listed.len(), 2);
        assert_eq!(listed[0].system, "township-portal");
        assert!(!listed[0].revoked);

        keyring.revoke(&listed[0].id).unwrap();
        keyring.revoke(&listed[0].id).unwrap();
        let listed = keyring.list().unwrap();
        assert!(listed[0].revoked && !listed[1].revoked);
        let lines = fs::read_to_string(folder.path().join("revoked")).unwrap();
        assert_eq!(lines, format!("{}\n", listed[0].id));
        assert!(matches!(
            keyring.revoke("nobody"),
            Err(IdentityError::UnknownToken(_))
        ));
    }

    #[test]
    fn a_line_cut_short_does_not_affect_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let keyring = Keyring::open_or_create(folder.path()).unwrap();
        fs::write(folder.path().join("issued.jsonl"), "{\"id\":\"cut").unwrap();
        keyring.issue(grant()).unwrap();
        assert_eq!(keyring.list().unwrap().len(), 1);
    }
}
