//! The certificate authority of a deployment: it signs the certificates of the services, and of
//! callers that authenticate with one.

use std::fs;
use std::path::Path;

use anyhow::Context;
use chrono::{Datelike, Days, NaiveDate};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use taizhang_files::{Mode, create};
use taizhang_ledger::Clock;

/// How long the authority's certificate is valid, in days.
const AUTHORITY_DAYS: u64 = 3_650;
/// How long the certificates it signs are valid, in days: a year, and a month to renew them in.
const CERTIFICATE_DAYS: u64 = 396;

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A service: it serves, and calls other services.
    Service,
    /// A calling system: it only calls.
    Caller,
}

/// A certificate and its private key, in PEM.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// The authority whose certificate is `ca.pem` and whose key is `authority.key` in a folder.
pub(super) struct Authority(Issuer<'static, KeyPair>);

impl Authority {
    /// Makes an authority, its key and its certificate.
    ///
    /// # Errors
    /// If there is one already, or a file can't be written.
    pub(super) fn create(folder: &Path) -> anyhow::Result<Self> {
        let write = |name: &str, pem: &str, mode| {
            let file = folder.join(name);
            create(&file, pem.as_bytes(), mode).with_context(|| format!("file {}", file.display()))
        };
        let key = KeyPair::generate()?;
        write("authority.key", &key.serialize_pem(), Mode::Private)?;
        let issuer = CertifiedIssuer::self_signed(params()?, key)?;
        write("ca.pem", &issuer.pem(), Mode::Shared)?;
        Self::open(folder)
    }

    /// Reads the authority's key.
    ///
    /// # Errors
    /// If it can't be read.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join("authority.key");
        let pem = fs::read_to_string(&file).with_context(|| format!("file {}", file.display()))?;
        Ok(Self(Issuer::new(params()?, KeyPair::from_pem(&pem)?)))
    }

    /// Signs a certificate with a new key. The first name is its subject.
    ///
    /// # Errors
    /// If a name is neither a host name nor an IP address.
    pub(super) fn sign(&self, names: &[String], purpose: Purpose) -> anyhow::Result<Signed> {
        let mut params = CertificateParams::new(names)?;
        if let Some(first) = names.first() {
            params.distinguished_name.push(DnType::CommonName, first);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match purpose {
            Purpose::Service => vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ],
            Purpose::Caller => vec![ExtendedKeyUsagePurpose::ClientAuth],
        };
        params.use_authority_key_identifier_extension = true;
        valid_for(&mut params, CERTIFICATE_DAYS)?;
        let key = KeyPair::generate()?;
        Ok(Signed {
            certificate: params.signed_by(&key, &self.0)?.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// The authority's own parameters. All but the dates are the same each time, so that the issuer that
/// its certificates name is the subject of `ca.pem`.
fn params() -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "Taizhang authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(&mut params, AUTHORITY_DAYS)?;
    Ok(params)
}

/// Valid from yesterday, because clocks differ.
fn valid_for(params: &mut CertificateParams, days: u64) -> anyhow::Result<()> {
    let today = Clock::system().now().date_naive();
    let at = |day: Option<NaiveDate>| {
        let day = day.context("a day")?;
        let (month, of_month) = (u8::try_from(day.month())?, u8::try_from(day.day())?);
        anyhow::Ok(date_time_ymd(day.year(), month, of_month))
    };
    params.not_before = at(today.pred_opt())?;
    params.not_after = at(today.checked_add_days(Days::new(days)))?;
    Ok(())
}
