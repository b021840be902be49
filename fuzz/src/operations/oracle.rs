//! What is true, whatever the service thinks: who logged in, who sent what, and whom the user ended.

use std::collections::{BTreeSet, HashMap, HashSet};

use fast_reauth::Timestamp;
use fast_reauth::assertion::{DeviceId, Policy};
use fast_reauth::mechanism::{Outcome, Recognised};

use crate::common::Tls;

/// A message that a client made.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) client: usize,
    pub(super) mechanism: &'static str,
    pub(super) octets: Vec<u8>,
    /// Beside a token.
    pub(super) count: Option<u64>,
    /// The TLS connection that it was made for.
    pub(super) tls: Tls,
    /// Whether it was made for the sibling service.
    pub(super) sibling: bool,
    /// Which login it is for: the same for early data and for what is sent again where that was not taken.
    pub(super) login: usize,
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
    /// Whether this is early data.
    pub(super) early: bool,
    /// Whether this is the sibling service.
    pub(super) sibling: bool,
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

impl<'a> Received<'a> {
    /// An attribute of IKY's messages, which no other mechanism has.
    fn attribute(&self, name: &[u8]) -> Option<&'a [u8]> {
        let octets = Some(self.octets).filter(|_| self.mechanism.starts_with("IKY-"))?;
        let value = octets.windows(name.len()).position(|found| found == name)? + name.len();
        octets[value..].split(|&octet| octet == b',').next()
    }
}

/// Everything that happened.
#[derive(Default)]
pub(super) struct Oracle {
    pub(super) sent: Vec<Sent>,
    logins: HashMap<[u8; 8], Login>,
    /// Who authenticated on each connection, and whether at the sibling.
    sessions: HashMap<[u8; 16], BTreeSet<(bool, String)>>,
    /// The counters that were accepted, with their assertions.
    counted: HashSet<(Vec<u8>, Vec<u8>)>,
    /// The logins that were accepted, where they are counted.
    taken: HashSet<usize>,
}

impl Oracle {
    pub(super) fn logged_in(
        &mut self,
        device: [u8; 8],
        client: usize,
        user: &'static str,
        (handle, sibling): ([u8; 16], bool),
        at: Timestamp,
    ) {
        self.logins.insert(device, Login { client, user, at, revoked: false });
        self.sessions.entry(handle).or_default().insert((sibling, user.to_owned()));
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
            let own = (on.sibling, login.user.to_owned());
            let alone = resumed.is_some_and(|who| who.contains(&own) && who.iter().all(|(_, user)| *user == own.1));
            assert!(alone, "EXTERNAL on a session of {resumed:?}");
            assert!(!on.early, "EXTERNAL in early data");
        } else {
            let is_it = |sent: &&mut Sent| {
                (&sent.octets[..], sent.mechanism, sent.sibling) == (message.octets, message.mechanism, on.sibling)
            };
            // The same octets may have been made twice, for nothing in them is fresh: HT without binding.
            let mut made = self.sent.iter_mut().filter(is_it).filter(|sent| sent.client == login.client).peekable();
            let sent = made.peek().expect("a message was accepted that its client never sent");
            let login_of = sent.login;
            if message.mechanism.ends_with("-EXPR") || message.mechanism.ends_with("-UNIQ") {
                let here = |sent: &mut Sent| (sent.tls.secret, sent.tls.early_data) == (*on.secret, on.early);
                assert!(made.any(here), "a proof was accepted on another channel");
            } else if message.mechanism.starts_with("IKY-") {
                let sent = made.next().expect("there is one");
                assert!(!core::mem::replace(&mut sent.accepted, true), "a proof was accepted twice");
            } else if message.count.is_some() {
                let mut fresh = made.filter(|sent| sent.count != message.count || !sent.accepted).peekable();
                assert!(fresh.peek().is_some(), "a count was accepted twice");
                fresh.filter(|sent| sent.count == message.count).for_each(|sent| sent.accepted = true);
            }
            let counted = message.attribute(b",i=").zip(message.attribute(b",n="));
            if on.early {
                assert!(counted.is_some(), "early data that nobody counts");
                let own = (on.sibling, login.user.to_owned());
                assert!(resumed.is_some_and(|who| who.contains(&own)), "early data on a session of {resumed:?}");
            }
            if let Some((id, count)) = counted {
                assert!(self.counted.insert((id.to_vec(), count.to_vec())), "a counter was accepted twice");
                assert!(self.taken.insert(login_of), "early data was accepted, and what was sent in its place");
            }
        }
        self.sessions.entry(on.handle).or_default().insert((on.sibling, client.identity().to_owned()));
    }

    /// Nobody is accepted without a name, and nobody named who was not accepted.
    pub(super) fn consistent(outcome: Outcome, client: Option<&Recognised>) {
        assert_eq!(outcome == Outcome::Accepted, client.is_some());
    }
}
