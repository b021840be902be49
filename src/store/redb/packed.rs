//! An account as octets, the value of one key.
//!
//! A checksum, a version, then every field; numbers big-endian, what varies in length with its length in front. Whatever is looked
//! for by its name has the name in front of it too, so that a lookup skips the rest unread.

use std::collections::VecDeque;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::account::{Account, Client, Secret, Stored};
use crate::assertion::{
    AccountSecret, AccountState, AssertionId, DeviceId, LineageRecord, LoginId, Origin, Record, Revocations, Service,
    Spared, TokenId, TokenRecord,
};
use crate::channel::Handle;
use crate::crypto::{Absorb, Hash, hash};
use crate::store::{Device, StoredTokens, Window};
use crate::time::Timestamp;

const VERSION: u8 = 1;
const CHECKSUM: usize = 8;
const ORIGINS: [Origin; 4] = [Origin::Unbound, Origin::Disclosed, Origin::Keyed, Origin::Bound];

/// The account as octets, after which all clients of the store were revoked `generation` times.
pub(super) fn pack(account: &Account, generation: u64) -> Zeroizing<Vec<u8>> {
    // Large enough as a rule: what a vector leaves behind when it grows is not wiped.
    let items = account.clients.iter().map(|client| client.records.len() + client.lineages.len() + 2).sum::<usize>();
    let mut out = Zeroizing::new(Vec::with_capacity(8192 + 512 * items));
    out.absorb(&[0; CHECKSUM]);
    out.absorb(&[VERSION]);
    out.lp(account.identity.as_bytes());
    number(&mut out, generation);
    let Revocations { until, spared, devices } = &account.revoked;
    moment(&mut out, *until);
    out.absorb(&[u8::from(spared.is_some())]);
    if let Some(Spared { device, after }) = spared {
        out.absorb(device.as_octets());
        moment(&mut out, *after);
    }
    count(&mut out, devices.len());
    devices.iter().for_each(|device| out.absorb(device.as_octets()));
    out.absorb(&[u8::from(account.secret.is_some())]);
    if let Some(Secret { secret, until, latest, logins }) = &account.secret {
        out.absorb(secret.expose());
        number(&mut out, until.as_secs());
        number(&mut out, latest.as_secs());
        count(&mut out, logins.len());
        logins.iter().for_each(|login| out.absorb(login.as_octets()));
    }
    count(&mut out, account.clients.len());
    account.clients.iter().for_each(|client| pack_client(&mut out, client));
    let sum = checksum(&out[CHECKSUM..]);
    out[..CHECKSUM].copy_from_slice(&sum);
    out
}

fn pack_client(out: &mut Vec<u8>, client: &Client) {
    let device = &client.device;
    out.absorb(device.id.as_octets());
    number(out, device.created.as_secs());
    number(out, device.last_used.as_secs());
    let origin = ORIGINS.iter().position(|&origin| origin == device.origin).unwrap_or(0);
    out.absorb(&[origin as u8, u8::from(client.revoked), u8::from(client.tokens.is_some())]);
    out.lp(device.service.as_str().as_bytes());
    count(out, client.records.len());
    for Stored { record, window } in &client.records {
        out.absorb(record.id.as_octets());
        pack_window(out, *window);
        out.lp(&record.to_bytes());
    }
    if let Some(tokens) = &client.tokens {
        let (current, new) = tokens.windows();
        out.absorb(tokens.record().id().as_octets());
        pack_window(out, current);
        pack_window(out, new);
        out.lp(&tokens.record().to_bytes());
    }
    count(out, client.lineages.len());
    for (handle, lineage) in &client.lineages {
        out.absorb(handle.as_octets());
        out.lp(&lineage.to_bytes());
    }
}

fn pack_window(out: &mut Vec<u8>, window: Window) {
    let (highest, used) = window.parts();
    number(out, highest);
    number(out, used);
}

fn number(out: &mut Vec<u8>, value: u64) {
    out.absorb(&value.to_be_bytes());
}

/// 0 stands for none: nothing happens in 1970.
fn moment(out: &mut Vec<u8>, value: Option<Timestamp>) {
    number(out, value.map_or(0, Timestamp::as_secs));
}

/// What is counted is bounded far below 2^32.
fn count(out: &mut Vec<u8>, count: usize) {
    out.absorb(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
}

fn checksum(octets: &[u8]) -> [u8; CHECKSUM] {
    let digest = hash(Hash::Sha256, |context| context.absorb(octets));
    let mut first = [0; CHECKSUM];
    first.copy_from_slice(&digest.as_ref()[..CHECKSUM]);
    first
}

/// Octets that are read from the front.
#[derive(Clone, Copy)]
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (octets, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*octets)
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn moment(&mut self) -> Option<Timestamp> {
        self.number().map(Timestamp::from_secs)
    }

    fn maybe(&mut self) -> Option<Option<Timestamp>> {
        self.number().map(|seconds| Some(Timestamp::from_secs(seconds)).filter(|_| seconds > 0))
    }

    fn flag(&mut self) -> Option<bool> {
        let [octet] = self.array()?;
        (octet < 2).then_some(octet == 1)
    }

    fn count(&mut self) -> Option<usize> {
        self.array().map(u32::from_be_bytes).and_then(|count| usize::try_from(count).ok())
    }

    fn lp(&mut self) -> Option<&'a [u8]> {
        let len = self.count()?;
        let (octets, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(octets)
    }

    fn text(&mut self) -> Option<&'a str> {
        core::str::from_utf8(self.lp()?).ok()
    }

    fn window(&mut self) -> Option<Window> {
        Some(Window::from_parts(self.number()?, self.number()?))
    }
}

/// A packed account, of which no more is read than is asked for.
pub(super) struct Packed<'a> {
    identity: &'a str,
    /// How often everyone had been revoked when this was written.
    pub(super) generation: u64,
    revoked: Revocations,
    secret: Option<Secret>,
    clients: usize,
    rest: Input<'a>,
}

struct PackedClient<'a> {
    device: Device,
    revoked: bool,
    records: Vec<(AssertionId, Window, &'a [u8])>,
    tokens: Option<(TokenId, Window, Window, &'a [u8])>,
    lineages: Vec<(Handle, &'a [u8])>,
}

impl<'a> Packed<'a> {
    /// The octets of [`pack`]; `None` for any other.
    pub(super) fn open(octets: &'a [u8]) -> Option<Self> {
        let (sum, body) = octets.split_first_chunk::<CHECKSUM>()?;
        if *sum != checksum(body) {
            return None;
        }
        let mut input = Input(body);
        if input.array()? != [VERSION] {
            return None;
        }
        let identity = input.text()?;
        let generation = input.number()?;
        let until = input.maybe()?;
        let spared = match input.flag()? {
            true => Some(Spared { device: DeviceId::new(input.array()?), after: input.maybe()? }),
            false => None,
        };
        let devices = (0..input.count()?).map(|_| input.array().map(DeviceId::new)).collect::<Option<_>>()?;
        let secret = match input.flag()? {
            true => Some(Secret {
                secret: AccountSecret::new(input.array()?),
                until: input.moment()?,
                latest: input.moment()?,
                logins: (0..input.count()?).map(|_| input.array().map(LoginId::from_octets)).collect::<Option<_>>()?,
            }),
            false => None,
        };
        let revoked = Revocations { until, spared, devices };
        Some(Self { identity, generation, revoked, secret, clients: input.count()?, rest: input })
    }

    fn clients(&self) -> impl Iterator<Item = Option<PackedClient<'a>>> + use<'a> {
        let mut input = self.rest;
        (0..self.clients).map(move |_| client(&mut input))
    }

    pub(super) fn state(self, now: Timestamp) -> Option<AccountState> {
        let secret = self.secret.filter(|secret| now < secret.until)?;
        Some(AccountState { identity: self.identity.into(), secret: secret.secret, revoked: self.revoked })
    }

    pub(super) fn record(&self, id: &AssertionId) -> Option<Record> {
        let mut all = self.clients().flatten().flat_map(|client| client.records);
        all.find(|(known, ..)| known == id).and_then(|(.., octets)| Record::from_bytes(octets).ok())
    }

    pub(super) fn tokens(&self, id: &TokenId) -> Option<TokenRecord> {
        let mut all = self.clients().flatten().filter_map(|client| client.tokens);
        all.find(|(known, ..)| known == id).and_then(|(.., octets)| TokenRecord::from_bytes(octets).ok())
    }

    pub(super) fn lineage(&self, handle: &Handle) -> Option<LineageRecord> {
        let mut all = self.clients().flatten().flat_map(|client| client.lineages);
        all.find(|(known, _)| known == handle).and_then(|(_, octets)| LineageRecord::from_bytes(octets).ok())
    }

    /// All of it; `None` where a part can't be read.
    pub(super) fn unpack(self) -> Option<Account> {
        let clients = self.clients().map(|client| unpack_client(client?)).collect::<Option<_>>()?;
        Some(Account { identity: self.identity.into(), revoked: self.revoked, secret: self.secret, clients })
    }
}

fn client<'a>(input: &mut Input<'a>) -> Option<PackedClient<'a>> {
    let id = DeviceId::new(input.array()?);
    let (created, last_used) = (input.moment()?, input.moment()?);
    let [origin] = input.array()?;
    let origin = *ORIGINS.get(usize::from(origin))?;
    let (revoked, has_tokens) = (input.flag()?, input.flag()?);
    let service = Service::parse(input.text()?).ok()?;
    let record = |input: &mut Input<'a>| Some((AssertionId::from_octets(input.array()?), input.window()?, input.lp()?));
    let records = (0..input.count()?).map(|_| record(input)).collect::<Option<_>>()?;
    let tokens = match has_tokens {
        true => Some((TokenId::from_octets(input.array()?), input.window()?, input.window()?, input.lp()?)),
        false => None,
    };
    let lineages =
        (0..input.count()?).map(|_| Some((Handle::new(input.array()?), input.lp()?))).collect::<Option<_>>()?;
    let device = Device { id, created, last_used, origin, service };
    Some(PackedClient { device, revoked, records, tokens, lineages })
}

fn unpack_client(packed: PackedClient<'_>) -> Option<Client> {
    let PackedClient { device, revoked, records, tokens, lineages } = packed;
    let stored = |(_, window, octets)| Some(Stored { record: Arc::new(Record::from_bytes(octets).ok()?), window });
    let tokens = match tokens {
        Some((_, current, new, octets)) => {
            Some(StoredTokens::from_parts(TokenRecord::from_bytes(octets).ok()?, current, new))
        }
        None => None,
    };
    let lineage = |(handle, octets)| Some((handle, LineageRecord::from_bytes(octets).ok()?));
    Some(Client {
        device,
        revoked,
        records: records.into_iter().map(stored).collect::<Option<_>>()?,
        tokens,
        lineages: lineages.into_iter().map(lineage).collect::<Option<VecDeque<_>>>()?,
    })
}
