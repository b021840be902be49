//! What the examples have in common: TLS at both ends, the full login, what a client keeps in a file, and who waited how often.
//!
//! None of it is the library's business, which is why it is here: files, sockets, the clock and random numbers are the application's.
#![allow(dead_code)] // each example uses its part

pub(crate) mod args;
pub(crate) mod certificates;
pub(crate) mod client;
pub(crate) mod listen;
pub(crate) mod scram;
pub(crate) mod service;
pub(crate) mod state;
pub(crate) mod tls;
pub(crate) mod wire;

use std::error::Error;
use std::time::SystemTime;

use fast_reauth::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};

/// Whatever goes wrong.
pub(crate) type Fault = Box<dyn Error + Send + Sync>;

/// The library reads no clock: the application does.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_secs(since.as_secs())
}

/// Fresh random octets.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut octets = [0; N];
    SystemRandom::new().fill(&mut octets).map_err(|_| "the system has no random numbers")?;
    Ok(octets)
}
