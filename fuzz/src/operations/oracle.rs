//! What is true, whatever the service thinks: who logged in, who sent what, and whom the user ended.

use std::collections::{BTreeSet, HashMap};

use fast_reauth::Timestamp;
use fast_reauth::assertion::{DeviceId, Policy};
use fast_reauth::mechanism::{Outcome, Recognised};

/// A message that a client made.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) client: usize,
    pub(super) mechanism: &'static str,
    pub(super) octets: Vec<u8>,
    /// Beside a token.
    pub(super) count: Option<u64>,
    /// The secret of the TLS connection that it was made for.
    pub(super) channel: [u8; 32],
    pub(super) accepted: bool,
}

/// A full login.
struct Login {
    client: usize,
    user: &'static str,
    at: Timestamp,
    revoked: bool,
}

/// A connection, as the rules see it.
pub(super) struct Channel<'a> {
    pub(super) secret: &'a [u8; 32],
    pub(super) handle: [u8; 16],
    pub(super) resumed: Option<[u8; 16]>,
    /// Whether somebody else may have the same secrets.
    pub(super) may_be_shared: bool,
    /// Whose connection it is.
    pub(super) user: &'static str,
}

/// A message as the service got it.
pub(super) struct Received<'a> {
    pub(super) mechanism: &'a str,
    pub(super) octets: &'a [u8],
    pub(super) count: Option<u64>,
}

/// Everything that happened.
#[derive(Default)]
pub(super) struct Oracle {
    pub(super) sent: Vec<Sent>,
    logins: HashMap<[u8; 8], Login>,
    /// Who authenticated on each connection.
    sessions: HashMap<[u8; 16], BTreeSet<String>>,
}

impl Oracle {
    pub(super) fn logged_in(
        &mut self,
        device: [u8; 8],
        client: usize,
        user: &'static str,
        handle: [u8; 16],
        at: Timestamp,
    ) {
        self.logins.insert(device, Login { client, user, at, revoked: false });
        self.sessions.entry(handle).or_default().insert(user.to_owned());
    }

    /// The account's logins until now are over, but for one.
    pub(super) fn revoked(&mut self, user: Option<&str>, but: Option<[u8; 8]>, now: Timestamp) {
        for (device, login) in &mut self.logins {
            let meant = user.is_none_or(|user| user == login.user) && Some(*device) != but;
            login.revoked |= meant && login.at <= now;
        }
    }

    pub(super) fn revoked_device(&mut self, device: [u8; 8]) {
        if let Some(login) = self.logins.get_mut(&device) {
            login.revoked = true;
        }
    }

    /// A login of this user that was not revoked, if there is one.
    pub(super) fn device(&self, user: &str, which: usize) -> Option<DeviceId> {
        let mut devices: Vec<_> = self.logins.iter().filter(|(_, login)| login.user == user).collect();
        devices.sort_unstable_by_key(|(device, _)| **device);
        devices.get(which % devices.len().max(1)).map(|(device, _)| DeviceId::new(**device))
    }

    /// Whoever is accepted held the client's key, for this channel.
    pub(super) fn accepted(&mut self, client: &Recognised, message: &Received<'_>, on: &Channel<'_>, now: Timestamp) {
        let device = *client.device().as_octets();
        let login = self.logins.get(&device).expect("a client that never logged in was accepted");
        assert_eq!((client.identity(), client.full_login()), (login.user, login.at), "accepted as somebody else");
        assert!(!login.revoked, "a client was accepted that was revoked");
        assert!(now < login.at.after(Policy::default().full_login_every), "a full login was due");
        assert!(!on.may_be_shared, "accepted on a channel that may be shared");
        let resumed = on.resumed.and_then(|handle| self.sessions.get(&handle));
        if message.mechanism == "EXTERNAL" {
            assert_eq!(on.user, login.user, "EXTERNAL on another user's session");
            let name = login.user.as_bytes();
            assert!(message.octets.is_empty() || message.octets == name, "EXTERNAL for somebody else");
            let alone = resumed.is_some_and(|who| who.iter().eq([login.user]));
            assert!(alone, "EXTERNAL on a session of {resumed:?}");
        } else {
            let is_it = |sent: &&mut Sent| sent.octets == message.octets && sent.mechanism == message.mechanism;
            // The same octets may have been made twice, for nothing in them is fresh: HT without binding.
            let mut made = self.sent.iter_mut().filter(is_it).filter(|sent| sent.client == login.client).peekable();
            assert!(made.peek().is_some(), "a message was accepted that its client never sent");
            if message.mechanism.ends_with("-EXPR") {
                assert!(made.any(|sent| sent.channel == *on.secret), "a proof was accepted on another channel");
            } else if message.mechanism.starts_with("IKY-") {
                let sent = made.next().expect("there is one");
                assert!(!core::mem::replace(&mut sent.accepted, true), "a proof was accepted twice");
            } else if message.count.is_some() {
                let mut fresh = made.filter(|sent| sent.count != message.count || !sent.accepted).peekable();
                assert!(fresh.peek().is_some(), "a count was accepted twice");
                fresh.filter(|sent| sent.count == message.count).for_each(|sent| sent.accepted = true);
            }
        }
        self.sessions.entry(on.handle).or_default().insert(client.identity().to_owned());
    }

    /// Nobody is accepted without a name, and nobody named who was not accepted.
    pub(super) fn consistent(outcome: Outcome, client: Option<&Recognised>) {
        assert_eq!(outcome == Outcome::Accepted, client.is_some());
    }
}
