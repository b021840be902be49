//! All accounts of a client as octets, to take them through a restart.
//!
//! A name and a version, then one value after the other, each with an octet that says what it is: an account, and what is known of it.

use std::collections::HashMap;

use zeroize::Zeroizing;

use super::accounts::{Account, Accounts, Known};
use crate::assertion::{
    ClientAssertion, ClientToken, InvalidAssertion, Scope, Service, read_lp, read_str, serial_body, valid_login_name,
};
use crate::channel::ServerName;
use crate::crypto::Absorb;

const MAGIC: &[u8] = b"IKYaccounts";
const VERSION: u8 = 1;

impl Accounts {
    /// All accounts as octets, secret ones: assertions, tokens, and what each server listed when it was last seen. About 1,000 octets an account.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let known = self.known();
        let mut values: Vec<(u8, Zeroizing<Vec<u8>>)> = Vec::new();
        for (account, known) in known.iter() {
            let mut name = Zeroizing::new(Vec::new());
            account.write(&mut *name);
            values.push((b'n', name));
            values.extend(known.assertions.iter().map(|held| (b'a', held.to_bytes())));
            values.extend(known.tokens.iter().map(|held| (b't', held.to_bytes())));
            let plain = |name: &str| Zeroizing::new(name.as_bytes().to_vec());
            values.extend(known.offered.iter().map(|name| (b'o', plain(name))));
            values.extend(known.fast.iter().map(|name| (b'f', plain(name))));
        }
        // Never grown: what a vector leaves behind when it grows is not wiped.
        let len = MAGIC.len() + 1 + values.iter().map(|(_, value)| 5 + value.len()).sum::<usize>();
        let mut out = Zeroizing::new(Vec::with_capacity(len));
        out.absorb(MAGIC);
        out.absorb(&[VERSION]);
        for (kind, value) in &values {
            out.absorb(&[*kind]);
            out.lp(value);
        }
        debug_assert_eq!(out.len(), len, "it has not grown");
        out
    }

    /// Puts back what [`to_bytes`](Self::to_bytes) wrote. Of an account that is in it, what was known before is dropped.
    ///
    /// # Errors
    /// [`InvalidAssertion`]: other octets, another version, or damage; nothing is put back then.
    pub fn restore_all(&self, octets: &[u8]) -> Result<(), InvalidAssertion> {
        let read = read(serial_body(octets, MAGIC, VERSION)?).ok_or(InvalidAssertion::Damaged)?;
        self.known().extend(read);
        Ok(())
    }
}

/// What kinds there are of each account, in the order in which they are written.
const KINDS: &[u8] = b"natof";

/// Takes each account in one spelling, and once.
fn read(mut rest: &[u8]) -> Option<HashMap<Account, Known>> {
    let (mut all, mut reached): (Vec<(Account, Known)>, _) = (Vec::new(), 0);
    while let Some((kind, after)) = rest.split_first() {
        rest = after;
        let at = KINDS.iter().position(|known| known == kind)?;
        if at > 0 && at < reached {
            return None;
        }
        reached = at;
        let mut value = read_lp(&mut rest)?;
        let name = |value| core::str::from_utf8(value).ok().map(Into::into);
        match (kind, all.last_mut()) {
            (b'n', _) => {
                let account = Account::read(&mut value).filter(|_| value.is_empty())?;
                all.push((account, Known::default()));
            }
            (b'a', Some((_, known))) => known.assertions.push(ClientAssertion::from_bytes(value).ok()?),
            (b't', Some((_, known))) => known.tokens.push(ClientToken::from_bytes(value).ok()?),
            (b'o', Some((_, known))) => known.offered.push(name(value)?),
            (b'f', Some((_, known))) => known.fast.push(name(value)?),
            _ => return None,
        }
    }
    let accounts = all.len();
    let all: HashMap<_, _> = all.into_iter().collect();
    (all.len() == accounts).then_some(all)
}

impl Account {
    pub(crate) fn write(&self, out: &mut impl Absorb) {
        out.lp(self.scope.service.as_str().as_bytes());
        out.lp(self.scope.server_name.as_str().as_bytes());
        out.lp(self.login_name.as_bytes());
    }

    fn read(input: &mut &[u8]) -> Option<Self> {
        let service = Service::parse(read_str(input)?).ok()?;
        let name = read_str(input)?;
        let server_name = ServerName::parse(name).ok().filter(|parsed| parsed.as_str() == name)?;
        let login_name = Some(read_str(input)?).filter(|name| valid_login_name(name))?;
        Some(Self::new(Scope { service, server_name }, login_name))
    }
}
