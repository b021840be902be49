//! What may come before the handshake is finished.

use super::message::{InitiatorMessage, Named};
use crate::assertion::Service;
use crate::channel::Tickets;
use crate::mechanism::Connection;

/// Whether the message comes when it may: after the handshake, or as early data that is fit for it.
pub(super) fn is_timely(connection: &Connection<'_>, message: &InitiatorMessage<'_>) -> bool {
    let facts = &connection.facts;
    if !facts.is_early_data() {
        return !facts.exporter_is_to_come();
    }
    // A login of IMAP changes nothing by itself; elsewhere it may bind, or resume. Anybody who saw early data can send it again, so that a counter has to tell; nobody keeps one for a sealed assertion. Whoever
    // has a ticket key can put other commands behind the proof. The lineage ties the proof to this session.
    connection.server.early_data
        && connection.server.service == Service::IMAP
        && facts.session_tickets() == Tickets::Stateful
        && message.lineage
        && message.counter.is_some()
        && matches!(message.assertion, Named::Id(_))
}
