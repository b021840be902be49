//! Sealed assertions: the server's record, encrypted under the service's keys, in the client's hands.
//!
//! ```text
//! sealed    = header | AES-256-GCM(box key, 96 zero bits, ad, plain)        header = version (1 octet, 1) | key id (4) | salt (16)
//! box key   = HKDF-SHA-256: Expand(Extract(salt, lp(service key) lp(account secret)), "IKY sealed v1", 32)
//! ad        = lp("IKY sealed v1") lp(header) lp(mechanism) lp(service) lp(server name) lp(login name)
//! plain     = StoredKey | ServerKey | id (16) | device (8) | origin (1) | full login (5) | expires (5) | identity
//! ```
//!
//! The salt is fresh for each, so the box key is used once, and the nonce can be fixed. The identity is left out where it is the login
//! name. Times are seconds since 1970.

use core::hint::black_box;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead;
use zeroize::Zeroizing;

use super::origin::valid_login_name;
use super::serial::{origin_octet, read_origin};
use super::{AccountSecret, AssertionId, DeviceId, Pin, Record, Salt, Scope, Service, ServiceKeys};
use crate::channel::ServerName;
use crate::crypto::{Absorb, Hash, Prk, Secret, constant_time_eq};
use crate::time::Timestamp;

/// Longest sealed assertion that is read, in octets before base64: room for any mechanism, and more than a present one takes.
pub(crate) const MAX_SEALED: usize = 384;

/// Longest identity that is in a sealed assertion, in octets: so that one for SHA-256 has at most 180.
const MAX_IDENTITY: usize = 44;

const VERSION: u8 = 1;
const SALT: usize = 16;
const HEADER: usize = 1 + 4 + SALT;
const LABEL: &[u8] = b"IKY sealed v1";

/// What is read in the place of each octet of a record that can't be opened: one of a key, an origin, and a letter of an identity.
const STAND_IN: u8 = b'b';

/// A sealed assertion as a client sent it, not opened yet.
pub(crate) struct Sealed {
    octets: Zeroizing<Vec<u8>>,
}

/// What a sealed assertion is bound to, and what the message that brings it says.
#[derive(Clone, Copy)]
pub(crate) struct Bound<'a> {
    pub(crate) pin: Pin,
    pub(crate) service: &'a Service,
    pub(crate) server_name: &'a str,
    pub(crate) login_name: &'a str,
}

/// The record in base64, for its client. `None` for a mechanism that doesn't bind to one connection, for a client without login
/// name, which would have no way to say whose it is, and for an identity that is too long and not the login name.
pub(crate) fn seal(keys: &ServiceKeys, secret: &AccountSecret, record: &Record, random: &Salt) -> Option<String> {
    let Scope { service, server_name } = &record.scope;
    let bound = Bound { pin: record.pin, service, server_name: server_name.as_str(), login_name: &record.login_name };
    if record.pin.needs_counter() || record.login_name.is_empty() {
        return None;
    }
    let mut header = [0; HEADER];
    header[0] = VERSION;
    header[1..5].copy_from_slice(&keys.current_id().to_be_bytes());
    header[5..].copy_from_slice(&random.as_octets()[..SALT]);
    let mut plain = Zeroizing::new(Vec::with_capacity(MAX_SEALED + aead::AES_256_GCM.tag_len()));
    plain.absorb(record.stored_key.as_ref());
    plain.absorb(record.server_key.as_ref());
    plain.absorb(record.id.as_octets());
    plain.absorb(record.device.as_octets());
    plain.absorb(&[origin_octet(record.origin)]);
    for time in [record.full_login, record.expires] {
        // Until the year 36812.
        plain.absorb(time.as_secs().to_be_bytes().get(3..)?);
    }
    if record.identity != record.login_name {
        if record.identity.len() > MAX_IDENTITY {
            return None;
        }
        plain.absorb(record.identity.as_bytes());
    }
    let key = box_key(keys.get(keys.current_id())?, secret, &header[5..])?;
    let mut octets = Zeroizing::new(core::mem::take(&mut *plain));
    key.seal_in_place_append_tag(nonce(), associated(&header, bound), &mut *octets).ok()?;
    let mut text = String::with_capacity(4 * MAX_SEALED / 3 + 4);
    STANDARD.encode_string([&header[..], &octets].concat(), &mut text);
    Some(text)
}

impl Sealed {
    /// Reads `t=` of a message.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let octets = Zeroizing::new(STANDARD.decode(text).ok()?);
        (octets.len() <= MAX_SEALED).then_some(Self { octets })
    }

    /// The id of the service key that it says it is sealed under.
    pub(crate) fn key_id(&self) -> Option<u32> {
        let (_, rest) = self.octets.split_first()?;
        rest.first_chunk().map(|id| u32::from_be_bytes(*id))
    }

    /// The record in it, and whether it is this service's, this account's, and for what the message says; if not, the record stands in for it.
    /// The service key is chosen by its id, and no other is tried.
    ///
    /// Whether it can be opened or not, it costs the same. `None` for what can't be one by its length.
    pub(crate) fn open(
        self,
        keys: &ServiceKeys,
        secret: Option<&AccountSecret>,
        bound: Bound<'_>,
    ) -> Option<(Record, bool)> {
        let (header, sealed) = self.octets.split_first_chunk::<HEADER>()?;
        let (version, key_id) = (header[0], u32::from_be_bytes(header[1..5].try_into().ok()?));
        let none = AccountSecret::new([0; AccountSecret::LEN]);
        let (key, has_key) = keys.get_or_any(key_id);
        let is_there = (version == VERSION) & has_key & secret.is_some() & !bound.pin.needs_counter();
        let key = box_key(key, secret.unwrap_or(&none), &header[5..])?;
        let (mut plain, is_whole) = open(&key, sealed, associated(header, bound).as_ref())?;
        let is_ours = is_there & is_whole;
        let kept = black_box(u8::from(is_ours)).wrapping_neg();
        plain.iter_mut().for_each(|octet| *octet = *octet & kept | STAND_IN & !kept);
        read(&plain, bound).map(|record| (record, is_ours))
    }
}

/// What is in the box, and whether it is whole.
///
/// ring's own opening wipes what is not, which takes its time, and branches on it. GCM is a stream cipher: sealed again, what was sealed is
/// plain; and sealed once more, that has the tag that it should have had.
fn open(key: &aead::LessSafeKey, sealed: &[u8], associated: &[u8]) -> Option<(Zeroizing<Vec<u8>>, bool)> {
    let (sealed, tag) = sealed.split_at_checked(sealed.len().checked_sub(aead::AES_256_GCM.tag_len())?)?;
    let associated = || aead::Aad::from(associated);
    let mut plain = Zeroizing::new(sealed.to_vec());
    let _ = key.seal_in_place_separate_tag(nonce(), associated(), &mut plain).ok()?;
    let mut again = plain.clone();
    let right = key.seal_in_place_separate_tag(nonce(), associated(), &mut again).ok()?;
    Some((plain, constant_time_eq(right.as_ref(), tag)))
}

fn read(plain: &[u8], bound: Bound<'_>) -> Option<Record> {
    let pin = bound.pin;
    let stored_len = if pin.signs() { 32 } else { pin.hash().output_len() };
    let (stored_key, rest) = plain.split_at_checked(stored_len)?;
    let (server_key, rest) = rest.split_at_checked(pin.hash().output_len())?;
    let (id, rest) = rest.split_first_chunk::<{ AssertionId::LEN }>()?;
    let (device, mut rest) = rest.split_first_chunk::<{ DeviceId::LEN }>()?;
    let origin = read_origin(&mut rest)?;
    let (full_login, rest) = rest.split_first_chunk::<5>()?;
    let (expires, identity) = rest.split_first_chunk::<5>()?;
    let login_name: Arc<str> = bound.login_name.into();
    let identity = match core::str::from_utf8(identity).ok().filter(|name| valid_login_name(name))? {
        "" => login_name.clone(),
        identity => identity.into(),
    };
    let (full_login, expires) = (time(full_login), time(expires));
    Some(Record {
        id: AssertionId::from_octets(*id),
        pin,
        stored_key: Secret::new(stored_key)?,
        server_key: Secret::new(server_key)?,
        identity,
        login_name,
        scope: Scope::new(bound.service.clone(), ServerName::parse(bound.server_name).ok()?),
        device: DeviceId::new(*device),
        origin,
        issued: full_login,
        full_login,
        expires,
        unused_until: None,
        superseded: false,
        renews: None,
        revoked: false,
    })
}

fn time(octets: &[u8; 5]) -> Timestamp {
    Timestamp::from_secs(octets.iter().fold(0, |seconds, &octet| seconds << 8 | u64::from(octet)))
}

fn box_key(service: &Secret, account: &AccountSecret, salt: &[u8]) -> Option<aead::LessSafeKey> {
    let mut input = Zeroizing::new(Vec::with_capacity(64));
    input.lp(service.as_ref());
    input.lp(account.expose());
    let mut key = Zeroizing::new([0; 32]);
    Prk::extract(Hash::Sha256, salt, &input).expand(LABEL, &mut *key);
    aead::UnboundKey::new(&aead::AES_256_GCM, &*key).ok().map(aead::LessSafeKey::new)
}

/// Fixed: a box key is used once.
fn nonce() -> aead::Nonce {
    aead::Nonce::assume_unique_for_key([0; aead::NONCE_LEN])
}

fn associated(header: &[u8], bound: Bound<'_>) -> aead::Aad<Vec<u8>> {
    let mut data = Vec::with_capacity(128);
    let Bound { pin, service, server_name, login_name } = bound;
    data.lp(LABEL);
    data.lp(header);
    [pin.name(), service.as_str(), server_name, login_name].into_iter().for_each(|part| data.lp(part.as_bytes()));
    aead::Aad::from(data)
}
