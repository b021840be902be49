//! Random numbers for measurements: SplitMix64, seeded by the system. No secrets come of it.

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::Fault;

/// A generator.
pub struct Random(u64);

impl Random {
    /// Another one each time.
    pub fn new() -> Result<Self, Fault> {
        let mut seed = [0; 8];
        SystemRandom::new().fill(&mut seed).map_err(|_| "the system gives no random octets")?;
        Ok(Self(u64::from_ne_bytes(seed)))
    }

    /// The same one each time.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// An octet that is not 0.
    pub fn octet(&mut self) -> u8 {
        (1 + self.below(255)) as u8
    }

    /// A number below this one.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.bits()) * end as u128) >> 64) as usize
    }

    /// Random octets.
    pub fn octets<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| self.bits() as u8)
    }
}
