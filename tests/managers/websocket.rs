//! WebSockets: on a TLS connection of its own, over TCP and with the WebSockets of tungstenite; and through a manager.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use fast_reauth::assertion::Policy;
use fast_reauth::channel::Handle;
use fast_reauth::mechanism::Outcome;
use fast_reauth::profile::MechanismName;
use fast_reauth::profile::xmpp::{
    Authenticate, Bind, ClientElement, ClientExchange, Event, Features, Frame, Manager, Path, StreamHeader, websocket,
};
use fast_reauth::rustls::exporter;
use fast_reauth::store::client::{Accounts, Plan, Settled};
use rustls::{ClientConnection, ServerConnection, StreamOwned};
use tungstenite::handshake::server::{Request, Response};
use tungstenite::http::HeaderValue;
use tungstenite::{ClientRequestBuilder, Message, WebSocket};

use super::rustls_support::{Bench, handle};
use super::site::{Leg, Peer, Site};
use super::*;

const PINS: [Pin; 3] = [Pin::SHA_256_EXPR, Pin::SHA_256_ENDP, Pin::SHA_256_NONE];

type ServerSide = WebSocket<StreamOwned<ServerConnection, TcpStream>>;
type ClientSide = WebSocket<StreamOwned<ClientConnection, TcpStream>>;

/// Nobody waits for longer.
fn patient(tcp: TcpStream) -> TcpStream {
    tcp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    tcp.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    tcp
}

fn text<S: std::io::Read + std::io::Write>(socket: &mut WebSocket<S>) -> Bytes {
    match socket.read().unwrap() {
        Message::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
        other => panic!("{other:?}"),
    }
}

/// Everything in one flight.
fn send<S: std::io::Read + std::io::Write>(socket: &mut WebSocket<S>, messages: &[Bytes]) {
    for message in messages {
        socket.write(Message::text(std::str::from_utf8(message).unwrap())).unwrap();
    }
    socket.flush().unwrap();
}

/// Serves one stream. It says nothing before it has `first` messages: a client that waits for more waits for ever.
fn serve(site: &Site, tcp: TcpStream, handle: Handle, first: usize) -> Option<String> {
    let (config, watch) = site.tls.recognition.connection(handle);
    let tls = StreamOwned::new(ServerConnection::new(config).unwrap(), patient(tcp));
    #[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
    let subprotocol = |request: &Request, mut response: Response| {
        assert_eq!(request.headers()["Sec-WebSocket-Protocol"], websocket::SUBPROTOCOL);
        response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(websocket::SUBPROTOCOL));
        Ok(response)
    };
    let mut socket: ServerSide = tungstenite::accept_hdr(tls, subprotocol).unwrap();
    let facts = watch.facts(&mut socket.get_mut().conn).unwrap();
    let mut connection = site.accept(Path::websocket(facts));
    let mut reader = websocket::Reader::new();
    let mut waiting: Vec<Bytes> = (0..first).map(|_| text(&mut socket)).collect();
    waiting.reverse();
    let mut who = None;
    while who.is_none() {
        let message = waiting.pop().unwrap_or_else(|| text(&mut socket));
        match reader.receive(&message).unwrap() {
            Frame::Header(_) => {
                let header = StreamHeader { from: Some(NAME.to_owned()), id: Some("1".to_owned()), to: None };
                let features = websocket::message(&site.features(&connection)).unwrap();
                send(&mut socket, &[websocket::open(&header).unwrap(), features]);
            }
            Frame::Element(element) => {
                let answer;
                (answer, who) = site.answer(&mut connection, &exporter(&socket.get_ref().conn), &element);
                send(&mut socket, &[websocket::message(&answer).unwrap()]);
            }
            frame => panic!("{frame:?}"),
        }
    }
    who
}

/// A client and its server, on a new TCP connection.
fn visit(
    site: &Site,
    first: usize,
    resume: bool,
    name: &str,
    client: impl FnOnce(&mut ClientSide, Path, Option<fast_reauth::store::client::Predecessor>),
) -> Option<String> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::scope(|scope| {
        let server = scope.spawn(|| serve(site, listener.accept().unwrap().0, handle(), first));
        let (config, watch) = match resume {
            true => site.tls.sessions.connection(&site.tls.base, &account(name)),
            false => site.tls.sessions.connection_without_resumption(&site.tls.base, &account(name)),
        };
        let tls = ClientConnection::new(config, NAME.try_into().unwrap()).unwrap();
        let tls = StreamOwned::new(tls, patient(TcpStream::connect(address).unwrap()));
        let request = ClientRequestBuilder::new(format!("wss://{NAME}/ws").parse().unwrap())
            .with_sub_protocol(websocket::SUBPROTOCOL);
        let (mut socket, _) = tungstenite::client(request, tls).unwrap();
        let facts = watch.facts(&socket.get_ref().conn).unwrap();
        assert_eq!(facts.is_resumed(), resume);
        let before = watch.predecessor(&socket.get_ref().conn);
        client(&mut socket, Path::websocket(facts.clone()), before);
        watch.authenticated(&facts, None);
        server.join().unwrap()
    })
}

fn header(name: &str) -> StreamHeader {
    StreamHeader { to: Some(NAME.to_owned()), from: Some(format!("{name}@{NAME}")), id: None }
}

fn authenticate(mechanism: &str, message: &[u8]) -> Authenticate {
    let mechanism = MechanismName::parse(mechanism).unwrap();
    Authenticate { bind: Some(Bind::default()), ..Authenticate::new(mechanism, message) }
}

fn features(message: &[u8]) -> Vec<String> {
    let offer = Features::parse(message).unwrap().sasl2;
    offer.mechanisms().iter().map(|name| name.as_str().to_owned()).collect()
}

/// Header and login at once, and what the server answers to both; what it lists.
fn known(socket: &mut ClientSide, login: &Authenticate) -> (Event, Vec<String>) {
    let (messages, mut exchange) = websocket::start(login, Some(&header("alice"))).unwrap();
    assert_eq!(messages.len(), 2);
    send(socket, &messages);
    let mut reader = websocket::Reader::new();
    assert!(matches!(reader.receive(&text(socket)), Ok(Frame::Header(_))));
    let Ok(Frame::Element(listed)) = reader.receive(&text(socket)) else { panic!() };
    let Ok(Frame::Element(answer)) = reader.receive(&text(socket)) else { panic!() };
    (exchange.receive(&answer).unwrap(), features(&listed))
}

/// The first login, which waits for what is listed; makes the client known for the mechanism that it prefers.
fn full(socket: &mut ClientSide, path: Path, accounts: &Accounts) {
    send(socket, &[websocket::open(&header("alice")).unwrap()]);
    let mut reader = websocket::Reader::new();
    assert!(matches!(reader.receive(&text(socket)), Ok(Frame::Header(_))));
    let Ok(Frame::Element(listed)) = reader.receive(&text(socket)) else { panic!() };
    let (full, message) = plain("alice");
    let (messages, mut exchange) = websocket::start(&authenticate("PLAIN", &message), None).unwrap();
    send(socket, &messages);
    assert!(matches!(exchange.receive(&text(socket)), Ok(Event::Success(_))));
    let mut client = path.connect(accounts, &account("alice"));
    client.saw_offer(features(&listed).iter().map(|name| name.as_str()));
    assert!(client.logged_in(&full, &exporter(&socket.get_ref().conn), &[], NOW).unwrap());
}

#[test]
fn a_websocket_on_its_own_tls_connection_comes_back_in_one_flight() {
    for mode in STATEFUL {
        let site = Site::new(mode, &PINS);
        let accounts = Accounts::new(Policy::default());
        let alice = || Some("alice".to_owned());
        assert_eq!(visit(&site, 1, false, "alice", |socket, path, _| full(socket, path, &accounts)), alice());
        assert_eq!(accounts.assertions(&account("alice"))[0].pin(), Pin::SHA_256_EXPR);

        // Bound to the TLS connection, which is a new one, as after a restart.
        let by = |mechanism: &'static str| {
            let accounts = &accounts;
            move |socket: &mut ClientSide, path: Path, before| {
                let mut client = path.connect(accounts, &account("alice")).resumes(before);
                let Plan::Known(attempt) = client.plan(NOW) else { panic!() };
                assert_eq!(attempt.mechanism(), mechanism);
                let (event, listed) = known(socket, &authenticate(mechanism, attempt.message()));
                let Event::Success(success) = event else { panic!("{event:?}") };
                assert!(success.bound.is_some());
                let settled = client.settle(attempt, Outcome::Accepted, success.data.as_deref(), NOW);
                assert_eq!(settled, Settled::LoggedIn);
                client.saw_offer(listed.iter().map(|name| name.as_str()));
            }
        };
        assert_eq!(visit(&site, 2, false, "alice", by("IKY-SHA-256-EXPR")), alice(), "{mode:?}");
        // On the session of that one, which the server lists as it comes; so the next one is EXTERNAL.
        assert_eq!(visit(&site, 2, true, "alice", by("IKY-SHA-256-EXPR")), alice(), "{mode:?}");
        assert_eq!(visit(&site, 2, true, "alice", by("EXTERNAL")), alice(), "{mode:?}");
    }
}

/// A manager that takes the messages of a WebSocket and speaks a stream over TCP to the server.
struct Gateway<'s> {
    leg: Leg<'s>,
    reader: websocket::Reader,
}

impl<'s> Gateway<'s> {
    fn new(site: &'s Site, peer: &Peer) -> Self {
        Self { leg: Leg::new(site, peer), reader: websocket::Reader::new() }
    }

    fn take(&mut self, message: &[u8]) -> Vec<Bytes> {
        let octets = match self.reader.receive(message).unwrap() {
            Frame::Header(header) => header.to_octets().unwrap(),
            Frame::Element(element) => element.to_vec(),
            frame => panic!("{frame:?}"),
        };
        let messages = self.leg.send(&octets).into_iter().map(|frame| match frame {
            Frame::Header(header) => websocket::open(&header).unwrap(),
            Frame::Element(element) => websocket::message(&element).unwrap(),
            frame => panic!("{frame:?}"),
        });
        messages.collect()
    }

    /// Header and login at once; what the server makes of it.
    fn log_in(&mut self, messages: &[Bytes], mut exchange: ClientExchange) -> (Option<String>, Event) {
        let answers: Vec<Bytes> = messages.iter().flat_map(|message| self.take(message)).collect();
        let [_, _, answer] = &answers[..] else { panic!("{answers:?}") };
        (self.leg.who.clone(), exchange.receive(answer).unwrap())
    }
}

/// The client sees its own TLS connection, and takes it for the server's. No proof for it is one for the manager's.
#[test]
fn two_users_of_a_websocket_manager() {
    for mode in STATEFUL {
        for names in ORDERS {
            // The assertions are from connections of their own, and of all kinds. One at a time, or a manager's users are listed
            // something else than there, and told so.
            for pin in PINS {
                let site = Site::new(mode, &[pin]);
                let front = Bench::new(mode);
                let users = names.map(|name| (name, Accounts::new(Policy::default()).preferring([pin])));
                for (name, accounts) in &users {
                    // A session that carries no lineage, as -ENDP and -NONE would have to come with one.
                    let mut link = site.tls.connect(name);
                    let mut connection = site.accept(Path::tcp(link.facts()));
                    let (full, message) = plain(name);
                    let login = authenticate("PLAIN", &message).to_octets().unwrap();
                    assert!(matches!(ClientElement::parse(&login), Ok(ClientElement::Authenticate(_))));
                    let (_, who) = site.answer(&mut connection, &exporter(&link.server), &login);
                    assert_eq!(who.as_deref(), Some(*name));
                    let mut client = Path::tcp(link.client_facts()).connect(accounts, &account(name));
                    client.saw_offer(connection.mechanisms(NOW));
                    assert!(client.logged_in(&full, &exporter(&link.client), &[], NOW).unwrap());
                }
                for (manager, takes) in [
                    (Manager::Foreign, &[Pin::SHA_256_NONE][..]),
                    (Manager::Own { host: host(), certificate: None }, &[Pin::SHA_256_NONE]),
                ] {
                    let peer = Peer::Configured(manager);
                    for (name, accounts) in &users {
                        let mut gateway = Gateway::new(&site, &peer);
                        for bound in [Pin::SHA_256_EXPR, Pin::SHA_256_ENDP] {
                            assert!(!gateway.leg.lists(bound.name()), "{peer:?}");
                        }
                        let path = Path::websocket(front.connect(name).client_facts());
                        let mut client = path.connect(accounts, &account(name));
                        // It goes by what was listed the last time.
                        let Plan::Known(attempt) = client.plan(NOW) else { panic!() };
                        assert_eq!(attempt.mechanism(), pin.name());
                        let login = authenticate(attempt.mechanism(), attempt.message());
                        let (messages, exchange) = websocket::start(&login, Some(&header(name))).unwrap();
                        let (who, event) = gateway.log_in(&messages, exchange);
                        assert_eq!(who.as_deref(), takes.contains(&pin).then_some(*name), "{mode:?} {peer:?} {pin}");
                        assert_eq!(who.is_some(), matches!(event, Event::Success(_)));

                        // The session between manager and server is one, and says nothing of either.
                        for authzid in ["", names[0], names[1]] {
                            let mut gateway = Gateway::new(&site, &peer);
                            assert!(gateway.leg.is_resumed() && !gateway.leg.lists("EXTERNAL"));
                            let login = authenticate("EXTERNAL", authzid.as_bytes());
                            let (messages, exchange) = websocket::start(&login, Some(&header(name))).unwrap();
                            assert_eq!(gateway.log_in(&messages, exchange).0, None);
                        }
                    }
                }
            }
        }
    }
}
