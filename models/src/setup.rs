//! Services: what they offer, and their two nodes.

use fast_reauth::assertion::{HtMechanism, LineageRule, Pin, Policy, Service, ServiceKeys};
use fast_reauth::channel::ServerName;
use fast_reauth::mechanism::Server;

use crate::common::{FULL, NAME};

/// A service of two nodes that share a store.
pub struct Setup {
    pub name: &'static str,
    pub pins: Vec<Pin>,
    pub token: Option<HtMechanism>,
    /// The second node has the service's keys in the other order: they are just being rotated.
    pub nodes: [Server; 2],
}

impl Setup {
    fn new(name: &'static str, pins: &[Pin], token: Option<HtMechanism>, sealed: bool, external: bool) -> Self {
        let node = |current| {
            let keys = ServiceKeys::new(1, &[0x11; 32]).and(2, &[0x22; 32]);
            let keys = keys.ok().and_then(|keys| keys.current(current)).expect("both are there");
            let mut policy = Policy::default();
            // So that chance alone, and no rule, decides whether a client comes back without its session.
            policy.lineage = LineageRule::Never;
            let names = [ServerName::parse(NAME).expect("a name")];
            let server = Server::new(Service::IMAP, names, FULL).expect("it has a name");
            let server = server.pins(pins.iter().copied()).policy(policy);
            let server = if external { server } else { server.without_external() };
            let server = if sealed { server.sealed(keys.clone()) } else { server };
            if let Some(token) = token { server.fast([token], keys) } else { server }
        };
        Self { name, pins: pins.to_vec(), token, nodes: [node(1), node(2)] }
    }

    pub fn all() -> Vec<&'static Self> {
        let all = [
            Self::new("IKY-SHA-256-EXPR", &[Pin::SHA_256_EXPR], None, false, false),
            Self::new("IKY-SHA-256-NONE", &[Pin::SHA_256_NONE], None, false, false),
            Self::new("IKY-SHA-256-EXPR, sealed", &[Pin::SHA_256_EXPR], None, true, false),
            Self::new("IKY-ED25519-EXPR and EXTERNAL", &[Pin::ED25519_EXPR], None, false, true),
            Self::new("HT-SHA-256-EXPR", &[], Some(HtMechanism::HT_SHA_256_EXPR), false, false),
        ];
        // They live as long as the process: states refer to them from every thread.
        all.into_iter().map(|setup| &*Box::leak(Box::new(setup))).collect()
    }
}
