//! The attacker: has an account and connections of her own, every message that was ever sent, and sends what she likes.

use fast_reauth::mechanism::Outcome;

use super::client::Session;
use super::service::Fault;
use super::world::{MALLORY, Way, World};
use crate::input::edited;

impl World {
    /// Something made of a message that was sent, on a connection of the attacker's.
    pub(super) fn attack(&mut self, which: usize, on: usize, how: usize) {
        if self.oracle.sent.is_empty() {
            return;
        }
        let at = self.hers(on);
        let stolen = self.oracle.sent[which % self.oracle.sent.len()].clone();
        let other = self.oracle.sent[(which + 1 + how / 8) % self.oracle.sent.len()].clone();
        let octets = match how % 8 {
            0 | 1 => stolen.octets.clone(),
            2 => edited(&stolen.octets, &[on as u8, how as u8, which as u8]),
            3 => [head(&stolen.octets), tail(&other.octets)].concat(),
            4 => [head(&other.octets), tail(&stolen.octets)].concat(),
            5 => replaced(&stolen.octets, b"a=alice", b"a=mallory"),
            6 => replaced(&stolen.octets, b"a=mallory", b"a=alice"),
            _ => replaced(&stolen.octets, b",l=1", b""),
        };
        let count = match how / 8 % 3 {
            0 => stolen.count,
            1 => stolen.count.map(|count| count + 1),
            _ => None,
        };
        let verdict = self.judge(at, stolen.mechanism, &octets, count, stolen.client, Fault::None);
        if verdict.outcome == Outcome::Accepted {
            // The session is hers now, and its tickets.
            let tls = self.open[at].tls.clone();
            let sibling = self.open[at].sibling;
            self.clients[MALLORY].session = Some(Session { tls, sibling, predecessor: None });
        }
    }

    /// EXTERNAL as somebody on a session of the attacker's.
    pub(super) fn attack_external(&mut self, whom: usize, on: usize) {
        let at = self.hers(on);
        let name = ["alice", "bob", "mallory", ""][whom % 4];
        let _ = self.judge(at, "EXTERNAL", name.as_bytes(), None, MALLORY, Fault::None);
    }

    fn hers(&mut self, which: usize) -> usize {
        if which & 64 != 0 {
            return self.connect(MALLORY, Way::of(which));
        }
        let hers: Vec<usize> = (0..self.open.len()).filter(|&at| self.open[at].owner == MALLORY).collect();
        match hers.get(which % (hers.len() + 1)) {
            Some(&at) => at,
            None => self.connect(MALLORY, Way::plain(which % 2 == 0)),
        }
    }
}

/// Up to the proof.
fn head(message: &[u8]) -> &[u8] {
    &message[..end_of_covered(message)]
}

fn tail(message: &[u8]) -> &[u8] {
    &message[end_of_covered(message)..]
}

fn end_of_covered(message: &[u8]) -> usize {
    let iky = message.windows(3).rposition(|three| three == b",p=");
    let ht = message.iter().position(|&octet| octet == 0);
    iky.or(ht).unwrap_or(message.len())
}

fn replaced(message: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    match message.windows(what.len()).position(|found| found == what) {
        Some(at) => [&message[..at], with, &message[at + what.len()..]].concat(),
        None => message.to_vec(),
    }
}
