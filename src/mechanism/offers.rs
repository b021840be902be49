//! What is offered, as clients remember it.

use std::sync::OnceLock;

use crate::assertion::{Hash, OfferHash, Pin};

/// The offer hashes of a service: its connections list much the same, so each is computed once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offers([OnceLock<(Listed, OfferHash)>; 3]);

/// Which of [`Pin::ALL`], a bit each.
type Listed = u16;

impl Offers {
    /// The hash over these mechanisms together. `full` is always the same list.
    pub(crate) fn of<'a>(
        &self,
        hash: Hash,
        pins: impl Iterator<Item = Pin> + Clone,
        full: &'a [Box<str>],
    ) -> OfferHash {
        let listed = pins.clone().fold(0, |listed, pin| listed | pin.bit());
        let [sha_256, sha_384, sha_512] = &self.0;
        let kept = match hash {
            Hash::Sha256 => sha_256,
            Hash::Sha384 => sha_384,
            Hash::Sha512 => sha_512,
        };
        if let Some((_, offer)) = kept.get().filter(|(of, _)| *of == listed) {
            return *offer;
        }
        let offer =
            OfferHash::of(hash, pins.map(|pin| -> &'a str { pin.name() }).chain(full.iter().map(|name| &**name)));
        // The first one stays; a connection that lists something else computes its own.
        let _ = kept.set((listed, offer));
        offer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mechanism_that_is_configured_twice_is_listed() {
        let (offers, full) = (Offers::default(), ["SCRAM-SHA-256-PLUS".into()]);
        let of = |pins: &[Pin]| offers.of(Hash::Sha256, pins.iter().copied(), &full);
        assert_ne!(of(&[]), of(&[Pin::SHA_256_EXPR; 2]));
        assert_eq!(of(&[]), of(&[]));
    }
}
