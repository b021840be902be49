//! What a server reads where early data may come first.

use core::fmt;

/// What a client has sent and the server has not yet consumed, in order: early data first.
///
/// A TLS library hands early data out by another call than what follows, and a command may begin in the one and end in the other. This has
/// both, and knows where the boundary is. One for each connection, on which nothing else reads.
#[derive(Default)]
pub struct Input {
    pub(crate) octets: Vec<u8>,
    /// How many of them came as early data.
    pub(crate) early: usize,
    /// No more of it comes.
    #[cfg(feature = "openssl")]
    pub(crate) early_is_over: bool,
}

impl Input {
    /// The octets.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Drops this many octets from the front, once they were acted on.
    pub fn consume(&mut self, octets: usize) {
        let octets = octets.min(self.octets.len());
        self.octets.drain(..octets);
        self.early = self.early.saturating_sub(octets);
    }

    /// Whether the next message is early data: at least its first octet came as that.
    pub fn is_early(&self) -> bool {
        self.early > 0
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("octets", &self.octets.len()).field("early", &self.early).finish()
    }
}
