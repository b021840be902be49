//! What a proof is checked with where there is no record: keys whose private halves everybody knows.

use ring::digest;

use super::*;

/// 2^252 and a bit, the order of the base point (RFC 8032 section 5.1), in four limbs, the least first.
const ORDER: [u64; 4] = [0x5812_631a_5cf5_d3ed, 0x14de_f9de_a2f7_9cd6, 0, 0x1000_0000_0000_0000];
const BASE_POINT: [u8; 32] = {
    let mut point = [0x66; 32];
    point[0] = 0x58;
    point
};
/// The base point three times.
const THREE_TIMES: [u8; 32] = [
    0xd4, 0xb4, 0xf5, 0x78, 0x48, 0x68, 0xc3, 0x02, 0x04, 0x03, 0x24, 0x67, 0x17, 0xec, 0x16, 0x9f, 0xf7, 0x9e, 0x26,
    0x60, 0x8e, 0xa1, 0x26, 0xa1, 0xab, 0x69, 0xee, 0x77, 0xd1, 0xb1, 0x67, 0x12,
];

/// A number below the order.
#[derive(Clone, Copy)]
struct Scalar([u64; 4]);

impl Scalar {
    fn plus(self, other: Self) -> Self {
        let (mut sum, mut carry) = ([0; 4], 0);
        for (at, limb) in sum.iter_mut().enumerate() {
            let wide = u128::from(self.0[at]) + u128::from(other.0[at]) + carry;
            (*limb, carry) = (wide as u64, wide >> 64);
        }
        let is_below = sum.iter().rev().lt(ORDER.iter().rev());
        if is_below { Self(sum) } else { Self(difference(sum, ORDER)) }
    }

    fn negated(self) -> Self {
        Self(difference(ORDER, self.0))
    }

    /// What is left of a long number, the least octet first.
    fn of(octets: &[u8]) -> Self {
        let bits = octets.iter().rev().flat_map(|octet| (0..8).rev().map(move |bit| u64::from(octet >> bit & 1)));
        bits.fold(Self([0; 4]), |all, bit| all.plus(all).plus(Self([bit, 0, 0, 0])))
    }
}

fn difference(a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
    let (mut left, mut borrow) = ([0; 4], false);
    for (at, limb) in left.iter_mut().enumerate() {
        let (less, first) = a[at].overflowing_sub(b[at]);
        let (less, second) = less.overflowing_sub(u64::from(borrow));
        (*limb, borrow) = (less, first | second);
    }
    left
}

/// Signs without a key: for a public key that is the base point, or three times it, or either with the other sign.
fn sign(times: u8, is_negative: bool, message: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut public = if times == 1 { BASE_POINT } else { THREE_TIMES };
    public[31] |= u8::from(is_negative) << 7;
    // The nonce is 1, and so its point is the base point.
    let challenge = digest::digest(&digest::SHA512, &[&BASE_POINT[..], &public, message].concat());
    let challenge = Scalar::of(challenge.as_ref());
    let product = (1..times).fold(challenge, |all, _| all.plus(challenge));
    let scalar = Scalar([1, 0, 0, 0]).plus(if is_negative { product.negated() } else { product });
    let signature = [&BASE_POINT[..], &scalar.0.map(u64::to_le_bytes).concat()].concat();
    (public.to_vec(), signature)
}

/// Bob's record has no public key, and is what the store reads in the place of an id that nobody has. Named by its own id, it is for another
/// mechanism.
#[test]
fn who_signs_for_the_key_of_nobody_is_nobody() {
    let mut verified = 0;
    for _ in 0..8 {
        let mut pair = Pair::new(server_with(&[Pin::SHA_256_EXPR]));
        pair.full_login("bob", &Tls::full());
        pair.server = server_with(&[Pin::SHA_256_EXPR, Pin::ED25519_EXPR]);
        let bob = pair.client.assertions(&account("bob")).pop().unwrap();
        for (id, outcome) in [(fresh(), Outcome::Stale), (*bob.id().as_octets(), Outcome::BadProof)] {
            for (times, is_negative) in [(1, false), (1, true), (3, false), (3, true)] {
                let tls = Tls::full();
                let mut forger = Forger::of(&bob);
                (forger.mechanism, forger.id) = (Pin::ED25519_EXPR.name().into(), id);
                let covered = format!("p=tls-exporter,a=bob,h={NAME},i={}", forger.id_b64());
                let transcript = forger.transcript(&tls, None, &covered);
                let (public, signature) = sign(times, is_negative, &transcript);
                let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, &public);
                verified += usize::from(key.verify(&transcript, &signature).is_ok());
                let message = forger.with_proof(&covered, &signature);
                let _ = refused(&pair, &tls, Pin::ED25519_EXPR.name(), &message, outcome);
            }
        }
    }
    assert_eq!(verified, 64, "each is a good signature, for a key that is nobody's");
}
