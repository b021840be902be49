//! A client's TLS sessions as octets, to take them through a restart.
//!
//! A name and a version, the account, then each session; what varies in length with its length in front.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::sessions::Slot;
use crate::assertion::{AssertionId, read_lp, read_str};
use crate::channel::Lineage;
use crate::crypto::Absorb;
use crate::store::client::{Account, Predecessor};

/// A session as its TLS library writes it: it holds keys, and the server's certificate.
pub(crate) type Octets = Zeroizing<Vec<u8>>;

/// Not sessions of this account that this version of the library wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSessions {
    /// It starts otherwise than this version does.
    #[error("not saved sessions that this version of the library reads")]
    NotSessions,
    /// The sessions of another account, which must not resume this one's.
    #[error("the saved sessions of another account")]
    AnotherAccount,
    /// Cut short, extended, or with a session that the TLS library does not read.
    #[error("damaged saved sessions")]
    Damaged,
}

/// The sessions of one account, oldest first, behind `start`: the name and version of the format.
pub(crate) fn write(start: &[u8], account: &Account, slot: &Slot<Arc<str>, Octets, Octets>) -> Octets {
    let sessions = || slot.all_tls13().map(|kept| (1, kept)).chain(slot.any_tls12().map(|kept| (0, kept)));
    let len: usize = sessions().map(|(_, kept)| kept.name.len() + kept.session.len() + 64).sum();
    // Never grown: what a vector leaves behind when it grows is not wiped.
    let head = head(start, account);
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

/// One session, as it was saved.
pub(crate) struct Session {
    is_tls13: bool,
    name: Arc<str>,
    from: Arc<Predecessor>,
    octets: Octets,
}

/// The sessions in these octets, all of them or none: `is_one` says of each whether the TLS library reads it.
pub(crate) fn read(
    start: &[u8],
    account: &Account,
    octets: &[u8],
    is_one: impl Fn(&[u8]) -> bool,
) -> Result<Vec<Session>, InvalidSessions> {
    if !octets.starts_with(start) {
        return Err(InvalidSessions::NotSessions);
    }
    let mut rest = octets.strip_prefix(&*head(start, account)).ok_or(InvalidSessions::AnotherAccount)?;
    let mut sessions = Vec::new();
    while !rest.is_empty() {
        let session = read_session(&mut rest).filter(|session| is_one(&session.octets));
        sessions.push(session.ok_or(InvalidSessions::Damaged)?);
    }
    Ok(sessions)
}

impl Slot<Arc<str>, Octets, Octets> {
    /// Beside what is there already.
    pub(crate) fn put_back(&mut self, sessions: Vec<Session>) {
        for Session { is_tls13, name, from, octets } in sessions {
            match is_tls13 {
                true => self.keep_tls13(name, octets, from),
                false => self.keep_tls12(name, octets, from),
            }
        }
    }
}

fn head(start: &[u8], account: &Account) -> Vec<u8> {
    let mut head = start.to_vec();
    account.write(&mut head);
    head
}

fn read_session(input: &mut &[u8]) -> Option<Session> {
    let (&is_tls13, rest) = input.split_first().filter(|(octet, _)| **octet <= 1)?;
    *input = rest;
    let name = read_str(input)?.into();
    let (&lineage, rest) = input.split_first_chunk::<{ Lineage::LEN }>()?;
    *input = rest;
    let family = match read_lp(input)? {
        [] => None,
        octets => Some(AssertionId::from_octets(octets.try_into().ok()?)),
    };
    let octets = Zeroizing::new(read_lp(input)?.to_vec());
    let from = Arc::new(Predecessor { lineage: Lineage::new(lineage), family });
    Some(Session { is_tls13: is_tls13 == 1, name, from, octets })
}
