//! What is true whatever the service thinks, and which of the rules was broken.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use fast_reauth::Timestamp;
use fast_reauth::assertion::AssertionId;
use fast_reauth::mechanism::Recognised;

use crate::common::Tls;
use crate::octets::Digest;
use crate::world::USER;

/// A rule, by how it was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Broken {
    AcceptedRevoked,
    AcceptedStranger,
    AcceptedElsewhere,
    AcceptedTwice,
    FailedAttemptChanged,
    EndsDisagree,
    UnsignedRefusal,
    Stuck,
    FullLoginForNothing,
}

impl Broken {
    /// What should have been.
    pub fn rule(self) -> &'static str {
        match self {
            Self::AcceptedRevoked => "nobody is accepted once a revocation returned",
            Self::AcceptedStranger => "only the client that logged in is accepted, as who it is",
            Self::AcceptedElsewhere => "a bound message is good on its own channel alone",
            Self::AcceptedTwice => "a counter is accepted once",
            Self::FailedAttemptChanged => "a failed attempt changes nothing in the store",
            Self::EndsDisagree => "the client believes what its server said",
            Self::UnsignedRefusal => "a refusal that nobody signed ends nothing",
            Self::Stuck => "no client is stuck",
            Self::FullLoginForNothing => "nobody logs in fully whom nothing ended",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Message {
    pub mechanism: &'static str,
    pub octets: Vec<u8>,
    pub count: Option<u64>,
}

#[derive(Debug)]
struct Sent {
    client: usize,
    /// The secret of the connection that it was made for.
    channel: [u8; 32],
    accepted: bool,
}

#[derive(Debug)]
struct Login {
    client: usize,
    at: Timestamp,
}

/// Who is over.
#[derive(Clone, Debug, Default)]
pub struct Revoked {
    devices: BTreeSet<[u8; 8]>,
    /// Assertions that were revoked alone, as messages name them.
    assertions: BTreeSet<String>,
}

impl Revoked {
    fn has(&self, device: &[u8; 8], message: &Message) -> bool {
        let text = String::from_utf8_lossy(&message.octets);
        self.devices.contains(device) || self.assertions.iter().any(|id| text.contains(&**id))
    }
}

/// Everything that happened.
#[derive(Debug, Default)]
pub struct Truth {
    sent: BTreeMap<Message, Sent>,
    logins: BTreeMap<[u8; 8], Login>,
    revoked: Revoked,
    broken: Option<Broken>,
}

impl Truth {
    pub fn broken(&mut self, rule: Broken) {
        self.broken.get_or_insert(rule);
    }

    pub fn what_broke(&self) -> Option<Broken> {
        self.broken
    }

    pub fn revoked(&self) -> &Revoked {
        &self.revoked
    }

    pub fn is_revoked(&self, device: &[u8; 8]) -> bool {
        self.revoked.devices.contains(device)
    }

    /// A client made this message for the connection of this secret.
    pub fn sent(&mut self, message: &Message, client: usize, channel: [u8; 32]) {
        self.sent.insert(message.clone(), Sent { client, channel, accepted: false });
    }

    /// What the attacker has seen: everything but EXTERNAL, which is no more than a name.
    pub fn seen(&self, which: usize) -> Option<Message> {
        self.sent.keys().filter(|message| message.mechanism != "EXTERNAL").nth(which).cloned()
    }

    pub fn logged_in(&mut self, device: [u8; 8], client: usize, at: Timestamp) {
        self.logins.insert(device, Login { client, at });
    }

    pub fn revoke_device(&mut self, device: [u8; 8]) {
        self.revoked.devices.insert(device);
    }

    pub fn revoke_all(&mut self, now: Timestamp) {
        let until_now = self.logins.iter().filter(|(_, login)| login.at <= now);
        self.revoked.devices.extend(until_now.map(|(device, _)| *device));
    }

    pub fn ended(&mut self, assertion: &AssertionId) {
        self.revoked.assertions.insert(format!(",i={}", STANDARD_NO_PAD.encode(assertion.as_octets())));
    }

    /// Somebody was accepted, whom the store last knew when these were revoked.
    pub fn accepted(&mut self, client: &Recognised, message: &Message, on: &Tls, revoked: &Revoked, owner: usize) {
        let device = *client.device().as_octets();
        let login =
            self.logins.get(&device).filter(|login| client.identity() == USER && login.at == client.full_login());
        let Some(who) = login.map(|login| login.client) else { return self.broken(Broken::AcceptedStranger) };
        if revoked.has(&device, message) {
            self.broken(Broken::AcceptedRevoked);
        }
        if message.mechanism == "EXTERNAL" {
            if owner != who {
                self.broken(Broken::AcceptedStranger);
            }
            return;
        }
        let Some(sent) = self.sent.get_mut(message).filter(|sent| sent.client == who) else {
            return self.broken(Broken::AcceptedStranger);
        };
        let again = core::mem::replace(&mut sent.accepted, true);
        if message.mechanism.ends_with("-EXPR") {
            if sent.channel != on.secret {
                self.broken(Broken::AcceptedElsewhere);
            }
        } else if again {
            self.broken(Broken::AcceptedTwice);
        }
    }

    pub fn feed(&self, digest: &mut Digest) {
        let Self { sent, logins, revoked, broken } = self;
        for (message, sent) in sent {
            digest.feed(message.mechanism);
            digest.feed(&message.octets);
            digest.feed(format!("{:?} {} {}", message.count, sent.client, sent.accepted));
            digest.feed(sent.channel);
        }
        digest.feed(format!("{logins:?} {revoked:?} {broken:?}"));
    }
}
