//! Early data: it was taken, or it was not and is sent again; and whoever kept a flight has it taken elsewhere.

use fast_reauth::store::Store;

use super::service::Fault;
use super::world::World;
use crate::common::{Tls, fresh};

/// What became of a connection whose first octets were early data.
#[derive(Clone, Copy, Debug)]
pub(super) enum Early {
    Taken,
    NotTaken,
    /// Nor the session.
    NotResumed,
}

impl Early {
    pub(super) fn of(which: usize) -> Self {
        match which % 4 {
            0 | 1 => Self::Taken,
            2 => Self::NotTaken,
            _ => Self::NotResumed,
        }
    }
}

impl World {
    /// The client learns what became of its early data, and sends again what was not taken there, whoever may have got it.
    pub(super) fn finish_handshake(&mut self, which: usize, how: Early, node: usize) {
        let Some(at) = self.at(which).filter(|&at| self.open[at].tls.early_data) else { return };
        let here = Tls { early_data: false, early_exporter: false, has_exporter: true, ..self.open[at].tls.clone() };
        let taken = matches!(how, Early::Taken);
        let Some((attempt, sent)) = self.open[at].attempt.take().filter(|_| !taken || self.open[at].answer.is_some())
        else {
            self.open.remove(at);
            return;
        };
        let here = match how {
            Early::Taken => here,
            Early::NotTaken => Tls { secret: fresh(), handle: Tls::full().handle, ..here },
            Early::NotResumed => Tls::full(),
        };
        if !taken {
            let server = self.server_end(self.open[at].sibling, node, &here);
            (self.open[at].server, self.open[at].answer) = (server, None);
        }
        let open = &mut self.open[at];
        let again = open.client.handshake_finished(here.client(), attempt, taken);
        open.tls = here;
        if taken {
            open.server.update_facts(open.tls.server());
            let client = open.answer.as_ref().and_then(|answer| answer.recognised.as_ref());
            if let Some(link) = client.and_then(|client| open.server.recognised(client, self.now)) {
                let _ = self.service.commit(&link, self.now);
            }
            open.attempt = again.map(|attempt| (attempt, sent));
        } else if let Some(attempt) = again {
            let instead = self.sends(at, &attempt);
            self.oracle.sent[instead].login = self.oracle.sent[sent].login;
            self.open[at].attempt = Some((attempt, instead));
        }
    }

    /// A first flight that somebody kept, at a node that takes copied sessions. Nobody gets further on that connection.
    pub(super) fn replay_early(&mut self, which: usize, node: usize) {
        let early: Vec<_> = self.oracle.sent.iter().filter(|sent| sent.tls.early_data).cloned().collect();
        let Some(flight) = early.get(which % early.len().max(1)) else { return };
        self.open_on(flight.client, flight.sibling, node, flight.tls.clone(), None);
        let at = self.open.len() - 1;
        let _ = self.judge(at, flight.mechanism, &flight.octets, flight.count, flight.client, Fault::None);
        self.open.pop();
    }
}
