//! EXTERNAL, the server's side.

use crate::assertion::LineageRecord;
use crate::channel::{Tickets, Unsuitable};
use crate::mechanism::exchange::{AwaitRecordOf, Recognised};
use crate::mechanism::{AwaitRecord, Connection, Outcome, Received, Verdict};
use crate::store::Lookup;
use crate::time::Timestamp;

/// Why a connection is not recognised. Never told to the client; an operator's log may say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The service does not take EXTERNAL for this.
    #[error("the service is configured without it")]
    NotConfigured,
    /// The handshake is not finished: what is known of the channel is good for a greeting only.
    #[error("the channel facts are those of a greeting; update them after the handshake")]
    Handshaking,
    /// TLS did not resume a session.
    #[error("TLS did not resume a session")]
    NotResumed,
    /// The peer is configured as a connection manager, whose sessions stand for nobody.
    #[error("the peer is a connection manager")]
    ConnectionManager,
    /// The connection's keys may be shared with somebody else.
    #[error("the channel is not fit for it: {0}")]
    Channel(#[from] Unsuitable),
    /// What the client sends may be early data, which can be replayed.
    #[error("early data")]
    EarlyData,
    /// The session is in a stateless ticket, and the operator did not choose to trust the ticket key with logins.
    #[error("the session is in a stateless ticket")]
    StatelessTicket,
    /// Nobody is known to have authenticated on the session: never, evicted, or too long ago.
    #[error("nobody is known to have authenticated on the session")]
    Unknown,
    /// The session belongs to another service or server name.
    #[error("the session belongs to another service or server name")]
    OtherScope,
    /// Two identities authenticated on the session.
    #[error("two identities authenticated on the session")]
    Shared,
    /// The client behind it was revoked.
    #[error("the client was revoked")]
    Revoked,
    /// What authenticated on the session tied the client to it more weakly than the policy asks.
    #[error("the client is tied to the session more weakly than the policy asks")]
    WeakOrigin,
    /// The full login behind it is too long ago.
    #[error("the full login behind it is too long ago")]
    FullLoginDue,
    /// The client asked to act as somebody else than it was.
    #[error("the client asked to act as somebody else")]
    OtherIdentity,
    /// The authzid is no text.
    #[error("the authzid is malformed")]
    Malformed,
}

impl Refusal {
    /// What the client learns of it.
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Revoked => Outcome::Revoked,
            Self::WeakOrigin | Self::FullLoginDue => Outcome::FullAuthenticationDue,
            Self::OtherIdentity => Outcome::BadProof,
            Self::Malformed => Outcome::Malformed,
            Self::Channel(_) | Self::EarlyData | Self::Handshaking => Outcome::BindingMismatch,
            _ => Outcome::Stale,
        }
    }
}

/// Whether the server knows who is on this connection.
pub(crate) fn recognise<'l>(
    connection: &Connection<'_>,
    lineage: Option<&'l LineageRecord>,
    now: Timestamp,
) -> Result<&'l LineageRecord, Refusal> {
    let (facts, server) = (&connection.facts, connection.server);
    if !server.external {
        return Err(Refusal::NotConfigured);
    }
    if !facts.is_resumed() {
        return Err(Refusal::NotResumed);
    }
    if connection.manager {
        return Err(Refusal::ConnectionManager);
    }
    facts.keys_are_private()?;
    if facts.is_early_data() {
        return Err(Refusal::EarlyData);
    }
    if facts.session_tickets() == Tickets::Stateless && !server.policy.external_on_stateless_tickets {
        return Err(Refusal::StatelessTicket);
    }
    let lineage = lineage.ok_or(Refusal::Unknown)?;
    if lineage.scope.service != server.service || lineage.scope.server_name != *facts.name() {
        return Err(Refusal::OtherScope);
    }
    if lineage.shared {
        return Err(Refusal::Shared);
    }
    if lineage.revoked {
        return Err(Refusal::Revoked);
    }
    if lineage.strength < server.policy.external_origin {
        return Err(Refusal::WeakOrigin);
    }
    if lineage.full_login.after(server.policy.full_login_every) <= now {
        return Err(Refusal::FullLoginDue);
    }
    if lineage.expires <= now {
        return Err(Refusal::Unknown);
    }
    Ok(lineage)
}

/// The client's message: an authzid, or nothing.
pub(crate) fn receive<'c>(connection: &'c Connection<'_>, initial_response: &'c [u8]) -> Received<'c> {
    let authzid = match core::str::from_utf8(initial_response) {
        Ok(authzid) if crate::assertion::valid_login_name(authzid) => authzid,
        _ => return Received::Done(Verdict::of(Refusal::Malformed.outcome())),
    };
    if connection.facts.exporter_is_to_come() {
        return Received::Done(Verdict::of(Refusal::Handshaking.outcome()));
    }
    let Some(&handle) = connection.facts.resumed_handle() else {
        return Received::Done(Verdict::of(Refusal::NotResumed.outcome()));
    };
    // Asked again, although it was known at the greeting: the client may have been revoked since.
    Received::Lookup(AwaitRecord {
        lookup: Lookup { handle: Some(handle), ..Lookup::default() },
        mechanism: AwaitRecordOf::External(AwaitLineage { connection, authzid }),
    })
}

/// An attempt with EXTERNAL that waits for what the store knows of the session.
#[derive(Debug)]
pub(crate) struct AwaitLineage<'c> {
    connection: &'c Connection<'c>,
    authzid: &'c str,
}

impl AwaitLineage<'_> {
    pub(crate) fn decide(self, lineage: Option<&LineageRecord>, now: Timestamp) -> Verdict {
        let recognised = recognise(self.connection, lineage, now).and_then(|lineage| {
            let same = self.authzid.is_empty() || *self.authzid == *lineage.login_name;
            if same { Ok(lineage) } else { Err(Refusal::OtherIdentity) }
        });
        match recognised {
            Err(refusal) => Verdict::of(refusal.outcome()),
            Ok(lineage) => Verdict {
                recognised: Some(Recognised {
                    identity: lineage.identity.clone(),
                    login_name: lineage.login_name.clone(),
                    device: lineage.device,
                    origin: lineage.origin,
                    full_login: lineage.full_login,
                    strength: lineage.strength,
                    sealed: false,
                    leaves: false,
                }),
                ..Verdict::of(Outcome::Accepted)
            },
        }
    }
}
