//! Octets that stand for random ones, and a digest of a state.

use ring::digest;

use crate::action::At;

/// Random octets of a connection: no other purpose and no other connection has these, and another run has the same.
pub fn named<const N: usize>(purpose: &str, at: At) -> [u8; N] {
    let mut out = [0; N];
    for (number, piece) in out.chunks_mut(digest::SHA256_OUTPUT_LEN).enumerate() {
        let octets = digest::digest(&digest::SHA256, format!("{purpose} {} {} {number}", at.of, at.number).as_bytes());
        piece.copy_from_slice(&octets.as_ref()[..piece.len()]);
    }
    out
}

/// Takes in one thing after another, each with its length.
pub struct Digest(digest::Context);

impl Digest {
    pub fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    pub fn feed(&mut self, octets: impl AsRef<[u8]>) {
        let octets = octets.as_ref();
        self.0.update(&(octets.len() as u64).to_be_bytes());
        self.0.update(octets);
    }

    pub fn finish(self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.finish().as_ref());
        out
    }
}
