//! What a server's store keeps, as octets: for stores that are not in this process's memory.
//!
//! A version, then every field; numbers big-endian, what varies in length with its length in front. The octets are as secret as
//! the values that they stand for.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::origin::valid_login_name;
use super::serial::{InvalidAssertion, body, origin_octet, read_lp, read_origin, read_str, read_u64};
use super::{
    AccountSecret, AccountState, AssertionId, DeviceId, HtMechanism, LineageRecord, Pin, Record, Revocations, Salt,
    Scope, Service, Spared, TokenId, TokenRecord, TokenSlot,
};
use crate::channel::{Lineage, ServerName};
use crate::crypto::{Absorb, Secret};
use crate::time::Timestamp;

const VERSION: u8 = 1;

/// Never grown: what a vector leaves behind when it grows is not wiped.
fn writer(magic: &[u8]) -> Zeroizing<Vec<u8>> {
    writer_of(magic, 1536)
}

fn writer_of(magic: &[u8], capacity: usize) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(capacity));
    out.absorb(magic);
    out.absorb(&[VERSION]);
    out
}

fn number(out: &mut Vec<u8>, value: u64) {
    out.absorb(&value.to_be_bytes());
}

/// 0 stands for none: nothing happens in 1970.
fn moment(out: &mut Vec<u8>, value: Option<Timestamp>) {
    number(out, value.map_or(0, Timestamp::as_secs));
}

fn scope(out: &mut Vec<u8>, scope: &Scope) {
    out.lp(scope.service.as_str().as_bytes());
    out.lp(scope.server_name.as_str().as_bytes());
}

fn flags(out: &mut Vec<u8>, flags: &[bool]) {
    out.absorb(&[flags.iter().fold(0, |octet, &flag| octet << 1 | u8::from(flag))]);
}

fn read_moment(input: &mut &[u8]) -> Option<Timestamp> {
    read_u64(input).map(Timestamp::from_secs)
}

fn read_maybe(input: &mut &[u8]) -> Option<Option<Timestamp>> {
    read_u64(input).map(|seconds| Some(Timestamp::from_secs(seconds)).filter(|_| seconds > 0))
}

fn read_scope(input: &mut &[u8]) -> Option<Scope> {
    let service = Service::parse(read_str(input)?).ok()?;
    let name = read_str(input)?;
    let server_name = ServerName::parse(name).ok().filter(|parsed| parsed.as_str() == name)?;
    Some(Scope { service, server_name })
}

fn read_names(input: &mut &[u8]) -> Option<(Arc<str>, Arc<str>)> {
    let (identity, login_name) = (read_str(input)?, read_str(input)?);
    if identity.is_empty() || !valid_login_name(identity) || !valid_login_name(login_name) {
        return None;
    }
    let identity: Arc<str> = identity.into();
    let login_name = if login_name == &*identity { identity.clone() } else { login_name.into() };
    Some((identity, login_name))
}

fn read_array<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (octets, rest) = input.split_first_chunk::<N>()?;
    *input = rest;
    Some(*octets)
}

fn read_flags<const N: usize>(input: &mut &[u8]) -> Option<[bool; N]> {
    let [octet] = read_array(input)?;
    let mut flags = [false; N];
    for (at, flag) in flags.iter_mut().rev().enumerate() {
        *flag = octet >> at & 1 == 1;
    }
    (octet >> N == 0).then_some(flags)
}

fn read_secret(input: &mut &[u8]) -> Option<Secret> {
    Secret::new(read_lp(input)?)
}

impl Record {
    /// The record as octets, about 200 for SHA-256.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = writer(RECORD);
        out.absorb(&self.id.0);
        out.lp(self.pin.name().as_bytes());
        out.lp(self.stored_key.as_ref());
        out.lp(self.server_key.as_ref());
        out.lp(self.identity.as_bytes());
        out.lp(self.login_name.as_bytes());
        scope(&mut out, &self.scope);
        out.absorb(self.device.as_octets());
        out.absorb(&[origin_octet(self.origin)]);
        for time in [self.issued, self.full_login, self.expires] {
            number(&mut out, time.as_secs());
        }
        moment(&mut out, self.unused_until);
        flags(&mut out, &[self.superseded, self.revoked, self.renews.is_some()]);
        out.absorb(&self.renews.map_or([0; AssertionId::LEN], |id| id.0));
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`InvalidAssertion`]: other octets, another version, or damage.
    pub fn from_bytes(octets: &[u8]) -> Result<Self, InvalidAssertion> {
        let mut rest = body(octets, RECORD, VERSION)?;
        Self::read(&mut rest).filter(|_| rest.is_empty()).ok_or(InvalidAssertion::Damaged)
    }

    fn read(input: &mut &[u8]) -> Option<Self> {
        let id = AssertionId(read_array(input)?);
        let name = read_str(input)?;
        let pin = Pin::from_name(name).filter(|pin| pin.name() == name)?;
        let (stored_key, server_key) = (read_secret(input)?, read_secret(input)?);
        let stored_len = if pin.signs() { 32 } else { pin.hash().output_len() };
        if stored_key.as_ref().len() != stored_len || server_key.as_ref().len() != pin.hash().output_len() {
            return None;
        }
        let (identity, login_name) = read_names(input)?;
        let scope = read_scope(input)?;
        let device = DeviceId::new(read_array(input)?);
        let origin = read_origin(input)?;
        let (issued, full_login, expires) = (read_moment(input)?, read_moment(input)?, read_moment(input)?);
        let unused_until = read_maybe(input)?;
        let [superseded, revoked, is_successor] = read_flags(input)?;
        let parent = read_array(input)?;
        if !is_successor && parent != [0; AssertionId::LEN] {
            return None;
        }
        let renews = Some(AssertionId(parent)).filter(|_| is_successor);
        Some(Self {
            id,
            pin,
            stored_key,
            server_key,
            identity,
            login_name,
            scope,
            device,
            origin,
            issued,
            full_login,
            expires,
            unused_until,
            superseded,
            renews,
            revoked,
        })
    }
}

impl LineageRecord {
    /// The lineage as octets, about 150.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = writer(LINEAGE);
        out.lp(self.identity.as_bytes());
        out.lp(self.login_name.as_bytes());
        scope(&mut out, &self.scope);
        out.absorb(self.device.as_octets());
        out.absorb(&[origin_octet(self.origin), origin_octet(self.strength)]);
        number(&mut out, self.full_login.as_secs());
        number(&mut out, self.expires.as_secs());
        flags(&mut out, &[self.shared, self.revoked]);
        out.lp(self.lineage.as_ref().map_or(&[][..], Lineage::expose));
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`InvalidAssertion`]: other octets, another version, or damage.
    pub fn from_bytes(octets: &[u8]) -> Result<Self, InvalidAssertion> {
        let mut rest = body(octets, LINEAGE, VERSION)?;
        Self::read(&mut rest).filter(|_| rest.is_empty()).ok_or(InvalidAssertion::Damaged)
    }

    fn read(input: &mut &[u8]) -> Option<Self> {
        let (identity, login_name) = read_names(input)?;
        let scope = read_scope(input)?;
        let device = DeviceId::new(read_array(input)?);
        let (origin, strength) = (read_origin(input)?, read_origin(input)?);
        let (full_login, expires) = (read_moment(input)?, read_moment(input)?);
        let [shared, revoked] = read_flags(input)?;
        let lineage = match read_lp(input)? {
            [] => None,
            octets => Some(Lineage::new(octets.try_into().ok()?)),
        };
        Some(Self {
            identity,
            login_name,
            scope,
            device,
            origin,
            full_login,
            strength,
            lineage,
            expires,
            shared,
            revoked,
        })
    }
}

impl TokenRecord {
    /// The record as octets, about 250.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = writer(TOKENS);
        out.absorb(self.id.as_octets());
        out.lp(self.identity.as_bytes());
        out.lp(self.authcid.as_bytes());
        scope(&mut out, &self.scope);
        out.absorb(self.device.as_octets());
        flags(&mut out, &[self.current.is_some(), self.new.is_some(), self.revoked]);
        [&self.current, &self.new].into_iter().flatten().for_each(|slot| slot.write(&mut out));
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`InvalidAssertion`]: other octets, another version, or damage.
    pub fn from_bytes(octets: &[u8]) -> Result<Self, InvalidAssertion> {
        let mut rest = body(octets, TOKENS, VERSION)?;
        Self::read(&mut rest).filter(|_| rest.is_empty()).ok_or(InvalidAssertion::Damaged)
    }

    fn read(input: &mut &[u8]) -> Option<Self> {
        let id = TokenId::from_octets(read_array(input)?);
        let (identity, authcid) = read_names(input)?;
        let scope = read_scope(input)?;
        let device = DeviceId::new(read_array(input)?);
        let [has_current, has_new, revoked] = read_flags(input)?;
        let current = if has_current { Some(TokenSlot::read(input)?) } else { None };
        let new = if has_new { Some(TokenSlot::read(input)?) } else { None };
        Some(Self { id, identity, authcid, scope, device, current, new, revoked })
    }
}

impl TokenSlot {
    fn write(&self, out: &mut Vec<u8>) {
        out.absorb(self.salt.as_octets());
        out.absorb(&self.key.to_be_bytes());
        out.lp(self.mechanism.name().as_bytes());
        out.absorb(&[origin_octet(self.origin)]);
        number(out, self.full_login.as_secs());
        number(out, self.expires.as_secs());
    }

    fn read(input: &mut &[u8]) -> Option<Self> {
        let salt = Salt::new(read_array(input)?);
        let key = u32::from_be_bytes(read_array(input)?);
        let name = read_str(input)?;
        let mechanism = HtMechanism::from_name(name).filter(|mechanism| mechanism.name() == name)?;
        let origin = read_origin(input)?;
        let (full_login, expires) = (read_moment(input)?, read_moment(input)?);
        Some(Self { salt, key, mechanism, origin, full_login, expires })
    }

    /// The slot as octets, for a store that keeps each by itself.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = writer(SLOT);
        self.write(&mut out);
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`InvalidAssertion`]: other octets, another version, or damage.
    pub fn from_bytes(octets: &[u8]) -> Result<Self, InvalidAssertion> {
        let mut rest = body(octets, SLOT, VERSION)?;
        Self::read(&mut rest).filter(|_| rest.is_empty()).ok_or(InvalidAssertion::Damaged)
    }
}

impl AccountState {
    /// The state as octets: about 50, the identity, and 8 for each client that was revoked.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = writer_of(ACCOUNT, 512 + self.revoked.devices.len() * DeviceId::LEN);
        out.lp(self.identity.as_bytes());
        out.absorb(self.secret.expose());
        let Revocations { until, spared, devices } = &self.revoked;
        moment(&mut out, *until);
        flags(&mut out, &[spared.is_some()]);
        if let Some(Spared { device, after }) = spared {
            out.absorb(device.as_octets());
            moment(&mut out, *after);
        }
        number(&mut out, devices.len() as u64);
        devices.iter().for_each(|device| out.absorb(device.as_octets()));
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`InvalidAssertion`]: other octets, another version, or damage.
    pub fn from_bytes(octets: &[u8]) -> Result<Self, InvalidAssertion> {
        let mut rest = body(octets, ACCOUNT, VERSION)?;
        Self::read(&mut rest).filter(|_| rest.is_empty()).ok_or(InvalidAssertion::Damaged)
    }

    fn read(input: &mut &[u8]) -> Option<Self> {
        let identity = read_str(input).filter(|name| !name.is_empty() && valid_login_name(name))?.into();
        let secret = AccountSecret::new(read_array(input)?);
        let until = read_maybe(input)?;
        let [has_spared] = read_flags(input)?;
        let spared = match has_spared {
            true => Some(Spared { device: DeviceId::new(read_array(input)?), after: read_maybe(input)? }),
            false => None,
        };
        let count = usize::try_from(read_u64(input)?).ok().filter(|&count| count <= Revocations::MAX_DEVICES)?;
        let mut devices = Vec::with_capacity(count);
        for _ in 0..count {
            devices.push(DeviceId::new(read_array(input)?));
        }
        Some(Self { identity, secret, revoked: Revocations { until, spared, devices } })
    }
}

const RECORD: &[u8] = b"IKYr";
const LINEAGE: &[u8] = b"IKYl";
const TOKENS: &[u8] = b"IKYt";
const SLOT: &[u8] = b"IKYs";
const ACCOUNT: &[u8] = b"IKYa";
