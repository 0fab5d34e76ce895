//! `taizhang token`.

use anyhow::{Context, bail};
use chrono::{Local, TimeDelta};
use clap::Subcommand;
use taizhang_contracts::Office;
use taizhang_runtime::Config;
use taizhang_runtime::identity::{Grant, Keyring};

use crate::roles;

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Issues a token and prints it. It is not kept, and can't be printed again.
    Issue {
        /// The calling system, such as `township-portal`.
        #[arg(long)]
        system: String,
        /// The id of an office that it has access to; may be given more than once.
        #[arg(long = "office", required = true)]
        offices: Vec<String>,
        /// A scope, such as `meetings.write`; may be given more than once.
        #[arg(long = "scope", required = true)]
        scopes: Vec<String>,
        /// For how many days it is valid.
        #[arg(long, default_value_t = 365)]
        days: i64,
    },
    /// Lists the tokens that were issued.
    List,
    /// Revokes a token; services refuse it within ten seconds.
    Revoke {
        /// The token's id, as `list` shows it.
        id: String,
    },
}

pub(crate) fn run(config: &Config, token: Token) -> anyhow::Result<()> {
    let keyring = Keyring::open_or_create(&config.identity_folder())?;
    match token {
        Token::Issue {
            system,
            offices,
            scopes,
            days,
        } => {
            let offices = offices
                .iter()
                .map(|id| {
                    Office::from_id(id).with_context(|| format!("{id} is not a valid office id"))
                })
                .collect::<anyhow::Result<_>>()?;
            let known = roles::scopes();
            if let Some(unknown) = scopes.iter().find(|scope| !known.contains(*scope)) {
                let known: Vec<_> = known.into_iter().collect();
                bail!("no scope {unknown}; there are {}", known.join(", "));
            }
            let valid_for = TimeDelta::try_days(days).context("--days is too great")?;
            println!(
                "{}",
                keyring.issue(Grant {
                    system,
                    offices,
                    scopes,
                    valid_for
                })?
            );
        }
        Token::List => {
            for issued in keyring.list()? {
                let until = issued.expires.with_timezone(&Local).format("%Y-%m-%d");
                let state = if issued.revoked {
                    "revoked".to_owned()
                } else {
                    format!("until {until}")
                };
                println!(
                    "{}  {}  {}  {}  {state}",
                    issued.id,
                    issued.system,
                    issued.offices.join(","),
                    issued.scopes.join(",")
                );
            }
        }
        Token::Revoke { id } => {
            keyring.revoke(&id)?;
            println!("revoked {id}");
        }
    }
    Ok(())
}
