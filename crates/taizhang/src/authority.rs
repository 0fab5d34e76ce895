//! A certificate authority of the office's own: signs the certificates of the services, and of
//! callers that show one.

use std::fs;
use std::path::Path;

use anyhow::Context;
use chrono::{Datelike, Days, NaiveDate};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use taizhang_ledger::Clock;

use crate::folder::{SECRET, SHARED, write_new};

/// How long the authority lasts, in days.
const AUTHORITY_DAYS: u64 = 3_650;
/// How long a certificate lasts, in days: a year, and a month to renew it in.
const CERTIFICATE_DAYS: u64 = 396;

/// Who shows a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// A service, which also calls others.
    Service,
    /// A calling system.
    Caller,
}

/// A certificate and its private key, in PEM.
#[derive(Debug)]
pub struct Signed {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

/// The authority of one folder: its certificate is `ca.pem`, its key `authority.key`.
pub struct Authority(Issuer<'static, KeyPair>);

impl Authority {
    /// Makes an authority.
    ///
    /// # Errors
    /// If there is one, or a file can't be written.
    pub fn create(folder: &Path) -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        write_new(&folder.join("authority.key"), &key.serialize_pem(), SECRET)?;
        let made = CertifiedIssuer::self_signed(params()?, key)?;
        write_new(&folder.join("ca.pem"), &made.pem(), SHARED)?;
        Self::open(folder)
    }

    /// Reads the authority's key.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join("authority.key");
        let pem = fs::read_to_string(&file).with_context(|| format!("file {}", file.display()))?;
        Ok(Self(Issuer::new(params()?, KeyPair::from_pem(&pem)?)))
    }

    /// Signs a certificate for a key of its own. The first name is its subject.
    ///
    /// # Errors
    /// If a name is neither a host name nor an IP address.
    pub fn sign(&self, names: &[String], whose: Whose) -> anyhow::Result<Signed> {
        let mut params = CertificateParams::new(names)?;
        if let Some(first) = names.first() {
            params.distinguished_name.push(DnType::CommonName, first);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match whose {
            Whose::Service => vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ],
            Whose::Caller => vec![ExtendedKeyUsagePurpose::ClientAuth],
        };
        params.use_authority_key_identifier_extension = true;
        lasting(&mut params, CERTIFICATE_DAYS)?;
        let key = KeyPair::generate()?;
        Ok(Signed {
            certificate: params.signed_by(&key, &self.0)?.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// What the authority says of itself. Without its dates this is the same each time, so that what
/// it signs names it as its certificate does.
fn params() -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "Taizhang authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    lasting(&mut params, AUTHORITY_DAYS)?;
    Ok(params)
}

/// From yesterday, because clocks differ.
fn lasting(params: &mut CertificateParams, days: u64) -> anyhow::Result<()> {
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
