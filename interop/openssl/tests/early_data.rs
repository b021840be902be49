//! TLS 1.3 early data at a server by OpenSSL: what it takes, what binds it, and what it must refuse.

use fast_reauth::assertion::{Pin, Policy};
use fast_reauth::channel::{ChannelFacts, Exporter, ServerName, Tickets};
use fast_reauth::mechanism::{Connection, Outcome};
use fast_reauth::openssl::{FactsUnavailable, Input, Recognition, early_exporter};
use fast_reauth::store::client::Predecessor;
use openssl::ssl::{SniError, Ssl, SslAcceptorBuilder, SslOptions, SslStream};
use openssl_and_rustls::rustls_support::login::{Came, Ends, Logins, NOW};
use openssl_and_rustls::rustls_support::*;
use openssl_and_rustls::{Bench, Client, ClientEnd, Link, Pipe, STATEFUL, Server, acceptor, connector, offer};

const TLS13: Mode = STATEFUL[0];

/// `SSL_OP_NO_ANTI_REPLAY`, which the crate has no name for.
const NO_ANTI_REPLAY: u64 = 1 << 24;

/// A service that takes early data, and alice, who logged in.
struct World {
    bench: Bench,
    logins: Logins,
}

/// A client's early flight, and the server that reads it.
struct Early {
    client: SslStream<Pipe>,
    server: SslStream<Pipe>,
    input: Input,
    before: Predecessor,
}

impl World {
    fn new(client: impl FnOnce(&Identity) -> Client) -> Self {
        Self::with(client, |_, _| {})
    }

    /// With a change to the server's context.
    fn with(client: impl FnOnce(&Identity) -> Client, change: impl FnOnce(&Identity, &mut SslAcceptorBuilder)) -> Self {
        let identity = identity(&rcgen::PKCS_ECDSA_P256_SHA256);
        let mut acceptor = acceptor(TLS13, &identity).unwrap();
        change(&identity, &mut acceptor);
        let server = Recognition::with_early_data(acceptor, u32::MAX).unwrap();
        let bench = Bench { client: client(&identity), server: Server::OpenSsl(server) };
        let mut logins = Logins::new(Policy::default(), &[Pin::SHA_256_EXPR]);
        logins.service = logins.service.early_data();
        Self { bench, logins }
    }

    fn openssl() -> Self {
        Self::openssl_with(|_, _| {})
    }

    fn openssl_with(change: impl FnOnce(&Identity, &mut SslAcceptorBuilder)) -> Self {
        Self::with(|identity| Client::openssl(connector(TLS13, identity).unwrap()), change)
    }

    fn recognition(&self) -> &Recognition {
        match &self.bench.server {
            Server::OpenSsl(recognition) => recognition,
            Server::Rustls(_) => panic!("a server by rustls"),
        }
    }

    fn log_in(&self) -> Link {
        let mut link = self.bench.connect("alice");
        assert_eq!(self.logins.log_in_on(&mut link, "alice", ""), Came::Fully);
        link
    }

    fn server(&self) -> SslStream<Pipe> {
        SslStream::new(self.recognition().connection(handle()).unwrap(), Pipe::default()).unwrap()
    }

    /// A client that resumes what `first` left, and sends this ahead. What it sends behind that goes with it.
    fn early(&self, first: &Link, octets: &[u8]) -> Early {
        let (mut ssl, session) = self.bench.client.sessions().connection(NAME, &account("alice")).unwrap();
        let session = session.expect("a session to resume");
        assert_eq!(session.max_early_data(), 16_384);
        offer(&mut ssl, &session);
        let mut client = client_stream(ssl);
        assert_eq!(client.write_early_data(octets).unwrap(), octets.len());
        let family = self.logins.accounts.assertions(&account("alice")).first().map(|assertion| *assertion.family());
        let before = Predecessor { lineage: first.client_facts().lineage().unwrap().clone(), family };
        Early { client, server: self.server(), input: Input::default(), before }
    }
}

fn client_stream(mut ssl: Ssl) -> SslStream<Pipe> {
    ssl.set_connect_state();
    SslStream::new(ssl, Pipe::default()).unwrap()
}

impl Early {
    fn deliver(&mut self, recognition: &Recognition) -> usize {
        self.server.get_mut().input.extend(self.client.get_mut().output.drain(..));
        recognition.read(&mut self.input, &mut self.server).unwrap()
    }

    fn finish(&mut self, recognition: &Recognition) {
        for _ in 0..4 {
            self.client.get_mut().input.extend(self.server.get_mut().output.drain(..));
            let _ = self.client.do_handshake();
            self.deliver(recognition);
        }
        assert!(self.client.ssl().is_init_finished() && self.server.ssl().is_init_finished());
    }

    /// What a client knows, whose crate could tell whether its flight was taken.
    fn client_facts(&self) -> ChannelFacts {
        let facts = ChannelFacts::tls13().resumed().tickets(Tickets::Stateful);
        let facts = facts.server_name(ServerName::parse(NAME).unwrap()).exporter_to_come().in_early_data();
        facts.early_exporter(&early_exporter(self.client.ssl())).unwrap()
    }
}

fn exported(exporter: &dyn Exporter) -> [u8; 32] {
    let mut out = [0; 32];
    exporter.export(b"EXPORTER-SASL-IKY-Early", b"", &mut out).unwrap();
    out
}

#[test]
fn early_data_is_known_as_such_and_so_is_what_comes_behind_it() {
    let world = World::openssl();
    let (first, recognition) = (world.log_in(), world.recognition());
    let mut early = world.early(&first, b"early");
    assert_eq!(early.deliver(recognition), 5);
    assert!(early.input.is_early() && early.input.octets() == b"early");
    assert_eq!(recognition.recognised(early.server.ssl()), Some(first.handle), "also where TLS resumes a session once");
    let facts = recognition.facts_for(&early.input, early.server.ssl()).unwrap();
    assert!(facts.is_early_data() && facts.tls_exporter().is_none() && facts.lineage().is_none());
    assert_eq!(facts.session_tickets(), Tickets::Stateful);
    assert_eq!(Pin::SHA_256_EXPR.check_channel(&facts), Ok(()), "bound by the early exporter");
    assert_eq!(recognition.facts(early.server.ssl()).unwrap_err(), FactsUnavailable::Handshaking);
    let [here, there] = [&early.client, &early.server].map(|end| exported(&early_exporter(end.ssl())));
    assert_eq!(here, there);

    early.finish(recognition);
    assert!(recognition.facts_for(&early.input, early.server.ssl()).unwrap().is_early_data());
    assert!(recognition.facts(early.server.ssl()).unwrap().is_early_data(), "which of it is meant is not known");
    early.input.consume(5);
    early.client.ssl_write(b"late").unwrap();
    assert_eq!(early.deliver(recognition), 4);
    let facts = recognition.facts_for(&early.input, early.server.ssl()).unwrap();
    assert!(!facts.is_early_data() && facts.lineage().is_some() && facts.resumed_handle() == Some(&first.handle));
}

#[test]
fn as_much_as_the_ticket_allows_is_read() {
    let world = World::openssl();
    let (first, recognition) = (world.log_in(), world.recognition());
    let mut early = world.early(&first, &[b'x'; 16_384]);
    while early.deliver(recognition) > 0 {}
    assert_eq!(early.input.octets().len(), 16_384);
    assert!(early.client.write_early_data(b"x").is_err());
}

#[test]
fn a_login_in_early_data_is_bound_by_the_early_exporter() {
    let world = World::openssl();
    let (first, recognition, logins) = (world.log_in(), world.recognition(), &world.logins);
    // The exporter is there as soon as the first octet is written.
    let mut early = world.early(&first, b" ");
    let mut client = logins.accounts.connect(&account("alice"), early.client_facts());
    client = client.resumes(Some(early.before.clone()));
    let attempt = client.plan_early(NOW).expect("an assertion for it");
    assert_eq!(early.client.write_early_data(attempt.message()).unwrap(), attempt.message().len());
    while early.deliver(recognition) > 0 {}
    early.input.consume(1);
    let facts = recognition.facts_for(&early.input, early.server.ssl()).unwrap();
    let server = Connection::new(&logins.service, facts.clone()).resumes_in(&logins.store, NOW);
    let run = |server: &Connection<'_>| {
        let received = server.receive(attempt.mechanism(), early.input.octets()).unwrap();
        received.run(&logins.store, NOW)
    };
    let verdict = run(&server);
    assert_eq!(verdict.outcome, Outcome::Accepted);
    assert_eq!(verdict.recognised.unwrap().identity(), "alice");
    assert_eq!(run(&server).outcome, Outcome::Replayed, "whoever sends it again");
    // Nor is it good with another exporter, or at a service that did not ask for it.
    let other = |_: &[u8], _: &[u8], out: &mut [u8]| {
        out.fill(1);
        Ok(())
    };
    let elsewhere = Connection::new(&logins.service, facts.clone().early_exporter(&other).unwrap());
    assert_eq!(run(&elsewhere.resumes_in(&logins.store, NOW)).outcome, Outcome::BadProof);
    let off = Logins::new(Policy::default(), &[Pin::SHA_256_EXPR]).service;
    let off = Connection::new(&off, facts).resumes_in(&logins.store, NOW);
    assert_eq!(run(&off).outcome, Outcome::BindingMismatch);
}

/// A servername callback that changes the context takes away what notes that TLS took early data. It is that all the same.
#[test]
fn what_was_read_as_early_data_is_that_whatever_else_is_known() {
    let world = World::openssl_with(|identity, acceptor| {
        let other = self::acceptor(TLS13, identity).unwrap().build().into_context();
        acceptor.set_servername_callback(move |ssl, _| ssl.set_ssl_context(&other).map_err(|_| SniError::ALERT_FATAL));
    });
    let (mut first, recognition) = (world.bench.connect("alice"), world.recognition());
    first.authenticated(None);
    let mut early = world.early(&first, b"early");
    assert_eq!(early.deliver(recognition), 5);
    let facts = recognition.facts_for(&early.input, early.server.ssl());
    assert!(facts.is_err() || facts.unwrap().is_early_data());
    early.finish(recognition);
    assert!(early.input.is_early());
    let facts = recognition.facts_for(&early.input, early.server.ssl()).unwrap();
    assert!(facts.is_early_data());
    assert!(Pin::SHA_256_EXPR.check_channel(&facts).is_err(), "no early exporter is known to be one");
    early.input.consume(5);
    assert!(!recognition.facts_for(&early.input, early.server.ssl()).unwrap().is_early_data());
}

/// Also where the application, or the machine's configuration of OpenSSL, would have sessions resumed more than once.
#[test]
fn a_flight_that_is_sent_again_is_not_taken() {
    for replay in [0, NO_ANTI_REPLAY] {
        sent_again(World::openssl_with(|_, acceptor| {
            acceptor.set_options(SslOptions::from_bits_retain(replay));
        }));
    }
}

fn sent_again(world: World) {
    let (first, recognition) = (world.log_in(), world.recognition());
    let mut early = world.early(&first, b"early");
    let flight = early.client.get_mut().output.clone();
    assert_eq!(early.deliver(recognition), 5);
    let (mut again, mut input) = (world.server(), Input::default());
    again.get_mut().input.extend(&flight);
    assert_eq!(recognition.read(&mut input, &mut again).unwrap(), 0);
    assert!(!input.is_early());
    assert_eq!(recognition.recognised(again.ssl()), None, "nor does the session resume");
}

#[test]
fn without_early_data_there_is_no_early_exporter() {
    let world = World::openssl();
    world.log_in();
    let link = world.bench.connect("alice");
    let Link { server: openssl_and_rustls::ServerEnd::OpenSsl(stream, recognition), .. } = &link else { panic!() };
    let facts = recognition.facts_for(&Input::default(), stream.ssl()).unwrap();
    assert!(!facts.is_early_data() && facts.is_resumed());
    assert!(Pin::SHA_256_EXPR.check_channel(&facts.in_early_data()).is_err(), "a secret of zeros binds nothing");
}

#[test]
fn a_server_that_was_not_asked_for_takes_none() {
    let world = World::openssl();
    world.log_in();
    let identity = identity(&rcgen::PKCS_ECDSA_P256_SHA256);
    let off = Recognition::new(acceptor(TLS13, &identity).unwrap()).unwrap();
    let mut ssl = SslStream::new(off.connection(handle()).unwrap(), Pipe::default()).unwrap();
    let (mut client, session) = world.bench.client.sessions().connection(NAME, &account("alice")).unwrap();
    offer(&mut client, &session.unwrap());
    let mut client = client_stream(client);
    client.write_early_data(b"early").unwrap();
    ssl.get_mut().input.extend(client.get_mut().output.drain(..));
    let mut input = Input::default();
    assert_eq!(off.read(&mut input, &mut ssl).unwrap(), 0);
    assert!(!input.is_early());
}

#[test]
fn a_client_by_rustls_sends_it_too() {
    let world = World::new(|identity| {
        let mut config = TLS13.client(identity);
        config.enable_early_data = true;
        Client::Rustls(fast_reauth::rustls::Sessions::new(openssl_and_rustls::accounts()), config.into())
    });
    let (first, recognition) = (world.log_in(), world.recognition());
    let mut next = world.bench.start("alice");
    let ClientEnd::Rustls(client, watch) = &mut next.client else { panic!() };
    let (facts, before) = watch.early(client).expect("the ticket allows it");
    assert!(facts.is_early_data() && Some(&before.lineage) == first.client_facts().lineage());
    assert!(watch.send_early(client, b"early"));
    let mut wire = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut wire).unwrap();
    }
    let (stream, mut input) = (next.server.stream(), Input::default());
    stream.get_mut().input.extend(&wire);
    assert_eq!(recognition.read(&mut input, stream).unwrap(), 5);
    assert!(recognition.facts_for(&input, stream.ssl()).unwrap().is_early_data());
    let answer = core::mem::take(&mut stream.get_mut().output);
    client.read_tls(&mut &answer[..]).unwrap();
    client.process_new_packets().unwrap();
    assert!(watch.early_taken(client));
}
