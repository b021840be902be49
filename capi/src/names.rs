//! Names as C writes them.
#![forbid(unsafe_code)]

use fast_reauth::assertion::{HtMechanism, Pin, Scope, Service};
use fast_reauth::channel::ServerName;
use fast_reauth::profile::MechanismName;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::fr_result;

pub(crate) fn scope(service: &str, server_name: &str) -> Result<Scope, fr_result> {
    let service = Service::parse(service).map_err(|_| fr_result::FR_INVALID)?;
    Ok(Scope::new(service, ServerName::parse(server_name).map_err(|_| fr_result::FR_INVALID)?))
}

/// The mechanisms of a list, by what they are.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) iky: Vec<Pin>,
    pub(crate) ht: Vec<HtMechanism>,
    pub(crate) full: Vec<String>,
    pub(crate) external: bool,
}

impl Listed {
    /// A list with spaces between the names, as the protocols have it.
    pub(crate) fn parse(list: &str) -> Result<Self, fr_result> {
        let mut listed = Self::default();
        for name in list.split_ascii_whitespace() {
            let parsed = MechanismName::parse(name).map_err(|_| fr_result::FR_INVALID)?;
            match (Pin::from_name(name), HtMechanism::from_name(name)) {
                (Some(pin), _) => listed.iky.push(pin),
                (_, Some(mechanism)) => listed.ht.push(mechanism),
                _ if parsed.is_external() => listed.external = true,
                _ => listed.full.push(parsed.as_str().to_owned()),
            }
        }
        Ok(listed)
    }
}

/// Octets of the system's cryptographically secure random number generator.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], fr_result> {
    let mut octets = [0; N];
    SystemRandom::new().fill(&mut octets).map_err(|_| fr_result::FR_NO_RANDOM)?;
    Ok(octets)
}
