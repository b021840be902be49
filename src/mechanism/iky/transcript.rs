//! What a proof and its answer cover.

use zeroize::Zeroizing;

use super::message::MAX_MESSAGE;
use crate::assertion::{Pin, Service, signing_key};
use crate::channel::{ChannelFacts, Lineage};
use crate::crypto::{Absorb, Secret, constant_time_eq, hash, mac};

/// `T = lp("IKY initiator") lp(mechanism) lp(service) lp(flags) lp(cb-data) lp(lineage or "") lp(initiator up to ",p=")`
///
/// Everything that either side relied on, over the octets as received.
pub(crate) struct Transcript<'a> {
    pin: Pin,
    service: &'a str,
    flags: u8,
    binding: &'a [u8],
    lineage: &'a [u8],
    covered: &'a [u8],
}

impl<'a> Transcript<'a> {
    /// The transcript of a message over this channel; `None` where the channel lacks the mechanism's binding.
    pub(crate) fn new(
        pin: Pin,
        service: &'a Service,
        facts: &'a ChannelFacts,
        lineage: Option<&'a Lineage>,
        covered: &'a [u8],
    ) -> Option<Self> {
        let binding = pin.binding_data(facts)?;
        Some(Self {
            pin,
            service: service.as_str(),
            flags: flags(pin, facts),
            binding,
            lineage: lineage.map_or(&[], Lineage::expose),
            covered,
        })
    }

    fn feed(&self, to: &mut impl Absorb) {
        to.lp(b"IKY initiator");
        to.lp(self.pin.name().as_bytes());
        to.lp(self.service.as_bytes());
        to.lp(&[self.flags]);
        to.lp(self.binding);
        to.lp(self.lineage);
        to.lp(self.covered);
    }

    /// `T` in one piece, for a signature. It holds the lineage, so it is wiped, and never grown.
    fn assembled(&self) -> Zeroizing<Vec<u8>> {
        let mut octets = Zeroizing::new(Vec::with_capacity(MAX_MESSAGE + 512));
        self.feed(&mut *octets);
        octets
    }

    /// `H(T)`
    pub(crate) fn digest(&self) -> Secret {
        hash(self.pin.hash(), |context| self.feed(context))
    }

    /// `ClientKey XOR HMAC(StoredKey, T)`, or `Sign(client signing key, T)`.
    pub(crate) fn prove(&self, client_key: &Secret) -> Option<Secret> {
        if self.pin.signs() {
            let signed = self.assembled();
            return Secret::new(signing_key(client_key)?.sign(&signed).as_ref());
        }
        let stored_key = hash(self.pin.hash(), |context| context.absorb(client_key.as_ref()));
        let mask = mac(self.pin.hash(), stored_key.as_ref(), |context| self.feed(context));
        Some(mask.xor(client_key.as_ref()))
    }

    /// Whether `proof` is that of the client whose key `stored_key` stands for; compares in constant time.
    pub(crate) fn verify(&self, stored_key: &Secret, proof: &Secret) -> bool {
        if self.pin.signs() {
            let signed = self.assembled();
            let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, stored_key.as_ref());
            return key.verify(&signed, proof.as_ref()).is_ok();
        }
        let mask = mac(self.pin.hash(), stored_key.as_ref(), |context| self.feed(context));
        let client_key = mask.xor(proof.as_ref());
        let candidate = hash(self.pin.hash(), |context| context.absorb(client_key.as_ref()));
        constant_time_eq(candidate.as_ref(), stored_key.as_ref())
    }
}

/// `HMAC(ServerKey, lp("IKY responder") lp(H(T)) lp(proof) lp(responder up to "v="))`
pub(crate) fn signature(pin: Pin, server_key: &Secret, transcript: &Secret, proof: &Secret, covered: &[u8]) -> Secret {
    mac(pin.hash(), server_key.as_ref(), |context| {
        context.lp(b"IKY responder");
        context.lp(transcript.as_ref());
        context.lp(proof.as_ref());
        context.lp(covered);
    })
}

/// 1 resumed, 2 early data; 0 for mechanisms whose server may see neither.
fn flags(pin: Pin, facts: &ChannelFacts) -> u8 {
    if pin.needs_counter() {
        return 0;
    }
    u8::from(facts.is_resumed()) | u8::from(facts.is_early_data()) << 1
}
