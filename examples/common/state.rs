//! What a client keeps across its own restart, in a file that only its user can read. A real one uses the platform's keyring.
//!
//! One line each: `assertion BASE64`, `token BASE64`, and `offered NAME…`, what the server listed when it was last seen.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fast_reauth::assertion::{ClientAssertion, ClientToken};
use fast_reauth::store::client::{Account, Accounts};

use super::Fault;

/// The file of one account.
pub(crate) struct StateFile(PathBuf);

impl StateFile {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Puts everything back. A client that was never here before has no file; one whose file is damaged is told.
    pub(crate) fn load(&self, accounts: &Accounts, account: &Account) -> Result<(), Fault> {
        let text = match fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(format!("the state file {}: {error}", self.0.display()).into()),
        };
        let damaged = |error: &dyn std::fmt::Display| {
            format!("the state file {} is damaged ({error}): remove it, and log in in full once", self.0.display())
        };
        let lines = || text.lines().filter_map(|line| line.split_once(' '));
        let offered = lines().find(|(kind, _)| *kind == "offered").map(|(_, names)| names).unwrap_or_default();
        for (kind, value) in lines().filter(|(kind, _)| *kind != "offered") {
            let octets = STANDARD.decode(value).map_err(|error| damaged(&error))?;
            match kind {
                "assertion" => {
                    let assertion = ClientAssertion::from_bytes(&octets).map_err(|error| damaged(&error))?;
                    accounts.restore(account, assertion, offered.split(' '));
                }
                "token" => {
                    let token = ClientToken::from_bytes(&octets).map_err(|error| damaged(&error))?;
                    accounts.restore_token(account, token);
                }
                _ => return Err(damaged(&format!("what is {kind}?")).into()),
            }
        }
        Ok(())
    }

    /// Writes everything anew, beside the old file and then in its place: a crash leaves one or the other.
    pub(crate) fn save(&self, accounts: &Accounts, account: &Account) -> Result<(), Fault> {
        let mut text = format!("offered {}\n", accounts.last_offer(account).join(" "));
        for assertion in accounts.assertions(account) {
            text += &format!("assertion {}\n", STANDARD.encode(assertion.to_bytes()));
        }
        for token in accounts.tokens(account) {
            text += &format!("token {}\n", STANDARD.encode(token.to_bytes()));
        }
        let new = self.0.with_extension("new");
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &self.0)
        };
        write().map_err(|error| format!("the state file {}: {error}", self.0.display()).into())
    }
}
