//! Random octets that few logins need.

use core::fmt;

use crate::assertion::Salt;

/// 32 octets from a cryptographically secure random number generator, for a token that may be due: as they are (`[u8; 32]`), or a function that draws
/// them (`&f`) once they are needed, which saves most logins a call of the kernel. From one that draws none there is no new token, and no error: it should report itself why it can't.
#[derive(Clone, Copy)]
pub struct Fresh<'m>(Source<'m>);

#[derive(Clone, Copy)]
enum Source<'m> {
    Drawn([u8; Salt::LEN]),
    OnDemand(&'m (dyn Fn() -> Option<[u8; Salt::LEN]> + Sync)),
}

impl Fresh<'_> {
    pub(super) fn draw(&self) -> Option<Salt> {
        match self.0 {
            Source::Drawn(octets) => Some(Salt::new(octets)),
            Source::OnDemand(draw) => draw().map(Salt::new),
        }
    }
}

impl From<[u8; Salt::LEN]> for Fresh<'_> {
    fn from(octets: [u8; Salt::LEN]) -> Self {
        Self(Source::Drawn(octets))
    }
}

impl<'m, F: Fn() -> Option<[u8; Salt::LEN]> + Sync> From<&'m F> for Fresh<'m> {
    fn from(draw: &'m F) -> Self {
        Self(Source::OnDemand(draw))
    }
}

impl fmt::Debug for Fresh<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fresh(redacted)")
    }
}
