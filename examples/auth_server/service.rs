//! What the provider's two services share: the store, and who is known where.

use fast_reauth::assertion::{
    DeviceId, FullLogin, HtMechanism, Issued, Pin, Scope, Service, ServiceKeys, TokenRequest,
};
use fast_reauth::channel::{ChannelFacts, Exporter, ExporterUnavailable, ServerName};
use fast_reauth::dovecot_auth::{Attempt, Mechanism};
use fast_reauth::mechanism::{Connection, Login, Outcome, Server, Sibling, Verdict, ht};
use fast_reauth::store::{Commit, MemoryStore, Revoke, Store as _};

use crate::{Fault, IDENTITY, IMAP, SMTP, USER, now, random};

/// Which installation of a client each login name stands for, where a protocol does not say: an operator's table.
const CLIENT_IDS: [(&str, &str); 1] = [(USER, "the submission client of alice")];

/// What Postfix calls its service, submission included (`smtpd_sasl_service`).
const POSTFIX: &str = "smtp";

const TOKEN: HtMechanism = HtMechanism::HT_SHA_256_NONE;

pub(crate) struct Provider {
    /// It recognises nobody itself: `interop_peer` does that.
    pub(crate) imap: Server,
    submission: Server,
    name: ServerName,
    store: MemoryStore,
}

impl Provider {
    pub(crate) fn new() -> Result<Self, Fault> {
        let name = ServerName::parse(SMTP)?;
        let sibling = Sibling { scope: Scope::new(Service::SMTP, name.clone()), pin: Pin::SHA_256_NONE };
        let imap = Server::new(Service::IMAP, [ServerName::parse(IMAP)?], ["PLAIN"])?;
        let submission = Server::new(Service::SMTP, [name.clone()], [])?;
        Ok(Self {
            imap: imap.pins([]).without_external().sibling(sibling),
            submission: submission.pins([Pin::SHA_256_NONE]).fast([TOKEN], ServiceKeys::new(1, &random()?)),
            name,
            store: MemoryStore::default(),
        })
    }

    /// All that is known of a connection to Postfix, which forwards nothing. That its TLS is 1.3, or 1.2 with (EC)DHE
    /// and the extended master secret, is in its configuration. There are no TLS sessions to be seen, so nobody is
    /// asked for a lineage.
    fn facts(&self) -> ChannelFacts {
        ChannelFacts::tls13().assumed_server_name(self.name.clone())
    }

    /// What Postfix is to list.
    pub(crate) fn mechanisms(&self) -> Result<Vec<Mechanism>, Fault> {
        let connection = Connection::new(&self.submission, self.facts());
        let mut names = connection.mechanisms(now());
        for mechanism in connection.fast_mechanisms() {
            names.push(mechanism.name());
        }
        Ok(names.into_iter().map(Mechanism::of).collect::<Result<_, _>>()?)
    }

    /// An attempt by a client of Postfix.
    pub(crate) fn judge(&self, attempt: &Attempt) -> Result<Verdict, Fault> {
        // Whoever reaches the listener can name another service, which its assertions and tokens are not for.
        if *attempt.peer.service != *POSTFIX {
            let (outcome, pairs) = (Outcome::BadProof, ht::Pairs::none());
            return Ok(Verdict { outcome, message: None, recognised: None, token: None, pairs });
        }
        let connection = Connection::new(&self.submission, self.facts());
        let (name, message) = (attempt.mechanism.as_str(), &attempt.message[..]);
        let received = match HtMechanism::from_name(name) {
            Some(mechanism) => connection.ht(ht::Request::new(mechanism, message, client_id(message), random()?)),
            None => connection.receive(name, message).ok_or_else(|| format!("{name} recognises nobody"))?,
        };
        // Had this server sessions to see, connection.recognised() would follow.
        Ok(received.run(&self.store, now()))
    }

    /// After a full login at IMAP: everything is durable when this returns. The token is for the control channel.
    pub(crate) fn logged_in(&self, imap: &mut Connection<'_>, exporter: &dyn Exporter) -> Result<Issued, Fault> {
        let full = FullLogin::new("PLAIN", USER)?;
        let login = Login { full: &full, identity: IDENTITY, device: DeviceId::new(random()?), now: now() };
        let known = imap.logged_in(login, exporter);
        if let Some(why) = known.unknown {
            return Err(format!("{USER} stays unknown: {why}").into());
        }
        self.commit(&known.commit)?;
        // The token is the submission service's. It derives nothing from this login: the IMAP service has just done
        // that for it.
        let none = |_: &[u8], _: &[u8], _: &mut [u8]| Err(ExporterUnavailable);
        let client = client_id(USER.as_bytes());
        let request = TokenRequest { mechanism: TOKEN, authcid: USER, client, random: random()? };
        let mut there = Connection::new(&self.submission, self.facts());
        let (known, issued) = there.logged_in_with_token(login, &none, &request);
        self.commit(&known.commit)?;
        Ok(issued?)
    }

    /// Ends every client of the account.
    pub(crate) fn revoke(&self) -> Result<usize, Fault> {
        Ok(self.store.revoke(IDENTITY, Revoke::All, now())?)
    }

    fn commit(&self, commit: &Commit) -> Result<(), Fault> {
        match self.store.commit(commit, now())? {
            committed if committed.is_durable() => Ok(()),
            other => Err(format!("the store did not keep it: {other:?}").into()),
        }
    }
}

/// The client id of the name in front of an HT message.
fn client_id(message: &[u8]) -> &'static str {
    let name = message.split(|&octet| octet == 0).next().unwrap_or_default();
    let known = CLIENT_IDS.into_iter().find(|(user, _)| user.as_bytes() == name);
    known.map_or("nobody's", |(_, client)| client)
}
