//! A login in TLS 1.3 early data: sent ahead of the handshake, and sent again where the server did not take it.

use super::connection::{Attempt, Connection, State, Tried, prove};
use crate::assertion::Service;
use crate::channel::ChannelFacts;
use crate::time::Timestamp;

impl Connection<'_> {
    /// What to send as early data, where the connection's facts are those of early data: IKY with a counter, on a session that
    /// an assertion of the same family authenticated on, in IMAP. `None`: send nothing until the handshake is finished.
    ///
    /// Behind it goes only what [`RideAlong::permits_early`](crate::profile::RideAlong::permits_early) allows. Whoever held the flight
    /// back can have it carried out later, once: so store the assertion first ([`Attempt::store_first`]), and when the handshake
    /// is finished go on with [`handshake_finished`](Self::handshake_finished).
    pub fn plan_early(&mut self, now: Timestamp) -> Option<Attempt> {
        let is_for_it = self.facts.is_early_data() && self.account.scope.service == Service::IMAP;
        if is_for_it { self.iky(now) } else { None }
    }

    /// The handshake is finished, and gave these facts: the attempt to settle. `taken` is what TLS says of the early data.
    ///
    /// If it was not taken, the attempt is a new one, to be sent now, with what went along behind it. It has the same counter, so
    /// that of the two the server accepts one, whoever may have kept the first: never make it another way on this connection
    /// before this one is settled. `None` if the connection can't carry it: plan anew.
    pub fn handshake_finished(&mut self, facts: ChannelFacts, early: Attempt, taken: bool) -> Option<Attempt> {
        self.predecessor = self.predecessor.take().filter(|_| facts.is_resumed());
        self.facts = self.facts.updated(facts);
        let State::Iky(client) = &early.state else { return None };
        if taken {
            return Some(early);
        }
        let assertion = client.assertion();
        let again = prove(assertion, &self.facts, self.predecessor.as_ref(), Some(assertion.counter));
        if again.is_none() {
            self.tried.retain(|tried| *tried != Tried::Iky(*assertion.id()));
        }
        again
    }
}
