//! A service with a thousand accounts, each with one client that comes back: what a stranger asks about.

use fast_reauth::assertion::{
    BindingType, ClientAssertion, ClientToken, DeviceId, FullLogin, HtMechanism, LineageRule, Origin, Pin, Policy,
    Scope, Service, ServiceKeys, TokenRequest,
};
use fast_reauth::channel::ServerName;
use fast_reauth::mechanism::iky::Client;
use fast_reauth::mechanism::{Connection, Login, Server, ht};
use fast_reauth::store::{MemoryStore, Store as _};

use crate::Fault;
use crate::scene::{self, CLIENT, Channel, FULL, NAME, NOW, SERVICE_KEY};

/// How many accounts there are.
pub const ACCOUNTS: usize = 1000;

/// The service, with the connection that everyone comes back on.
pub struct Crowd {
    /// Its store.
    pub store: MemoryStore,
    /// The server's end of the connection.
    pub connection: &'static Connection<'static>,
    /// What each client sends on it.
    pub messages: Vec<Vec<u8>>,
}

fn name_of(number: usize) -> String {
    format!("user-{number:04}@example.com")
}

fn login<'a>(full: &'a FullLogin, name: &'a str) -> Login<'a> {
    Login { full, identity: name, device: DeviceId::new([5; 8]), now: NOW }
}

fn for_sealing(channel: &Channel) -> [u8; 48] {
    let mut octets = [0; 48];
    let (salt, secret) = octets.split_at_mut(32);
    salt.copy_from_slice(&channel.octets::<32>(b"salt"));
    secret.copy_from_slice(&channel.octets::<16>(b"secret"));
    octets
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Where this one of a crowd logged in: other keys and ids in each crowd.
fn channel_of(crowd: u64, number: usize) -> Channel {
    Channel::new(crowd << 32 | (1 + number as u64))
}

/// Clients of IKY assertions, sealed or not, each of one of these mechanisms; with the messages of those that use the last.
pub fn iky(pins: &[Pin], sealed: bool, which: u64) -> Result<Crowd, Fault> {
    let last = *pins.last().ok_or("no mechanism")?;
    let mut policy = Policy::default();
    policy.lineage = LineageRule::Never;
    let mut server =
        Server::new(Service::IMAP, [ServerName::parse(NAME)?], FULL)?.pins(pins.iter().copied()).policy(policy.clone());
    if sealed {
        server = server.sealed(ServiceKeys::new(1, &SERVICE_KEY));
    }
    let (server, store, facts) = (leak(server), MemoryStore::default(), Channel::new(0).facts()?);
    let connection = leak(Connection::new(server, facts.clone()));
    let mut messages = Vec::new();
    for number in 0..ACCOUNTS {
        let pin = pins[number % pins.len()];
        let (first, name) = (channel_of(which, number), name_of(number));
        let full = FullLogin::new(FULL[0], &name)?.bound_by(BindingType::Exporter);
        let exporter = |label: &[u8], context: &[u8], out: &mut [u8]| first.export(label, context, out);
        let mut origin = Connection::new(server, first.facts()?).seal_with(for_sealing(&first));
        let (offered, seed) = (origin.mechanisms(NOW), first.octets(b"seed"));
        let kept = if sealed {
            let (made, text) = origin.logged_in_granting_sealed(login(&full, &name), pin, &seed, None);
            store.commit(&made.commit, NOW)?;
            let kept = ClientAssertion::granted(pin, &Service::IMAP, &full, &first.facts()?, &seed, &policy, NOW)?;
            kept.sealed(&text.ok_or("nothing was sealed")?).ok_or("it is no sealed assertion")?
        } else {
            store.commit(&origin.logged_in(login(&full, &name), &exporter).commit, NOW)?;
            ClientAssertion::derive(pin, &Service::IMAP, &full, &first.facts()?, &exporter, &policy, NOW)?
        };
        let message = Client::start(&kept.offered(offered), &facts, None, None)?.message;
        // The first use is written down, further ones are not.
        scene::run(connection.iky(pin, &message), &store)?;
        if pin == last {
            messages.push(message);
        }
    }
    Ok(Crowd { store, connection, messages })
}

/// Clients of tokens.
pub fn ht(mechanism: HtMechanism, which: u64) -> Result<Crowd, Fault> {
    let server = Server::new(Service::XMPP, [ServerName::parse(NAME)?], FULL)?;
    let server = leak(server.fast([mechanism], ServiceKeys::new(1, &SERVICE_KEY)));
    let (store, facts) = (MemoryStore::default(), Channel::new(0).facts()?);
    let connection = leak(Connection::new(server, facts.clone()));
    let (scope, policy) = (Scope::new(Service::XMPP, ServerName::parse(NAME)?), Policy::default());
    let mut messages = Vec::new();
    for number in 0..ACCOUNTS {
        let (first, name) = (channel_of(which, number), name_of(number));
        let full = FullLogin::new(FULL[0], &name)?.bound_by(BindingType::Exporter);
        let exporter = |label: &[u8], context: &[u8], out: &mut [u8]| first.export(label, context, out);
        let request = TokenRequest { mechanism, authcid: &name, client: CLIENT, random: first.octets(b"token") };
        let mut origin = Connection::new(server, first.facts()?);
        let (made, issued) = origin.logged_in_with_token(login(&full, &name), &exporter, &request);
        store.commit(&made.commit, NOW)?;
        let issued = issued?;
        let text = issued.token.expose();
        let kept = ClientToken::issued(text, mechanism, &scope, &name, Origin::Bound, issued.expires, &policy, NOW)?;
        let message = ht::Client::start(&kept, &facts, &ht::Pairs::none())?.message;
        scene::run(connection.ht(ht::Request::new(mechanism, &message, CLIENT, [4; 32])), &store)?;
        messages.push(message);
    }
    Ok(Crowd { store, connection, messages })
}
