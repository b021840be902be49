//! A service's own secrets, the same on each of its nodes.

use core::fmt;

use crate::crypto::{Hash, MacKey, Secret, choose};

/// The present key of a service, and those before it that are still good.
///
/// Every node of a service has the same ones. A new key is made known to all nodes as a previous one first, and becomes the
/// current one once all of them have it; so no client is lost. What was made with a key ends when that key is dropped. A later key has a
/// greater id: what was sealed under a lesser one moves to it.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceKeys {
    current: ServiceKey,
    others: Vec<ServiceKey>,
}

#[derive(Clone)]
struct ServiceKey {
    id: u32,
    /// In a place of its own: a list that grows leaves behind what was in it, unwiped.
    kept: Box<Key>,
}

#[derive(Clone)]
struct Key {
    key: Secret,
    /// The key as HMAC-SHA-256 takes it: every token is made with it.
    mac: MacKey,
}

/// Keys that can't be told apart by their ids, or too many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeys {
    /// Two keys of one id.
    #[error("two service keys have the same id")]
    SameId,
    /// More than 16 keys.
    #[error("a service has at most {} keys", ServiceKeys::MAX)]
    TooMany,
}

impl ServiceKeys {
    /// Length of a key, in octets: drawn from a cryptographically secure random number generator, kept as any server key is.
    pub const KEY_LEN: usize = 32;
    /// How many keys there may be.
    pub const MAX: usize = 16;

    /// One key of 32 random octets, for what is made from now on, and the id that tells it apart.
    pub fn new(id: u32, key: &[u8; Self::KEY_LEN]) -> Self {
        Self { current: ServiceKey::new(id, key), others: Vec::new() }
    }

    /// One more key of 32 random octets, for what another node makes, or what was made before.
    ///
    /// # Errors
    /// [`InvalidKeys`] when there is a key of this id, or 16 of them.
    pub fn and(mut self, id: u32, key: &[u8; Self::KEY_LEN]) -> Result<Self, InvalidKeys> {
        if self.get(id).is_some() {
            return Err(InvalidKeys::SameId);
        }
        if self.others.len() + 1 >= Self::MAX {
            return Err(InvalidKeys::TooMany);
        }
        self.others.push(ServiceKey::new(id, key));
        Ok(self)
    }

    /// The same keys, of which the one of this id is the current one; `None` when there is none. A node that starts with an older choice makes
    /// things under the older key again: change it in the configuration, for all nodes.
    #[must_use]
    pub fn current(mut self, id: u32) -> Option<Self> {
        if self.current.id != id {
            let next = self.others.iter_mut().find(|other| other.id == id)?;
            core::mem::swap(next, &mut self.current);
        }
        Some(self)
    }

    /// The same keys without the one of this id, which ends what was made with it. The current one stays.
    #[must_use]
    pub fn without(mut self, id: u32) -> Self {
        self.others.retain(|other| other.id != id);
        self
    }

    /// The id of the current key.
    pub fn current_id(&self) -> u32 {
        self.current.id
    }

    /// The key of this id. It is chosen by the id alone, never by trying.
    pub(crate) fn get(&self, id: u32) -> Option<&Secret> {
        self.find(id).map(|key| &key.kept.key)
    }

    /// The same key for HMAC-SHA-256.
    pub(crate) fn mac(&self, id: u32) -> Option<&MacKey> {
        self.find(id).map(|key| &key.kept.mac)
    }

    /// The current key for HMAC-SHA-256.
    pub(crate) fn current_mac(&self) -> &MacKey {
        &self.current.kept.mac
    }

    /// The key of this id, or another one in its place, and whether it is that one; in the same time.
    pub(crate) fn get_or_any(&self, id: u32) -> (&Secret, bool) {
        let first = (&self.current, self.current.id == id);
        let (key, is_it) = self.others.iter().fold(first, |(key, is_it), other| {
            let is_other = other.id == id;
            (choose(is_other, other, key), is_it | is_other)
        });
        (&key.kept.key, is_it)
    }

    fn find(&self, id: u32) -> Option<&ServiceKey> {
        core::iter::once(&self.current).chain(&self.others).find(|key| key.id == id)
    }
}

impl ServiceKey {
    fn new(id: u32, key: &[u8; ServiceKeys::KEY_LEN]) -> Self {
        let mut secret = Secret::zeroed(ServiceKeys::KEY_LEN);
        secret.as_mut().copy_from_slice(key);
        Self { id, kept: Box::new(Key { mac: MacKey::new(Hash::Sha256, secret.as_ref()), key: secret }) }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // ring wipes no key of HMAC, so another one takes its place.
        self.mac = MacKey::new(Hash::Sha256, &[]);
        core::hint::black_box(&self.mac);
    }
}

impl PartialEq for ServiceKey {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.kept.key == other.kept.key
    }
}

impl Eq for ServiceKey {}

impl fmt::Debug for ServiceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let others: Vec<u32> = self.others.iter().map(|key| key.id).collect();
        f.debug_struct("ServiceKeys")
            .field("current", &self.current.id)
            .field("others", &others)
            .finish_non_exhaustive()
    }
}
