//! The primitives, all from ring but SHA-3, over the octet framing that every formula of the draft uses.

use core::fmt;
use core::hint::black_box;

use ring::{digest, hkdf, hmac};
use zeroize::Zeroize;

/// The hash function of a mechanism (FIPS 180-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hash {
    /// SHA-256, 32 octets.
    Sha256,
    /// SHA-384, 48 octets.
    Sha384,
    /// SHA-512, 64 octets.
    Sha512,
}

impl Hash {
    /// Length of the output, in octets.
    pub const fn output_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The one that names of mechanisms call so, in any case of letters.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let known = [("SHA-256", Self::Sha256), ("SHA-384", Self::Sha384), ("SHA-512", Self::Sha512)];
        known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, hash)| hash)
    }

    const fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    const fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    const fn hkdf(self) -> hkdf::Algorithm {
        match self {
            Self::Sha256 => hkdf::HKDF_SHA256,
            Self::Sha384 => hkdf::HKDF_SHA384,
            Self::Sha512 => hkdf::HKDF_SHA512,
        }
    }
}

/// Longest hash output, in octets.
pub(crate) const MAX_HASH: usize = 64;

/// Up to 64 secret octets: a key, or a value as long as one. Zeroized when dropped, compared in constant time, never printed.
#[derive(Clone)]
pub(crate) struct Secret {
    octets: [u8; MAX_HASH],
    len: u8,
}

impl Secret {
    /// A secret of the first `len` octets of `octets`; anything past 64 octets is refused.
    pub(crate) fn new(from: &[u8]) -> Option<Self> {
        let mut octets = [0; MAX_HASH];
        octets.get_mut(..from.len())?.copy_from_slice(from);
        Some(Self { octets, len: from.len() as u8 })
    }

    pub(crate) fn zeroed(len: usize) -> Self {
        debug_assert!(len <= MAX_HASH);
        Self { octets: [0; MAX_HASH], len: len.min(MAX_HASH) as u8 }
    }

    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.octets[..self.len as usize]
    }

    /// `self XOR other`; both are of one hash's length, the shorter decides otherwise.
    pub(crate) fn xor(mut self, other: &[u8]) -> Self {
        for (a, b) in self.as_mut().iter_mut().zip(other) {
            *a ^= b;
        }
        self
    }
}

impl AsRef<[u8]> for Secret {
    fn as_ref(&self) -> &[u8] {
        &self.octets[..self.len as usize]
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        // As a slice, which is wiped at once; an array is, octet by octet.
        self.octets.as_mut_slice().zeroize();
    }
}

/// A secret that stays where it is: what holds it for long is moved about, and a move leaves the octets behind, unwiped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Kept(Box<Secret>);

impl Kept {
    pub(crate) fn secret(&self) -> &Secret {
        &self.0
    }
}

impl From<Secret> for Kept {
    fn from(secret: Secret) -> Self {
        Self(Box::new(secret))
    }
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        self.secret().as_ref()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq(self.as_ref(), other.as_ref())
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redacted")
    }
}

/// Equal length and octets, in a time that depends on the lengths only.
#[inline(never)]
pub(crate) fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    // Eight at a time, then one by one; no step knows what the ones before it saw.
    let (mut a, mut b, mut all) = (a, b, 0);
    while let (Some((x, a_rest)), Some((y, b_rest))) = (a.split_first_chunk(), b.split_first_chunk()) {
        all = black_box(all | (u64::from_ne_bytes(*x) ^ u64::from_ne_bytes(*y)));
        (a, b) = (a_rest, b_rest);
    }
    a.iter().zip(b).fold(all, |all, (x, y)| black_box(all | u64::from(x ^ y))) == 0
}

/// The first of two, or the second, without a branch: the processor's guess of one would show in the time.
pub(crate) fn choose<T: Copy>(first: bool, one: T, other: T) -> T {
    black_box([other, one])[usize::from(black_box(first))]
}

/// Anything that octets can be fed into; lets a transcript be hashed or authenticated without being assembled.
pub(crate) trait Absorb {
    fn absorb(&mut self, octets: &[u8]);

    /// `lp(x)`: the length of `x` as four octets, big-endian, then `x`.
    fn lp(&mut self, x: &[u8]) {
        self.absorb(&length(x));
        self.absorb(x);
    }
}

fn length(x: &[u8]) -> [u8; 4] {
    // Every input is bounded far below 2^32 octets by the parser that made it.
    u32::try_from(x.len()).unwrap_or(u32::MAX).to_be_bytes()
}

/// What a hash or HMAC is fed through: the many short parts of a formula are gathered, as each call of the hash costs more than to copy one.
pub(crate) struct Feed<'c> {
    context: &'c mut dyn FnMut(&[u8]),
    held: [u8; Feed::HELD],
    len: usize,
}

impl<'c> Feed<'c> {
    /// Two blocks of the shorter hash: what comes before a message in a transcript, mostly.
    const HELD: usize = 128;

    fn through(context: &'c mut dyn FnMut(&[u8]), feed: impl FnOnce(&mut Feed<'_>)) {
        let mut through = Feed { context, held: [0; Feed::HELD], len: 0 };
        feed(&mut through);
        through.pass_on();
    }

    fn pass_on(&mut self) {
        (self.context)(self.held.get(..self.len).unwrap_or_default());
        self.len = 0;
    }
}

impl Drop for Feed<'_> {
    fn drop(&mut self) {
        // Parts may be secret.
        self.held.as_mut_slice().zeroize();
    }
}

impl Absorb for Feed<'_> {
    fn absorb(&mut self, octets: &[u8]) {
        if self.len + octets.len() > Self::HELD {
            self.pass_on();
        }
        match self.held.get_mut(self.len..self.len + octets.len()) {
            Some(room) => {
                room.copy_from_slice(octets);
                self.len += octets.len();
            }
            None => (self.context)(octets),
        }
    }

    fn lp(&mut self, x: &[u8]) {
        let len = length(x);
        match self.held.get_mut(self.len..self.len + len.len() + x.len()) {
            // In one go, as there are so many of them.
            Some(room) => {
                let (before, room) = room.split_at_mut(len.len());
                before.copy_from_slice(&len);
                room.copy_from_slice(x);
                self.len += len.len() + x.len();
            }
            None => [&len, x].into_iter().for_each(|part| self.absorb(part)),
        }
    }
}

impl Absorb for Vec<u8> {
    fn absorb(&mut self, octets: &[u8]) {
        self.extend_from_slice(octets);
    }
}

/// `H(…)` over what `feed` absorbs.
pub(crate) fn hash(hash: Hash, feed: impl FnOnce(&mut Feed<'_>)) -> Secret {
    let mut context = digest::Context::new(hash.digest());
    Feed::through(&mut |octets| context.update(octets), feed);
    from_output(context.finish().as_ref())
}

/// `HMAC(key, …)` over what `feed` absorbs (RFC 2104).
pub(crate) fn mac(hash: Hash, key: &[u8], feed: impl FnOnce(&mut Feed<'_>)) -> Secret {
    MacKey::new(hash, key).mac(feed)
}

/// A key of HMAC, for more than one use: what a hash makes of it is half the work on a short message.
#[derive(Clone)]
pub(crate) struct MacKey(hmac::Key);

impl MacKey {
    pub(crate) fn new(hash: Hash, key: &[u8]) -> Self {
        Self(hmac::Key::new(hash.hmac(), key))
    }

    /// `HMAC(key, …)` over what `feed` absorbs (RFC 2104).
    pub(crate) fn mac(&self, feed: impl FnOnce(&mut Feed<'_>)) -> Secret {
        let mut context = hmac::Context::with_key(&self.0);
        Feed::through(&mut |octets| context.update(octets), feed);
        from_output(context.sign().as_ref())
    }
}

/// The same for HMAC with a hash function of SHA-3 (FIPS 202).
#[cfg(feature = "sha3")]
pub(crate) struct MacKey3<D: ::hmac::digest::Digest + ::hmac::digest::block_api::BlockSizeUser>(::hmac::SimpleHmac<D>);

#[cfg(feature = "sha3")]
impl<D: ::hmac::digest::Digest + ::hmac::digest::block_api::BlockSizeUser + Clone> MacKey3<D> {
    pub(crate) fn new(key: &[u8]) -> Self {
        match <::hmac::SimpleHmac<D> as ::hmac::KeyInit>::new_from_slice(key) {
            Ok(mac) => Self(mac),
            Err(_) => unreachable!("HMAC takes a key of any length"),
        }
    }

    /// `HMAC(key, …)` over the concatenation of `parts` (RFC 2104).
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> Secret {
        let mut mac = self.0.clone();
        parts.iter().for_each(|part| ::hmac::Mac::update(&mut mac, part));
        from_output(&::hmac::Mac::finalize(mac).into_bytes())
    }
}

fn from_output(output: &[u8]) -> Secret {
    let mut secret = Secret::zeroed(output.len());
    secret.as_mut().copy_from_slice(output);
    secret
}

/// A pseudorandom key of HKDF (RFC 5869 section 2.2), ready to be expanded.
pub(crate) struct Prk(hkdf::Prk);

impl Prk {
    /// `HKDF-Extract(salt, ikm)`.
    pub(crate) fn extract(hash: Hash, salt: &[u8], ikm: &[u8]) -> Self {
        Self(hkdf::Salt::new(hash.hkdf(), salt).extract(ikm))
    }

    /// `HKDF-Expand(PRK, info, out.len())`; `out` is at most 64 octets, far below RFC 5869's 255 × HashLen.
    pub(crate) fn expand(&self, info: &[u8], out: &mut [u8]) {
        struct Len(usize);
        impl hkdf::KeyType for Len {
            fn len(&self) -> usize {
                self.0
            }
        }
        let info = [info];
        match self.0.expand(&info, Len(out.len())).and_then(|okm| okm.fill(out)) {
            Ok(()) => {}
            // Stopping is the only safe answer: `out` would be a key that everyone knows.
            Err(_) => unreachable!("64 octets are within 255 blocks of any hash"),
        }
    }
}

/// Octets of a message, by their number only: a message carries proofs, signatures and granted seeds.
pub(crate) struct Redacted(pub(crate) usize);

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redacted, {} octets", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_equal_where_no_bit_differs() {
        for len in 0..80 {
            let all: Vec<u8> = (0..len as u8).map(|at| at.wrapping_mul(37)).collect();
            assert!(constant_time_eq(&all, &all.clone()) && !constant_time_eq(&all, &[&all[..], &[0]].concat()));
            for bit in 0..8 * len {
                let mut other = all.clone();
                other[bit / 8] ^= 1 << (bit % 8);
                assert!(!constant_time_eq(&all, &other), "bit {bit} of {len} octets");
            }
        }
    }

    #[test]
    fn what_is_gathered_before_it_is_hashed_is_hashed_as_it_is() {
        for before in 0..3 {
            for len in 0..2 * Feed::HELD + 9 {
                let (x, start) = (vec![7; len], vec![9; before * 60]);
                let feed = |context: &mut dyn Absorb| [&start[..], &x, b"end"].into_iter().for_each(|x| context.lp(x));
                let (mut whole, mut parts) = (Vec::new(), Vec::new());
                feed(&mut whole);
                Feed::through(&mut |octets| parts.extend_from_slice(octets), |context| feed(context));
                assert_eq!(whole, parts);
            }
        }
    }
}
