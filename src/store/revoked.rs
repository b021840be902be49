//! What a revocation comes to in an account, whichever store keeps it.

use super::Revoke;
use crate::assertion::{DeviceId, Revocations};
use crate::time::Timestamp;

/// Of an account's clients, those that a revocation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clients {
    None,
    One(DeviceId),
    AllBut(DeviceId),
    All,
}

impl Clients {
    pub(super) fn include(self, device: DeviceId) -> bool {
        match self {
            Self::None => false,
            Self::One(id) => device == id,
            Self::AllBut(id) => device != id,
            Self::All => true,
        }
    }
}

impl Revoke {
    /// Writes it down among what was revoked of the account; which of its clients it is for. `latest` is when the last of those that the store
    /// has no record of logged in, if any did.
    pub(super) fn write_to(self, revoked: &mut Revocations, latest: Option<Timestamp>, now: Timestamp) -> Clients {
        match self {
            Self::Device(id) if revoked.revoke(id, now, latest) => Clients::All,
            Self::Device(id) => Clients::One(id),
            Self::AllBut(id) => {
                revoked.revoke_all(now, latest, Some(id));
                Clients::AllBut(id)
            }
            Self::All => {
                revoked.revoke_all(now, latest, None);
                Clients::All
            }
            Self::Assertion(_) => Clients::None,
        }
    }
}
