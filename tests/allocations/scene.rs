//! A service and a client that comes back to it, with nothing real below but the keys. The benches run it too.

use fast_reauth::Timestamp;
use fast_reauth::assertion::{
    BindingType, ClientAssertion, ClientToken, DeviceId, FullLogin, HtMechanism, LineageRule, Origin, Pin, Policy,
    Scope, Service, ServiceKeys, TokenRequest,
};
use fast_reauth::channel::{ChannelFacts, ExporterUnavailable, Handle, Lineage, ServerName, Tickets};
use fast_reauth::mechanism::iky::Client;
use fast_reauth::mechanism::{Connection, Login, Outcome, Received, Server, Step, ht};
use fast_reauth::store::{Found, MemoryStore, Store as _};
use ring::hmac;

use crate::Fault;

/// Now.
pub const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
/// The server's name.
pub const NAME: &str = "imap.example.com";
/// The client's login name, and its account.
pub const ALICE: &str = "alice@example.com";
/// The id of her installation, as XMPP clients make it.
pub const CLIENT: &str = "d4565fa7-4d72-4749-b3d3-740edbf87770";
/// The service's key, for tokens and sealed assertions.
pub const SERVICE_KEY: [u8; 32] = [11; 32];
/// The full mechanisms on offer, the first of which everyone uses.
pub const FULL: [&str; 2] = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"];

/// A TLS connection whose exporter gives what comes of its number.
pub struct Channel(hmac::Key);

impl Channel {
    /// The connection of this number.
    pub fn new(number: u64) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &number.to_be_bytes()))
    }

    /// The exporter.
    ///
    /// # Errors
    /// More than 32 octets are asked for.
    pub fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), ExporterUnavailable> {
        let mut all = hmac::Context::with_key(&self.0);
        [label, b"\0", context].into_iter().for_each(|part| all.update(part));
        out.copy_from_slice(all.sign().as_ref().get(..out.len()).ok_or(ExporterUnavailable)?);
        Ok(())
    }

    /// Octets that only this connection has.
    pub fn octets<const N: usize>(&self, what: &[u8]) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(&hmac::sign(&self.0, what).as_ref()[..N]);
        out
    }

    /// What is known of it: stateful TLS 1.3.
    pub fn facts(&self) -> Result<ChannelFacts, Fault> {
        let facts = ChannelFacts::tls13().server_name(ServerName::parse(NAME)?).tickets(Tickets::Stateful);
        let exporter = |label: &[u8], context: &[u8], out: &mut [u8]| self.export(label, context, out);
        Ok(facts.handle(Handle::new(self.octets(b"handle"))).exporter(&exporter)?)
    }
}

/// Someone who logged in fully, came back once, and comes back again now.
pub struct Returning<C> {
    /// What the client keeps.
    pub kept: C,
    /// The server.
    pub server: &'static Server,
    /// The server's end of the present connection.
    pub connection: &'static Connection<'static>,
    /// What both ends know of it.
    pub facts: ChannelFacts,
    /// The server's store.
    pub store: MemoryStore,
    /// What the store says when it is asked for what the message needs.
    pub found: Found,
    /// The value of the connection that this one resumes, if it does.
    pub lineage: Option<Lineage>,
    /// The client's message.
    pub message: Vec<u8>,
    /// The server's answer to it.
    pub answer: Vec<u8>,
}

fn login(full: &FullLogin) -> Login<'_> {
    Login { full, identity: ALICE, device: DeviceId::new([5; 8]), now: NOW }
}

fn full() -> Result<FullLogin, Fault> {
    Ok(FullLogin::new(FULL[0], ALICE)?.bound_by(BindingType::Exporter))
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn server(service: Service) -> Result<Server, Fault> {
    Ok(Server::new(service, [ServerName::parse(NAME)?], FULL)?)
}

/// Runs the attempt to its end. Gives what the store said, and the answer.
pub fn run(received: Received<'_>, store: &MemoryStore) -> Result<(Found, Vec<u8>), Fault> {
    let Received::Lookup(pending) = received else { return Err("refused before the lookup".into()) };
    let found = store.lookup(pending.lookup(), NOW)?;
    let verdict = match pending.found(Ok(found.clone()), NOW) {
        Step::Done(verdict) => verdict,
        Step::Commit(pending) => {
            let committed = store.commit(pending.commit(), NOW);
            pending.committed(committed)
        }
    };
    if verdict.outcome != Outcome::Accepted {
        return Err(format!("{:?}", verdict.outcome).into());
    }
    Ok((found, verdict.message.map(|message| message.to_vec()).unwrap_or_default()))
}

/// How an IKY assertion is kept and used.
#[derive(Clone, Copy)]
pub struct Iky {
    /// The mechanism.
    pub pin: Pin,
    /// The record is the client's, sealed.
    pub sealed: bool,
    /// The present connection resumes the session of the first, and the proof covers its lineage.
    pub resumed: bool,
}

/// A client with an IKY assertion.
pub fn iky(how: Iky) -> Result<Returning<ClientAssertion>, Fault> {
    let Iky { pin, sealed, resumed } = how;
    let mut policy = Policy::default();
    policy.lineage = LineageRule::Never;
    let mut server = server(Service::IMAP)?.pins([pin]).policy(policy.clone());
    if sealed {
        server = server.sealed(ServiceKeys::new(1, &SERVICE_KEY));
    }
    let server = leak(server);

    let (first, store, full) = (Channel::new(1), MemoryStore::default(), full()?);
    let exporter = |label: &[u8], context: &[u8], out: &mut [u8]| first.export(label, context, out);
    let mut connection = Connection::new(server, first.facts()?).seal_with([9; 48]);
    let (offered, seed) = (connection.mechanisms(NOW), [3; 32]);
    let mut kept = if sealed {
        let (made, text) = connection.logged_in_granting_sealed(login(&full), pin, &seed, None);
        store.commit(&made.commit, NOW)?;
        let kept = ClientAssertion::granted(pin, &Service::IMAP, &full, &first.facts()?, &seed, &policy, NOW)?;
        kept.sealed(&text.ok_or("nothing was sealed")?).ok_or("it is no sealed assertion")?
    } else {
        store.commit(&connection.logged_in(login(&full), &exporter).commit, NOW)?;
        ClientAssertion::derive(pin, &Service::IMAP, &full, &first.facts()?, &exporter, &policy, NOW)?
    };
    kept = kept.offered(offered);
    let lineage = first.facts()?.lineage().filter(|_| resumed).cloned();

    let mut comes_back = |number| -> Result<_, Fault> {
        let mut facts = Channel::new(number).facts()?;
        if resumed {
            facts = facts.resumed().predecessor(Handle::new(first.octets(b"handle")));
        }
        let connection = leak(Connection::new(server, facts.clone()));
        let counter = pin.needs_counter().then(|| kept.next_counter());
        let message = Client::start(&kept, &facts, lineage.as_ref(), counter)?.message;
        let (found, answer) = run(connection.iky(pin, &message), &store)?;
        Ok((facts, connection, message, found, answer))
    };
    // The first use is written down, further ones are not.
    comes_back(2)?;
    let (facts, connection, message, found, answer) = comes_back(3)?;
    Ok(Returning { kept, server, connection, facts, store, found, lineage, message, answer })
}

/// A client with a token.
pub fn ht(mechanism: HtMechanism) -> Result<Returning<ClientToken>, Fault> {
    let server = leak(server(Service::XMPP)?.fast([mechanism], ServiceKeys::new(1, &SERVICE_KEY)));
    let (first, store, full) = (Channel::new(1), MemoryStore::default(), full()?);
    let exporter = |label: &[u8], context: &[u8], out: &mut [u8]| first.export(label, context, out);
    let mut connection = Connection::new(server, first.facts()?);
    let request = TokenRequest { mechanism, authcid: ALICE, client: CLIENT, random: [8; 32] };
    let (made, issued) = connection.logged_in_with_token(login(&full), &exporter, &request);
    store.commit(&made.commit, NOW)?;
    let (issued, scope) = (issued?, Scope::new(Service::XMPP, ServerName::parse(NAME)?));
    let (text, policy) = (issued.token.expose(), Policy::default());
    let kept = ClientToken::issued(text, mechanism, &scope, ALICE, Origin::Bound, issued.expires, &policy, NOW)?;

    let comes_back = |number| -> Result<_, Fault> {
        let facts = Channel::new(number).facts()?;
        let connection = leak(Connection::new(server, facts.clone()));
        let message = ht::Client::start(&kept, &facts, &ht::Pairs::none())?.message;
        let (found, answer) = run(connection.ht(ht::Request::new(mechanism, &message, CLIENT, [4; 32])), &store)?;
        Ok((facts, connection, message, found, answer))
    };
    comes_back(2)?;
    let (facts, connection, message, found, answer) = comes_back(3)?;
    Ok(Returning { kept, server, connection, facts, store, found, lineage: None, message, answer })
}

/// A client whose TLS session is recognised.
pub fn external() -> Result<Returning<()>, Fault> {
    let (server, store, full) = (leak(server(Service::IMAP)?), MemoryStore::default(), full()?);
    let first = Channel::new(1);
    let exporter = |label: &[u8], context: &[u8], out: &mut [u8]| first.export(label, context, out);
    let made = Connection::new(server, first.facts()?).logged_in(login(&full), &exporter);
    store.commit(&made.commit, NOW)?;
    let facts = Channel::new(2).facts()?.resumed().predecessor(Handle::new(first.octets(b"handle")));
    let connection = Connection::new(server, facts.clone());
    let lookup = connection.lookup().ok_or("a resumed session is looked up")?;
    let connection = leak(connection.resumes(store.lookup(&lookup, NOW)?.lineage));
    let (found, answer) = run(connection.external(ALICE.as_bytes()), &store)?;
    Ok(Returning { kept: (), server, connection, facts, store, found, lineage: None, message: ALICE.into(), answer })
}
