//! An account as octets, as most accounts are kept.
//!
//! Numbers are in groups of seven bits, the lowest first; moments are distances from one that stands before. Nothing
//! but this process ever reads it, so there is no version.

use zeroize::Zeroize;

use super::account::{Account, Secret};
use super::client::{Client, Stored};
use super::scopes::Scopes;
use crate::assertion::{LineageRecord, Origin, Pin, Record, Revocations, Scope, TokenRecord, TokenSlot};
use crate::channel::{Handle, Lineage, ServerName};
use crate::crypto::Absorb;
use crate::store::{StoredTokens, Window};
use crate::time::Timestamp;

/// Octets of which some are secret: wiped when they are dropped, and of one size from the start, so that no copy stays
/// behind.
pub(super) struct Packed {
    /// As many of them as find room here: all of an account with one record and names of usual length. Whoever has
    /// come here need not go on to anywhere else.
    head: [u8; Packed::HEAD],
    len: u8,
    /// Those that follow.
    tail: Box<[u8]>,
}

impl Default for Packed {
    fn default() -> Self {
        Self { head: [0; Self::HEAD], len: 0, tail: Box::default() }
    }
}

impl Packed {
    /// Eleven times 16 octets, less what else a slot has.
    const HEAD: usize = 159;

    pub(super) fn head(&self) -> &[u8] {
        &self.head[..usize::from(self.len)]
    }

    pub(super) fn tail(&self) -> &[u8] {
        &self.tail
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Has the first of it brought into the processor's cache all at once. Whoever reads it in order would wait for one
    /// line after the other, as where the next thing stands follows from the one before.
    pub(super) fn approach(&self) {
        let (head, tail) = (self.head.iter().step_by(64), self.tail.iter().step_by(64).take(8));
        core::hint::black_box(head.chain(self.head.last()).chain(tail).fold(0, |all, octet| all ^ octet));
    }

    /// Packs this account, in the place of what was there.
    pub(super) fn fill(&mut self, account: &Account, scopes: &Scopes) {
        let mut length = Length::default();
        Packer { out: &mut length, scopes }.account(account);
        self.wipe();
        self.tail = vec![0; length.tail].into();
        let mut filled = Filled { packed: self, in_tail: 0 };
        Packer { out: &mut filled, scopes }.account(account);
        debug_assert_eq!(filled.in_tail, length.tail);
    }

    fn wipe(&mut self) {
        self.head.as_mut_slice().zeroize();
        self.tail.zeroize();
        self.len = 0;
    }
}

impl Drop for Packed {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// Accounts of more records, tokens and lineages than this stay as they are: packing them would take longer than it is
/// worth.
const MAX_PACKED: usize = 64;

/// Whether the account is small enough to be packed.
pub(super) fn is_small(account: &Account) -> bool {
    let (records, lineages) = account.room();
    records + lineages + account.clients.len() <= MAX_PACKED
}

/// Counts what it absorbs, as [`Filled`] divides it.
#[derive(Default)]
struct Length {
    head: usize,
    tail: usize,
}

impl Absorb for Length {
    fn absorb(&mut self, octets: &[u8]) {
        let fits = self.tail == 0 && self.head + octets.len() <= Packed::HEAD;
        *if fits { &mut self.head } else { &mut self.tail } += octets.len();
    }
}

/// Takes what it absorbs to the head, and from the first that finds no room there to the tail. Nothing is cut in two.
struct Filled<'a> {
    packed: &'a mut Packed,
    /// How much of the tail is filled. It has its size already: what grows is moved, and leaves behind what it held.
    in_tail: usize,
}

impl Absorb for Filled<'_> {
    fn absorb(&mut self, octets: &[u8]) {
        let from = usize::from(self.packed.len);
        match self.packed.head.get_mut(from..from + octets.len()).filter(|_| self.in_tail == 0) {
            Some(head) => {
                head.copy_from_slice(octets);
                self.packed.len += octets.len() as u8;
            }
            None => {
                let room = self.packed.tail.get_mut(self.in_tail..self.in_tail + octets.len());
                debug_assert!(room.is_some(), "what was counted before");
                room.into_iter().for_each(|room| room.copy_from_slice(octets));
                self.in_tail += octets.len();
            }
        }
    }
}

struct Packer<'a, W> {
    out: &'a mut W,
    scopes: &'a Scopes,
}

/// Up to eight answers in an octet, the first one in the lowest bit.
pub(super) fn flags(flags: &[bool]) -> u8 {
    flags.iter().rev().fold(0, |octet, &flag| octet << 1 | u8::from(flag))
}

/// Two bits.
pub(super) const fn origin_bits(origin: Origin) -> u8 {
    match origin {
        Origin::Unbound => 0,
        Origin::Disclosed => 1,
        Origin::Keyed => 2,
        Origin::Bound => 3,
    }
}

impl<W: Absorb> Packer<'_, W> {
    fn octet(&mut self, octet: u8) {
        self.out.absorb(&[octet]);
    }

    fn number(&mut self, mut value: u64) {
        let (mut octets, mut len) = ([0; 10], 0);
        while value > 0x7f {
            octets[len] = value as u8 | 0x80;
            (value, len) = (value >> 7, len + 1);
        }
        octets[len] = value as u8;
        self.out.absorb(&octets[..=len]);
    }

    fn text(&mut self, text: &[u8]) {
        self.number(text.len() as u64);
        self.out.absorb(text);
    }

    fn moment(&mut self, moment: Timestamp) {
        self.number(moment.as_secs());
    }

    /// A moment that is near another one, before or after.
    fn near(&mut self, base: Timestamp, moment: Timestamp) {
        let distance = moment.as_secs().wrapping_sub(base.as_secs()) as i64;
        self.number((distance << 1 ^ distance >> 63) as u64);
    }

    fn scope(&mut self, scope: &Scope) {
        match self.scopes.number(scope) {
            Some(number) => self.octet(number),
            None => {
                self.octet(Scopes::MAX as u8);
                self.text(scope.service.as_str().as_bytes());
                self.text(scope.server_name.as_str().as_bytes());
            }
        }
    }

    fn window(&mut self, window: Window) {
        let (highest, used) = window.parts();
        self.number(highest);
        self.out.absorb(&used.to_be_bytes());
    }

    fn account(&mut self, account: &Account) {
        let revoked = account.revoked != Revocations::default();
        self.octet(flags(&[revoked, account.secret.is_some()]));
        self.text(account.identity.as_bytes());
        if revoked {
            self.revocations(&account.revoked);
        }
        if let Some(Secret { secret, until, latest, logins }) = &account.secret {
            self.out.absorb(secret.expose());
            self.moment(*until);
            self.near(*until, *latest);
            self.number(logins.len() as u64);
            logins.iter().for_each(|login| self.out.absorb(login.as_octets()));
        }
        self.number(account.clients.len() as u64);
        account.clients.iter().for_each(|client| self.client(client, account));
    }

    fn revocations(&mut self, revoked: &Revocations) {
        let after = revoked.spared.and_then(|spared| spared.after);
        self.octet(flags(&[revoked.until.is_some(), revoked.spared.is_some(), after.is_some()]));
        revoked.until.iter().for_each(|until| self.moment(*until));
        revoked.spared.iter().for_each(|spared| self.out.absorb(spared.device.as_octets()));
        after.iter().for_each(|after| self.moment(*after));
        self.number(revoked.devices.len() as u64);
        revoked.devices.iter().for_each(|device| self.out.absorb(device.as_octets()));
    }

    fn client(&mut self, client: &Client, account: &Account) {
        let device = &client.device;
        let more = [client.revoked, client.tokens.is_some(), !client.lineages.is_empty()];
        self.octet(origin_bits(device.origin) | flags(&more) << 2);
        self.out.absorb(device.id.as_octets());
        self.moment(device.created);
        self.near(device.created, device.last_used);
        self.scope(&Scope::new(device.service.clone(), ServerName::none()));
        self.number(client.records.len() as u64);
        client.records.iter().for_each(|stored| self.record(stored, client, account));
        client.tokens.iter().for_each(|tokens| self.tokens(tokens, client, account));
        if !client.lineages.is_empty() {
            self.number(client.lineages.len() as u64);
            // The newest first: it is the one that is mostly resumed, and found soonest.
            client.lineages.iter().rev().for_each(|(handle, lineage)| self.lineage(handle, lineage, client, account));
        }
    }

    fn record(&mut self, Stored { record, window }: &Stored, client: &Client, account: &Account) {
        let Record { id, pin, stored_key, server_key, identity, login_name, scope, device, .. } = &**record;
        debug_assert!(*identity == account.identity && *device == client.device.id);
        let (own_name, used) = (login_name != identity, *window != Window::default());
        let more = [own_name, used, record.superseded, record.revoked, record.renews.is_some(), record.is_tentative()];
        self.octet(origin_bits(record.origin) | flags(&more) << 2);
        self.out.absorb(id.as_octets());
        self.octet(Pin::ALL.iter().position(|known| known == pin).unwrap_or_default() as u8);
        self.text(stored_key.as_ref());
        self.text(server_key.as_ref());
        self.scope(scope);
        self.near(client.device.created, record.full_login);
        self.near(record.full_login, record.issued);
        self.near(record.issued, record.expires);
        record.unused_until.iter().for_each(|until| self.near(record.issued, *until));
        record.renews.iter().for_each(|before| self.out.absorb(before.as_octets()));
        if own_name {
            self.text(login_name.as_bytes());
        }
        if used {
            self.window(*window);
        }
    }

    fn tokens(&mut self, tokens: &StoredTokens, client: &Client, account: &Account) {
        let TokenRecord { id, identity, authcid, scope, device, current, new, revoked } = tokens.record();
        debug_assert!(*identity == account.identity && *device == client.device.id);
        let own_name = authcid != identity;
        self.octet(flags(&[own_name, *revoked, current.is_some(), new.is_some()]));
        self.out.absorb(id.as_octets());
        self.scope(scope);
        if own_name {
            self.text(authcid.as_bytes());
        }
        let windows = tokens.windows();
        for (slot, window) in [(current, windows.0), (new, windows.1)] {
            slot.iter().for_each(|slot| self.slot(slot, client));
            self.window(window);
        }
    }

    fn slot(&mut self, slot: &TokenSlot, client: &Client) {
        self.out.absorb(slot.salt.as_octets());
        self.number(slot.key.into());
        self.octet(slot.mechanism.number());
        self.octet(origin_bits(slot.origin));
        self.near(client.device.created, slot.full_login);
        self.near(slot.full_login, slot.expires);
    }

    fn lineage(&mut self, handle: &Handle, lineage: &LineageRecord, client: &Client, account: &Account) {
        debug_assert!(lineage.identity == account.identity && lineage.device == client.device.id);
        let own_name = lineage.login_name != lineage.identity;
        let origins = origin_bits(lineage.origin) | origin_bits(lineage.strength) << 2;
        self.octet(origins | flags(&[own_name, lineage.shared, lineage.revoked, lineage.lineage.is_some()]) << 4);
        self.out.absorb(handle.as_octets());
        self.scope(&lineage.scope);
        self.near(client.device.created, lineage.full_login);
        self.near(lineage.full_login, lineage.expires);
        if own_name {
            self.text(lineage.login_name.as_bytes());
        }
        lineage.lineage.iter().map(Lineage::expose).for_each(|exported| self.text(exported));
    }
}
