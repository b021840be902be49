//! What a library makes of a key, and keeps in its place.

use ring::digest::{SHA512, digest};
use zeroize::Zeroizing;

use crate::memory::Needles;

/// What HMAC-SHA-256 makes of a key of at most 64 octets (RFC 2104): the key, padded twice, and the state of the hash after each (FIPS 180-4
/// section 6.2.2), in the machine's order of octets.
pub(crate) fn add_hmac(needles: &mut Needles, name: &'static str, key: &[u8]) {
    for pad in [0x36, 0x5c] {
        let mut block = Zeroizing::new([pad; 64]);
        block.iter_mut().zip(key).for_each(|(octet, key)| *octet ^= key);
        needles.add(name, &block[..key.len()]);
        let mut state = Zeroizing::new([
            0x6a09_e667u32,
            0xbb67_ae85,
            0x3c6e_f372,
            0xa54f_f53a,
            0x510e_527f,
            0x9b05_688c,
            0x1f83_d9ab,
            0x5be0_cd19,
        ]);
        sha2::compress256(&mut state, &[(*block).into()]);
        let mut octets = Zeroizing::new([0; 32]);
        octets.chunks_exact_mut(4).zip(state.iter()).for_each(|(to, word)| to.copy_from_slice(&word.to_ne_bytes()));
        needles.add(name, &*octets);
    }
}

/// What Ed25519 makes of its seed (RFC 8032 section 5.1.5): the scalar, and the prefix that signatures are made with.
pub(crate) fn add_ed25519(needles: &mut Needles, name: &'static str, seed: &[u8]) {
    let mut octets = Zeroizing::new([0; 64]);
    octets.copy_from_slice(digest(&SHA512, seed).as_ref());
    needles.add(name, &octets[32..]);
    octets[0] &= 248;
    octets[31] = octets[31] & 127 | 64;
    needles.add(name, &octets[..32]);
}
