//! A client's sessions as octets, to take them through a restart.
//!
//! A name and a version, the account, then each session; what varies in length with its length in front.

use std::sync::Arc;

use ::openssl::ssl::SslSession;
use zeroize::Zeroizing;

use super::client::Der;
use crate::adapter::Slot;
use crate::assertion::{AssertionId, read_lp};
use crate::channel::Lineage;
use crate::crypto::Absorb;
use crate::store::client::{Account, Predecessor};

const MAGIC: &[u8] = b"fast-reauth OpenSSL sessions\0";
const VERSION: u8 = 1;

/// Not the sessions of this account, as this version of the library writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSessions {
    /// It starts otherwise than this version does.
    #[error("not saved sessions that this version of the library reads")]
    NotSessions,
    /// The sessions of another account, which must not resume this one's.
    #[error("the saved sessions of another account")]
    AnotherAccount,
    /// Cut short, extended, or with a session that OpenSSL does not read.
    #[error("damaged saved sessions")]
    Damaged,
}

/// One session, as it was saved.
pub(super) struct Session {
    pub(super) is_tls13: bool,
    pub(super) host: Arc<str>,
    pub(super) from: Predecessor,
    pub(super) der: Der,
}

/// The sessions of one account, oldest first.
pub(super) fn write(account: &Account, slot: &Slot<Arc<str>, Der, Der>) -> Zeroizing<Vec<u8>> {
    let sessions = || slot.all_tls13().map(|kept| (1, kept)).chain(slot.any_tls12().map(|kept| (0, kept)));
    let len: usize = sessions().map(|(_, kept)| kept.name.len() + kept.session.len() + 64).sum();
    // Never grown: what a vector leaves behind when it grows is not wiped.
    let head = head(account);
    let mut out = Zeroizing::new(Vec::with_capacity(head.len() + len));
    out.absorb(&head);
    for (is_tls13, kept) in sessions() {
        let family = kept.from.family.as_ref().map(AssertionId::as_octets);
        out.absorb(&[is_tls13]);
        out.lp(kept.name.as_bytes());
        out.absorb(kept.from.lineage.expose());
        out.lp(family.map_or(&[], |octets| octets));
        out.lp(&kept.session);
    }
    out
}

/// The sessions in these octets, all of them or none.
pub(super) fn read(account: &Account, octets: &[u8]) -> Result<Vec<Session>, InvalidSessions> {
    if !octets.starts_with(&start()) {
        return Err(InvalidSessions::NotSessions);
    }
    let mut rest = octets.strip_prefix(&*head(account)).ok_or(InvalidSessions::AnotherAccount)?;
    let mut sessions = Vec::new();
    while !rest.is_empty() {
        sessions.push(read_session(&mut rest).ok_or(InvalidSessions::Damaged)?);
    }
    Ok(sessions)
}

fn start() -> Vec<u8> {
    [MAGIC, &[VERSION]].concat()
}

fn head(account: &Account) -> Vec<u8> {
    let mut head = start();
    head.lp(account.scope.service.as_str().as_bytes());
    head.lp(account.scope.server_name.as_str().as_bytes());
    head.lp(account.login_name.as_bytes());
    head
}

fn read_session(input: &mut &[u8]) -> Option<Session> {
    let (&is_tls13, rest) = input.split_first().filter(|(octet, _)| **octet <= 1)?;
    *input = rest;
    let host = core::str::from_utf8(read_lp(input)?).ok()?.into();
    let (&lineage, rest) = input.split_first_chunk::<{ Lineage::LEN }>()?;
    *input = rest;
    let family = match read_lp(input)? {
        [] => None,
        octets => Some(AssertionId::from_octets(octets.try_into().ok()?)),
    };
    let der = read_lp(input)?;
    SslSession::from_der(der).ok()?;
    let from = Predecessor { lineage: Lineage::new(lineage), family };
    Some(Session { is_tls13: is_tls13 == 1, host, from, der: Zeroizing::new(der.to_vec()) })
}
