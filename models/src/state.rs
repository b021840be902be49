//! Everything that a state is, as a digest: what tells two states apart.

use crate::common::account;
use crate::octets::Digest;
use crate::world::{Open, Phase, USER, World};

impl World {
    /// `spent` is what the bounds still allow.
    pub fn digest(&self, spent: &[usize]) -> [u8; 32] {
        let mut digest = Digest::new();
        digest.feed(self.shared.fingerprint());
        digest.feed(format!("{:?} {:?} {spent:?}", self.now, self.made));
        self.truth.feed(&mut digest);
        for client in &self.clients {
            let (assertions, tokens) = client.held();
            digest.feed(format!("{} {} {:?}", assertions.len(), tokens.len(), client.login));
            assertions.iter().chain(&tokens).for_each(|one| digest.feed(one));
            digest.feed(format!("{:?}", client.accounts.last_offer(&account(USER))));
            if let Some(session) = &client.session {
                digest.feed(session.tls.secret);
                digest.feed(format!("{:?}", session.predecessor.as_ref().and_then(|before| before.family)));
            }
        }
        for (at, open) in &self.open {
            digest.feed(format!("{at:?} {}", open.node));
            open.feed(&mut digest);
        }
        digest.finish()
    }
}

impl Open {
    fn feed(&self, digest: &mut Digest) {
        digest.feed(&self.before);
        digest.feed(format!("{:?}", self.tls.resumed.map(|handle| *handle.as_octets())));
        self.tried.iter().for_each(|message| digest.feed(message));
        match &self.phase {
            Phase::Sent(said) => digest.feed(format!("sent {:?}", said.message())),
            Phase::Looked { said, found, revoked, at } => {
                digest.feed(format!("looked {:?} {found:?} {revoked:?} {at:?}", said.message()));
            }
            Phase::Prepared { at, .. } => digest.feed(format!("prepared {at:?}")),
            Phase::Answered { said, verdict } => {
                digest.feed(format!("answered {:?} {:?}", said.message(), verdict.outcome));
                digest.feed(verdict.message.as_deref().unwrap_or_default());
                digest.feed(verdict.token.as_ref().map_or("", |issued| issued.token.expose()));
            }
            Phase::Welcomed { token, device, known } => {
                digest.feed(format!("welcomed {device:?} {known}"));
                digest.feed(token.as_ref().map_or("", |issued| issued.token.expose()));
            }
        }
    }
}
