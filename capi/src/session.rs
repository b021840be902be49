//! What a client keeps beside a TLS session, as octets: where it comes from.
//!
//! `FRsession`, version 1; the account's service, server name and login name; the lineage, and the family of the assertion or nothing. Each with its length
//! in front, of four octets, big-endian.
#![forbid(unsafe_code)]

use fast_reauth::assertion::AssertionId;
use fast_reauth::channel::Lineage;
use fast_reauth::store::client::{Account, Predecessor};
use zeroize::Zeroizing;

use crate::fr_result;
use crate::state::{lp, part};

const MAGIC: &[u8] = b"FRsession\x01";

pub(crate) fn write(account: &Account, from: &Predecessor) -> Zeroizing<Vec<u8>> {
    let family = from.family.as_ref().map_or(&[][..], |family| family.as_octets());
    let scope = &account.scope;
    let names = [scope.service.as_str(), scope.server_name.as_str(), &account.login_name].map(str::as_bytes);
    let parts = names.into_iter().chain([from.lineage.expose(), family]).map(lp).collect::<Vec<_>>();
    let len = MAGIC.len() + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut out = Zeroizing::new(Vec::with_capacity(len));
    out.extend_from_slice(MAGIC);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// What [`write`] wrote for the same account; a session of another one would make this client that one.
pub(crate) fn read(account: &Account, octets: &[u8]) -> Result<Option<Predecessor>, fr_result> {
    if octets.is_empty() {
        return Ok(None);
    }
    let input = &mut octets.strip_prefix(MAGIC).ok_or(fr_result::FR_DAMAGED)?;
    let scope = &account.scope;
    for name in [scope.service.as_str(), scope.server_name.as_str(), &account.login_name] {
        if part(input).ok_or(fr_result::FR_DAMAGED)? != name.as_bytes() {
            return Err(fr_result::FR_INVALID);
        }
    }
    predecessor(input).map(Some).ok_or(fr_result::FR_DAMAGED)
}

fn predecessor(input: &mut &[u8]) -> Option<Predecessor> {
    let lineage = Lineage::new(part(input)?.try_into().ok()?);
    let family = match part(input)? {
        [] => None,
        octets => Some(AssertionId::from_octets(octets.try_into().ok()?)),
    };
    input.is_empty().then_some(Predecessor { lineage, family })
}
