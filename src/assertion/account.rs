//! What a store knows of an account as a whole: its secret, and what of it was revoked.

use core::fmt;
use std::sync::Arc;

use super::{DeviceId, Scope};
use crate::crypto::{Absorb, Hash, constant_time_eq, hash};
use crate::time::Timestamp;

/// A login name at a service, under a server name: what a client's message says before anything is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoginId([u8; LoginId::LEN]);

impl LoginId {
    /// Length, in octets.
    pub const LEN: usize = 16;

    /// The first 16 octets of `SHA-256(lp("login v1") lp(service) lp(server name) lp(login name))`.
    pub fn of(scope: &Scope, login_name: &str) -> Self {
        Self::of_names(scope.service.as_str(), scope.server_name.as_str(), login_name)
    }

    pub(crate) fn of_names(service: &str, server_name: &str, login_name: &str) -> Self {
        let digest = hash(Hash::Sha256, |context| {
            for part in ["login v1", service, server_name, login_name] {
                context.lp(part.as_bytes());
            }
        });
        let mut first = [0; Self::LEN];
        first.copy_from_slice(&digest.as_ref()[..Self::LEN]);
        Self(first)
    }

    /// An id of 16 octets that was computed before, as a store kept it.
    pub const fn from_octets(octets: [u8; Self::LEN]) -> Self {
        Self(octets)
    }

    /// The 16 octets.
    pub const fn as_octets(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for LoginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginId(")?;
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
        f.write_str(")")
    }
}

/// 16 secret octets of an account, which the service key is mixed with to seal its assertions. A service key that is stolen alone
/// opens none of them; an account whose secret is gone has none.
#[derive(Clone)]
pub struct AccountSecret([u8; AccountSecret::LEN]);

impl AccountSecret {
    /// Length, in octets.
    pub const LEN: usize = 16;

    /// A secret of 16 octets from a cryptographically secure random number generator.
    pub const fn new(random: [u8; Self::LEN]) -> Self {
        Self(random)
    }

    /// The secret octets.
    pub const fn expose(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl PartialEq for AccountSecret {
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq(&self.0, &other.0)
    }
}

impl Eq for AccountSecret {}

impl Drop for AccountSecret {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

impl fmt::Debug for AccountSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountSecret(redacted)")
    }
}

/// An account's secret, and what of the account was revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountState {
    /// Whose it is, as the server calls it. Nothing that is sealed for another is opened with it, whatever name its client logs in with.
    pub identity: Arc<str>,
    /// The secret.
    pub secret: AccountSecret,
    /// What was revoked.
    pub revoked: Revocations,
}

/// What of an account was revoked. One number decides for all that were logged in by then; the rest are exceptions.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Revocations {
    /// Every client that logged in fully at this time or before is revoked, but for the one that is spared.
    pub until: Option<Timestamp>,
    /// The client that "log out everywhere else" left alone.
    pub spared: Option<Spared>,
    /// Clients that were revoked by themselves, [`MAX_DEVICES`](Self::MAX_DEVICES) at most.
    pub devices: Vec<DeviceId>,
}

/// A client that was spared when all others were revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spared {
    /// Which.
    pub device: DeviceId,
    /// It is spared only if it logged in fully after this, the revocation before, which did not spare it.
    pub after: Option<Timestamp>,
}

impl Revocations {
    /// How many clients can be revoked one by one. The next one takes all others with it.
    pub const MAX_DEVICES: usize = 256;

    /// Whether a client that logged in fully then is revoked.
    pub fn revokes(&self, device: DeviceId, full_login: Timestamp) -> bool {
        let spares = |spared: Spared| spared.device == device && spared.after.is_none_or(|after| after < full_login);
        let with_all = self.until.is_some_and(|until| full_login <= until) && !self.spared.is_some_and(spares);
        with_all || self.devices.contains(&device)
    }

    /// Revokes all clients that logged in until now, but for one. `latest` is when the last of those that the store has no record of did,
    /// by a clock that may be ahead of this one.
    pub fn revoke_all(&mut self, now: Timestamp, latest: Option<Timestamp>, but: Option<DeviceId>) {
        let after = |device| match self.spared {
            Some(before) if before.device == device => before.after,
            _ => self.until,
        };
        self.spared = but.map(|device| Spared { device, after: after(device) });
        self.until = self.until.max(Some(now)).max(latest);
        self.devices.retain(|device| Some(*device) == but);
    }

    /// Revokes one client; with `latest` as for [`revoke_all`](Self::revoke_all), which it comes to where too many are revoked. Whether it
    /// did: all that the store has of the account's other clients is then revoked too.
    #[must_use = "of the clients that a store knows, all are then revoked"]
    pub fn revoke(&mut self, device: DeviceId, now: Timestamp, latest: Option<Timestamp>) -> bool {
        if self.devices.contains(&device) {
            return false;
        }
        let takes_all = self.devices.len() >= Self::MAX_DEVICES;
        if takes_all {
            self.revoke_all(now, latest, None);
        }
        self.devices.push(device);
        takes_all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: DeviceId = DeviceId::new([1; 8]);
    const B: DeviceId = DeviceId::new([2; 8]);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    #[test]
    fn a_client_that_was_revoked_is_never_spared_later() {
        let mut revoked = Revocations::default();
        revoked.revoke_all(at(10), None, Some(A));
        assert!(!revoked.revokes(A, at(1)) && revoked.revokes(B, at(1)) && !revoked.revokes(B, at(11)));
        revoked.revoke_all(at(20), None, Some(A));
        assert!(!revoked.revokes(A, at(1)), "spared twice");
        revoked.revoke_all(at(30), None, Some(B));
        assert!(revoked.revokes(A, at(1)) && revoked.revokes(B, at(1)) && !revoked.revokes(B, at(21)));
        assert!(!revoked.revoke(B, at(31), None));
        revoked.revoke_all(at(32), None, Some(B));
        assert!(revoked.revokes(B, at(21)), "revoked by itself before");
        assert!(!revoked.revokes(A, at(33)));
    }

    #[test]
    fn a_clock_that_is_ahead_spares_nobody() {
        let mut revoked = Revocations::default();
        revoked.revoke_all(at(10), Some(at(14)), Some(A));
        assert!(revoked.revokes(B, at(14)) && !revoked.revokes(A, at(14)) && !revoked.revokes(B, at(15)));
    }

    #[test]
    fn a_long_list_of_clients_takes_all_others_with_it() {
        let mut revoked = Revocations::default();
        for n in 0..=Revocations::MAX_DEVICES as u64 {
            let takes_all = revoked.revoke(DeviceId::new(n.to_be_bytes()), at(5), None);
            assert_eq!(takes_all, n == Revocations::MAX_DEVICES as u64);
        }
        assert!(revoked.devices.len() == 1 && revoked.revokes(A, at(5)) && !revoked.revokes(A, at(6)));
    }
}
