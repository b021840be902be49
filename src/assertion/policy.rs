//! What follows from an origin: whether an assertion is kept, and for how long.

use core::time::Duration;

use super::{Binding, Origin, Pin, TokenBinding};
use crate::time::Timestamp;

const DAY: u64 = 24 * 60 * 60;

/// Which assertions may be used only on a TLS session whose lineage is proved (`l=1`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LineageRule {
    /// None of them; a lineage that a client proves all the same is checked.
    Never,
    /// Those whose proof isn't bound to one connection (`-ENDP`, `-NONE`): a resumed session is what ties them to it.
    #[default]
    ForReusableProofs,
    /// All of them: a client that comes back without its TLS session logs in fully.
    Always,
}

/// An operator's rules for assertions. The default is what the draft recommends.
///
/// Either end may be stricter than the other: the stricter one decides, and the other falls back to a full login.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// How long an assertion from a bound or keyed origin lasts without renewal. Default: 30 days.
    pub lifetime: Duration,
    /// The same from a disclosed origin. Default: 7 days.
    pub disclosed_lifetime: Duration,
    /// The same from an unbound origin; `None`, the default, refuses them, as one relayed login would become a lasting key.
    pub unbound_lifetime: Option<Duration>,
    /// How long a derived assertion may wait for its first use. Default: 7 days.
    pub tentative_lifetime: Duration,
    /// After this time since the last full login, renewals included, another one is due. Default: 180 days.
    pub full_login_every: Duration,
    /// The weakest strength of a session ([`LineageRecord::strength`](super::LineageRecord::strength)) that EXTERNAL accepts.
    /// Default: disclosed.
    pub external_origin: Origin,
    /// EXTERNAL on sessions in stateless tickets, where a stolen ticket key would be a login. Default: no.
    pub external_on_stateless_tickets: bool,
    /// How long a connection's lineage is remembered for those that resume it. Default: 7 days, the longest that RFC 8446
    /// lets a ticket live.
    pub lineage_lifetime: Duration,
    /// Which assertions must come with the lineage of a session, where the server sees sessions resume.
    pub lineage: LineageRule,
    /// The weakest channel binding that this service takes. A mechanism below it is not listed and is refused when it is tried, and no
    /// assertion or token is made for it. Default: none, which takes them all.
    ///
    /// A sibling has a policy of its own, which decides there.
    pub weakest_binding: Binding,
    /// An assertion that has less than this left, and less than a third of its lifetime, is renewed when it is used; zero never
    /// renews. Default: 10 days.
    pub renew_within: Duration,
    /// How long an assertion goes on after its successor was first used, for connections still under way. Default: 5 minutes.
    pub successor_grace: Duration,
    /// For how many of the listed mechanisms a record is made at a login. Default: 2.
    pub records_per_login: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(30 * DAY),
            disclosed_lifetime: Duration::from_secs(7 * DAY),
            unbound_lifetime: None,
            tentative_lifetime: Duration::from_secs(7 * DAY),
            full_login_every: Duration::from_secs(180 * DAY),
            external_origin: Origin::Disclosed,
            external_on_stateless_tickets: false,
            lineage_lifetime: Duration::from_secs(7 * DAY),
            lineage: LineageRule::ForReusableProofs,
            weakest_binding: Binding::None,
            renew_within: Duration::from_secs(10 * DAY),
            successor_grace: Duration::from_secs(5 * 60),
            records_per_login: 2,
        }
    }
}

impl Policy {
    /// How long an assertion of this origin lasts; `None` refuses it.
    pub fn lifetime_of(&self, origin: Origin) -> Option<Duration> {
        match origin {
            Origin::Bound | Origin::Keyed => Some(self.lifetime),
            Origin::Disclosed => Some(self.disclosed_lifetime),
            Origin::Unbound => self.unbound_lifetime,
        }
    }

    /// Whether this service takes a mechanism with this binding.
    pub fn takes(&self, binding: Binding) -> bool {
        // The strongest comes first.
        binding <= self.weakest_binding
    }

    /// The same of a token's binding.
    pub(crate) fn takes_token(&self, binding: TokenBinding) -> bool {
        self.takes(match binding {
            TokenBinding::Exporter | TokenBinding::Unique => Binding::Exporter,
            TokenBinding::EndPoint => Binding::EndPoint,
            TokenBinding::None => Binding::None,
        })
    }

    /// When an assertion made now expires: after its lifetime, and never later than the next full login is due.
    pub(crate) fn expiry(&self, origin: Origin, full_login: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let lifetime = self.lifetime_of(origin)?;
        Some(now.after(lifetime).min(full_login.after(self.full_login_every)))
    }

    /// Whether an assertion of this origin that ends then is near enough to its end to be renewed.
    pub(crate) fn renews(&self, origin: Origin, expires: Timestamp, now: Timestamp) -> bool {
        let third = self.lifetime_of(origin).unwrap_or_default() / 3;
        now.seconds_until(expires) < self.renew_within.min(third).as_secs()
    }

    /// When a session stops standing for the client that authenticated on it: with the lineage, and never later than an
    /// assertion of the same origin would end.
    pub(crate) fn lineage_expiry(&self, origin: Origin, full_login: Timestamp, now: Timestamp) -> Timestamp {
        let end = now.after(self.lineage_lifetime);
        self.expiry(origin, full_login, now).map_or(end, |expiry| expiry.min(end))
    }

    /// Whether this mechanism's proof must come with a lineage where sessions resume.
    pub(crate) fn requires_lineage(&self, pin: Pin) -> bool {
        match self.lineage {
            LineageRule::Never => false,
            LineageRule::ForReusableProofs => pin.needs_counter(),
            LineageRule::Always => true,
        }
    }
}
