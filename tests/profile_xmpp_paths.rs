//! XMPP over WebSocket and BOSH: what is written is read back, what is no message is refused, and which TLS facts count.
#![cfg(feature = "xmpp")]

use bytes::{Bytes, BytesMut};
use fast_reauth::channel::EndPoint;
use fast_reauth::profile::xmpp::bosh::{Act, Attributes, Request, Response, Terminated};
use fast_reauth::profile::xmpp::{
    Authenticate, Bind, ClientElement, Event, Features, Frame, Framer, Manager, Path, StreamHeader, Success, Version,
    auth, websocket,
};
use fast_reauth::profile::{MechanismName, Offer, ProfileError, RideAlong};

mod common;
use common::*;
use fast_reauth::assertion::{DeviceId, Pin};
use fast_reauth::channel::ServerName;
use fast_reauth::mechanism::{self, Login, Outcome};

fn header() -> StreamHeader {
    StreamHeader { to: Some("example.com".into()), from: Some("o'hara@example.com".into()), id: None }
}

fn login() -> Authenticate {
    let mechanism = MechanismName::parse("IKY-SHA-256-NONE").unwrap();
    Authenticate { bind: Some(Bind::default()), ..Authenticate::new(mechanism, b"hello") }
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap()
}

fn malformed<T>(result: Result<T, ProfileError>) -> bool {
    matches!(result, Err(ProfileError::Malformed(_)))
}

/// Each attribute is compared with all before it, before anybody is known.
#[test]
fn attributes_are_bounded() {
    let more = |count: usize| -> String { (2..count).map(|number| format!(" a{number}=''")).collect() };
    let login = |count| {
        let open = "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='EXTERNAL'";
        ClientElement::parse(format!("{open}{}/>", more(count)).as_bytes()).map(|_| ())
    };
    let body = |count| {
        let open = "<body xmlns='http://jabber.org/protocol/httpbind' rid='1' sid='s'><iq xmlns='jabber:client'";
        Request::parse(format!("{open}{}/></body>", more(count)).as_bytes()).map(|_| ())
    };
    let too_many = Err(ProfileError::Malformed("an element has more than 64 attributes"));
    assert_eq!((login(64), login(65)), (Ok(()), too_many));
    assert_eq!(body(66), too_many);
    assert_ne!(body(64), too_many);
}

mod over_websocket {
    use super::*;

    const OPEN: &[u8] = b"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.com' version='1.0'/>";
    const CLOSE: &[u8] = b"<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>";

    fn opened() -> websocket::Reader {
        let mut reader = websocket::Reader::new();
        assert!(matches!(reader.receive(OPEN), Ok(Frame::Header(_))));
        reader
    }

    #[test]
    fn open_and_login_are_two_messages_of_one_flight() {
        let (messages, _) = websocket::start(&login(), Some(&header())).unwrap();
        let [open, authenticate] = &messages[..] else { panic!() };
        assert_eq!(
            text(open),
            "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' version='1.0' from='o&apos;hara@example.com' to='example.com'/>"
        );
        let mut reader = websocket::Reader::new();
        assert_eq!(reader.receive(open), Ok(Frame::Header(header())));
        let Ok(Frame::Element(element)) = reader.receive(authenticate) else { panic!() };
        assert_eq!(ClientElement::parse(&element), Ok(ClientElement::Authenticate(Box::new(login()))));
        assert_eq!(websocket::start(&login(), None).unwrap().0.len(), 1);
        assert_eq!(reader.receive(&websocket::close()), Ok(Frame::End));
    }

    /// What a stack, or another framer, has cut out of a stream over TCP relies on the stream for its namespaces.
    #[test]
    fn an_element_of_a_stream_becomes_one_that_stands_alone() {
        let mut input = BytesMut::from(&header().to_octets().unwrap()[..]);
        input.extend_from_slice(
            b"<message xml:lang='en'><body>hi &amp; bye</body></message><stream:error><reset/></stream:error>",
        );
        let mut framer = Framer::new();
        assert!(matches!(framer.receive(&mut input), Ok(Frame::Header(_))));
        let expected = ["<message xmlns='jabber:client' ", "http://etherx.jabber.org/streams"];
        for expected in expected {
            let Ok(Frame::Element(element)) = framer.receive(&mut input) else { panic!() };
            assert!(malformed(opened().receive(&element)), "as it stood there it is no message");
            let message = websocket::message(&element).unwrap();
            assert!(text(&message).contains(expected), "{}", text(&message));
            assert_eq!(opened().receive(&message), Ok(Frame::Element(message.clone())));
        }
        assert!(malformed(websocket::message(b"<message>")));
        let features = Features { sasl2: Offer::of(["PLAIN"]).unwrap(), bind: true, ..Features::default() };
        let Ok(Frame::Element(element)) = opened().receive(&features.to_octets().unwrap()) else { panic!() };
        assert_eq!(Features::parse(&element).unwrap().sasl2, features.sasl2);
    }

    #[test]
    fn a_message_is_one_element_with_its_namespaces() {
        for message in [
            &b""[..],
            b" ",
            b"\n<message xmlns='jabber:client'/>",
            b"<message/>",
            b"<x:message/>",
            b"<stream:features/>",
            b"<message xmlns='jabber:client'>",
            b"<message xmlns='jabber:client'/><message xmlns='jabber:client'/>",
            b"<message xmlns='jabber:client'/>text",
            b"<message xmlns='jabber:client'><body xmlns=''/></message",
            b"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'>",
            b"<other xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>",
            b"<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'> </close>",
            OPEN,
        ] {
            let mut reader = opened();
            let error = reader.receive(message);
            assert!(malformed(error.clone()), "{}: {error:?}", String::from_utf8_lossy(message));
            assert_eq!(reader.receive(CLOSE), error, "a stream that failed has failed");
        }
        let declared = |len: usize| format!("<a xmlns='jabber:client' xmlns:l='urn:{}'/>", "x".repeat(len - 4));
        assert!(opened().receive(declared(256).as_bytes()).is_ok());
        assert!(malformed(opened().receive(declared(257).as_bytes())));
        assert!(malformed(ClientElement::parse(declared(257).as_bytes())));
        let long = format!("<message xmlns='jabber:client'><body>{}</body></message>", "a".repeat(16 * 1024));
        assert_eq!(opened().receive(long.as_bytes()), Err(ProfileError::TooLong { limit: 16 * 1024 }));
    }

    #[test]
    fn a_stream_begins_with_open_and_ends_with_close() {
        for first in [
            &b"<message xmlns='jabber:client'/>"[..],
            b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams'/>",
        ] {
            assert!(malformed(websocket::Reader::new().receive(first)));
        }
        // The server sends the client elsewhere.
        assert_eq!(websocket::Reader::new().receive(CLOSE), Ok(Frame::End));
        let mut reader = opened();
        assert_eq!(reader.receive(CLOSE), Ok(Frame::End));
        assert!(malformed(reader.receive(b"<message xmlns='jabber:client'/>")));
    }

    /// SASL of RFC 6120: no `<close/>`, and a new `<open/>`, for which there is a new reader.
    #[test]
    fn a_stream_restarts_with_a_new_open() {
        let (flight, mut exchange) = auth(MechanismName::parse("EXTERNAL").unwrap(), b"").unwrap();
        let Ok(Frame::Element(element)) = opened().receive(&flight.bytes) else { panic!() };
        assert!(matches!(ClientElement::parse(&element), Ok(ClientElement::Auth(_))));
        let success = Success::default().to_octets(Version::Sasl1).unwrap();
        assert!(matches!(exchange.receive(&success), Ok(Event::Success(_))));
        assert!(malformed(opened().receive(OPEN)), "in the old stream it is a second one");
        assert!(matches!(websocket::Reader::new().receive(OPEN), Ok(Frame::Header(_))));
    }
}

mod over_bosh {
    use super::*;

    const SID: &str = "some'id";

    fn request(act: Act) -> Request {
        let attributes = Attributes::from([("wait".to_owned(), "60".to_owned()), ("hold".to_owned(), "1".to_owned())]);
        Request { rid: 1_573_741_820, act, attributes }
    }

    fn body(attributes: &str, content: &str) -> Vec<u8> {
        format!("<body xmlns='http://jabber.org/protocol/httpbind' xmlns:xmpp='urn:xmpp:xbosh' {attributes}>{content}</body>")
            .into_bytes()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let sid = || SID.to_owned();
        let elements = vec![Bytes::from(login().to_octets().unwrap())];
        for act in [
            Act::Create(header()),
            Act::Restart { sid: sid(), header: header() },
            Act::Send { sid: sid(), elements: elements.clone() },
            Act::Send { sid: sid(), elements: Vec::new() },
            Act::Terminate { sid: sid(), elements: elements.clone() },
        ] {
            let request = request(act);
            assert_eq!(Request::parse(&request.to_octets().unwrap()), Ok(request));
        }
        let features = Features { sasl2: Offer::of(["PLAIN"]).unwrap(), ..Features::default() };
        let response = Response {
            sid: Some(sid()),
            from: Some("example.com".into()),
            elements: vec![features.to_octets().unwrap().into()],
            terminated: Some(Terminated { condition: Some("remote-stream-error".into()) }),
            attributes: Attributes::from([("requests".to_owned(), "2".to_owned())]),
        };
        let read = Response::parse(&response.to_octets().unwrap()).unwrap();
        assert_eq!(Features::parse(&read.elements[0]).unwrap().sasl2, features.sasl2);
        assert_eq!(Response { elements: response.elements.clone(), ..read }, response);
        assert!(text(&response.to_octets().unwrap()).contains("xmlns:stream='http://etherx.jabber.org/streams'"));
    }

    #[test]
    fn a_login_stands_alone_in_its_body() {
        let (flight, mut exchange) = Request::login(7, SID, &login()).unwrap();
        assert_eq!(flight.rides_along, RideAlong::Nothing);
        let Ok(Request { rid: 7, act: Act::Send { sid, elements }, .. }) = Request::parse(&flight.bytes) else {
            panic!()
        };
        assert_eq!((sid.as_str(), elements.len()), (SID, 1));
        assert_eq!(ClientElement::parse(&elements[0]), Ok(ClientElement::Authenticate(Box::new(login()))));
        let success = Success { data: Some(Bytes::from_static(b"v=")), ..Success::default() };
        let response =
            Response { elements: vec![success.to_octets(Version::Sasl2).unwrap().into()], ..Response::default() };
        let response = Response::parse(&response.to_octets().unwrap()).unwrap();
        assert!(matches!(exchange.receive(&response.elements[0]), Ok(Event::Success(_))));
    }

    #[test]
    fn a_body_has_several_stanzas_also_without_their_namespace() {
        let stanzas = "<message to='a@example.com'><body>hi</body></message>\n\
                       <presence xmlns='jabber:client'/><x:x xmlns:x='urn:x'/>";
        let Act::Send { elements, .. } = Request::parse(&body("rid='1' sid='s'", stanzas)).unwrap().act else {
            panic!()
        };
        assert_eq!(text(&elements[0]), "<message xmlns='jabber:client' to='a@example.com'><body>hi</body></message>");
        assert_eq!(elements.len(), 3);
        // Each can stand in a stream, or in a message of a WebSocket.
        for element in &elements {
            websocket::message(element).unwrap();
        }
        let many = |count| body("rid='1' sid='s'", &"<presence/>".repeat(count));
        assert!(Request::parse(&many(64)).is_ok());
        assert!(malformed(Request::parse(&many(65))));
    }

    /// A namespace that is left out means jabber:client, and no login.
    #[test]
    fn a_login_has_its_namespace() {
        let request = body("rid='1' sid='s'", "<authenticate mechanism='EXTERNAL'/>");
        let Act::Send { elements, .. } = Request::parse(&request).unwrap().act else { panic!() };
        assert_eq!(ClientElement::parse(&elements[0]), Ok(ClientElement::Other));
    }

    /// As the writer leaves `xmlns=''` out, it would be read as another in a stream, or in another body.
    #[test]
    fn an_element_in_no_namespace_is_neither_read_nor_written() {
        let none = "<challenge xmlns=''/>";
        assert!(malformed(Request::parse(&body("rid='1' sid='s'", none))));
        assert!(malformed(Response::parse(&body("", none))));
        assert!(malformed(websocket::message(none.as_bytes())));
        let response = |element: &'static str| Response { elements: vec![element.into()], ..Response::default() };
        assert!(malformed(response(none).to_octets()));
        // Inside another it is what it says.
        let inside = response("<a xmlns='urn:a'><b xmlns=''/></a>");
        let read = Response::parse(&inside.to_octets().unwrap()).unwrap();
        assert_eq!(text(&read.elements[0]), "<a xmlns='urn:a'><b xmlns=''/></a>");
    }

    #[test]
    fn a_request_that_is_none_is_refused() {
        let login = text(&login().to_octets().unwrap()).to_owned();
        for (attributes, content) in [
            ("", ""),
            ("rid='0'", ""),
            ("rid='9007199254740992'", ""),
            ("rid='-1'", ""),
            // There is no stream yet.
            ("rid='1'", login.as_str()),
            ("rid='1' sid='s' xmpp:restart='true'", login.as_str()),
            ("rid='1' xmpp:restart='true'", ""),
            ("rid='1' type='terminate'", ""),
            ("rid='1' sid='s' type='terminate' xmpp:restart='true'", ""),
            ("rid='1' sid='s'", "text"),
            ("rid='1' rid='2' sid='s'", ""),
        ] {
            let read = Request::parse(&body(attributes, content));
            assert!(malformed(read.clone()), "{attributes} {content}: {read:?}");
        }
        for octets in [&b"<body rid='1' sid='s'/>"[..], b"<body xmlns='jabber:client' rid='1'/>", b""] {
            assert!(malformed(Request::parse(octets)));
            assert!(malformed(Response::parse(octets)));
        }
        let deep = format!("{}{}", "<a>".repeat(17), "</a>".repeat(17));
        assert!(malformed(Request::parse(&body("rid='1' sid='s'", &deep))));
        assert!(Request::parse(&body("rid='1' sid='s'", &deep[3..deep.len() - 4])).is_ok());
        // Of which its elements, none, have nothing.
        let long = body("rid='1' sid='s'", &" ".repeat(64 * 1024));
        assert_eq!(Request::parse(&long), Err(ProfileError::TooLong { limit: 64 * 1024 }));
        let declared = |len: usize| format!("<l:a xmlns:l='urn:{}'/>", "x".repeat(len - 4));
        assert!(Request::parse(&body("rid='1' sid='s'", &declared(256))).is_ok());
        assert!(malformed(Request::parse(&body("rid='1' sid='s'", &declared(257)))));
        assert!(malformed(Request::parse(&body(
            "rid='1' sid='s'",
            &declared(257).replace("l:", "").replace(":l", "")
        ))));
        let many: String = (0..33).map(|n| format!("a{n}='' ")).collect();
        assert!(malformed(Response::parse(&body(&many, ""))));
    }

    /// Where a prefix stood once for a namespace, each element declares it when it is written.
    #[test]
    fn a_body_does_not_grow_beyond_its_limit() {
        let limit = 64 * 1024;
        let declared = format!("rid='1' sid='s' xmlns:l='urn:{}'", "x".repeat(200));
        // In one element, and summed over all that there may be.
        let one = |count| body(&declared, &format!("<a>{}</a>", "<l:b/>".repeat(count)));
        let several = |count| body(&declared, &format!("<a>{}</a>", "<l:b/>".repeat(count)).repeat(64));
        for (few, many) in [(one(200), one(400)), (several(3), several(5))] {
            assert!(many.len() < limit);
            let read = Request::parse(&few).unwrap();
            let Act::Send { elements, .. } = &read.act else { panic!() };
            let written: usize = elements.iter().map(Bytes::len).sum();
            assert!(few.len() < written && written <= limit, "{written}");
            for error in [Request::parse(&many).err(), Response::parse(&many).err()] {
                assert_eq!(error, Some(ProfileError::TooLong { limit }));
            }
        }
    }

    #[test]
    fn a_body_with_elements_that_grow_is_not_written() {
        let long = "x".repeat(200);
        let grows = |count| format!("<a xmlns:l='urn:{long}'>{}</a>", "<l:b/>".repeat(count));
        let send = |elements: &[&str]| {
            let elements = elements.iter().map(|element| Bytes::copy_from_slice(element.as_bytes())).collect();
            request(Act::Send { sid: SID.to_owned(), elements }).to_octets()
        };
        let written = send(&[&grows(250)]).unwrap();
        assert!(written.len() > 40 * 1024 && written.len() <= 64 * 1024, "{}", written.len());
        assert!(matches!(send(&[&grows(250), &grows(250)]), Err(ProfileError::OutOfTurn(_))));
        // 16 KiB that would be half a megabyte: it ends at the limit, ahead of what is no element.
        assert!(matches!(send(&[&grows(2600), "<"]), Err(ProfileError::OutOfTurn(_))));
        assert!(malformed(send(&[&grows(250), "<"])));
        assert_eq!(websocket::message(grows(2600).as_bytes()), Err(ProfileError::TooLong { limit: 16 * 1024 }));
        assert!(websocket::message(grows(50).as_bytes()).is_ok());
    }

    #[test]
    fn a_request_that_would_be_none_is_not_written() {
        let send = |elements: Vec<Bytes>| Act::Send { sid: SID.to_owned(), elements };
        for bad in [
            Request { rid: 0, ..request(send(Vec::new())) },
            Request { rid: 1 << 53, ..request(send(Vec::new())) },
            Request { attributes: Attributes::from([("sid".to_owned(), String::new())]), ..request(send(Vec::new())) },
            Request { attributes: Attributes::from([("a b".to_owned(), String::new())]), ..request(send(Vec::new())) },
            request(send(vec![Bytes::from_static(b"<presence/>"); 65])),
            request(send(vec![Bytes::from_static(b"<presence/></body><body>")])),
            request(Act::Send { sid: "\u{0}".into(), elements: Vec::new() }),
        ] {
            assert!(bad.to_octets().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nothing_that_logs_in_is_printed() {
        let (flight, _) = Request::login(7, "0a1b2c", &login()).unwrap();
        let request = Request::parse(&flight.bytes).unwrap();
        let response = Response { sid: Some("0a1b2c".into()), elements: vec![flight.bytes], ..Response::default() };
        for printed in [format!("{request:?}"), format!("{response:?}")] {
            assert!(!printed.contains("0a1b2c") && !printed.contains("aGVsbG8"), "{printed}");
        }
    }
}

/// The XML writer stops the program over some elements that the parser takes.
#[test]
fn junk_panics_nowhere() {
    let element = "<m xml:lang='a' b:c='d' xmlns:b='urn:b'><b:e xmlns=''/>&lt;</m>";
    let body = format!(
        "<body xmlns='http://jabber.org/protocol/httpbind' rid='1' sid='s' to='t' xmpp:restart='false' xmlns:xmpp='urn:xmpp:xbosh'>\
         {element}</body>"
    );
    for octets in [element, &body] {
        for at in 0..octets.len() {
            for octet in *b"\0<>'\"&;:/=! x\xff" {
                let mut changed = octets.as_bytes().to_vec();
                changed[at] = octet;
                let _ = websocket::message(&changed);
                let _ = websocket::Reader::new().receive(&changed);
                let read = [
                    Request::parse(&changed).and_then(|request| request.to_octets()),
                    Response::parse(&changed).and_then(|response| response.to_octets()),
                ];
                for body in read.into_iter().flatten() {
                    assert!(Response::parse(&body).is_ok());
                }
            }
        }
    }
}

const PINS: [Pin; 3] = [Pin::SHA_256_EXPR, Pin::SHA_256_ENDP, Pin::SHA_256_NONE];

fn iky(connection: &mechanism::Connection<'_>) -> Vec<&'static str> {
    let all = connection.mechanisms(START);
    PINS.iter().map(|pin| pin.name()).filter(|name| all.contains(name)).collect()
}

/// A service that lists everything that it can, and whose client logged in on the session that `.1` resumes.
fn known() -> (Pair, Tls) {
    let mut policy = fast_reauth::assertion::Policy::default();
    policy.records_per_login = PINS.len();
    let pair = Pair::new(server_with(&PINS).policy(policy));
    let first = Tls::full();
    pair.full_login("alice", &first);
    (pair, Tls::resuming(&first))
}

#[test]
fn a_websocket_on_a_connection_of_its_own_is_like_tcp() {
    let (pair, tls) = known();
    for path in [Path::tcp(tls.server()), Path::websocket(tls.server())] {
        let connection = path.accept(&pair.server);
        let lookup = connection.lookup().expect("a session to look up");
        let found = fast_reauth::store::Store::lookup(&pair.store, &lookup, pair.now).unwrap();
        let connection = connection.resumes(found.lineage);
        assert!(connection.mechanisms(pair.now).contains(&"EXTERNAL"));
        assert_eq!(iky(&connection).len(), 3);
    }
}

/// Nor does it come back with the facts that TLS gives once the handshake is finished.
#[test]
fn what_a_path_took_away_stays_away() {
    let (pair, tls) = known();
    for path in [Path::bosh(tls.server()), Path::shared_websocket(tls.server())] {
        let mut connection = path.accept(&pair.server);
        connection.update_facts(tls.server());
        assert_eq!(connection.lookup(), None);
        assert!(connection.facts().lineage().is_none() && connection.facts().own_handle().is_none());
        assert_eq!(iky(&connection), ["IKY-SHA-256-ENDP", "IKY-SHA-256-NONE"]);
    }
    let host = ServerName::parse(NAME).unwrap();
    for manager in [Manager::Foreign, Manager::Own { host, certificate: None }] {
        let mut connection = manager.accept(&pair.server);
        let before = iky(&connection);
        connection.update_facts(tls.server());
        assert!(connection.facts().tls_exporter().is_none() && connection.facts().tls_server_end_point().is_none());
        assert_eq!((connection.lookup(), iky(&connection)), (None, before));
    }
}

#[test]
fn what_is_on_several_connections_is_bound_to_none() {
    let (pair, tls) = known();
    for path in [Path::bosh(tls.server()), Path::shared_websocket(tls.server())] {
        let connection = path.clone().accept(&pair.server);
        assert_eq!(connection.lookup(), None, "it has no predecessor");
        assert!(!connection.mechanisms(pair.now).contains(&"EXTERNAL"));
        assert_eq!(iky(&connection), ["IKY-SHA-256-ENDP", "IKY-SHA-256-NONE"]);
        assert_eq!(pair.judge_on(&connection, "EXTERNAL", b"alice").outcome, Outcome::Stale);
        // Nor is there anything to find a proof by that is bound to the connection, or to its lineage.
        let message = pair.attempt("alice", &tls, None, &[PINS[0].name()]).1.unwrap().message().to_vec();
        assert_eq!(pair.judge_on(&connection, PINS[0].name(), &message).outcome, Outcome::BindingMismatch);

        let mut connection = connection;
        let login = Login { full: &bound("bob"), identity: "bob", device: DeviceId::new(fresh()), now: pair.now };
        let made = connection.logged_in_granting(login, Pin::SHA_256_NONE, &[9; 32]);
        let fast_reauth::store::Commit::Remember(remember) = made.commit else { panic!() };
        assert_eq!((made.unknown, remember.records.len(), remember.link), (None, 1, None));
        // What the client believes.
        let facts = path.facts();
        assert!(!facts.is_resumed() && facts.tls_exporter().is_none() && facts.lineage().is_none());
        assert_eq!(facts.name().as_str(), NAME);
    }
    let mut old = Tls { version12: Some(true), unique: Some([1; 12]), early_data: true, ..Tls::full() };
    old.dhe = false;
    let path = Path::bosh(old.server());
    assert_eq!(path.facts().tls_unique(), None);
    // What is bad of one connection stays.
    assert!(path.facts().is_early_data() && path.facts().keys_are_private().is_err());

    // Nor is early data bound to it.
    let early = Tls { early_data: true, ..tls.clone() };
    let facts = early.server().early_exporter(&early.exporter()).unwrap();
    let expr = PINS[0];
    assert_eq!(expr.check_channel(&facts), Ok(()));
    assert!(expr.check_channel(Path::bosh(facts).facts()).is_err());
}

#[test]
fn a_connection_manager_is_asked_nothing_of_its_tls() {
    let (pair, _) = known();
    let host = ServerName::parse(NAME).unwrap();
    let certificate = EndPoint::from_octets(&[7; 32]).unwrap();
    for (manager, listed, grants) in [
        (Manager::Foreign, &["IKY-SHA-256-NONE"][..], false),
        (Manager::Own { host: host.clone(), certificate: None }, &["IKY-SHA-256-NONE"], true),
        (Manager::Own { host, certificate: Some(certificate) }, &["IKY-SHA-256-ENDP", "IKY-SHA-256-NONE"], true),
    ] {
        let mut connection = manager.accept(&pair.server);
        assert_eq!(iky(&connection), listed);
        assert_eq!(pair.judge_on(&connection, "EXTERNAL", b"").outcome, Outcome::Stale);
        let login = Login { full: &bound("bob"), identity: "bob", device: DeviceId::new(fresh()), now: pair.now };
        let made = connection.logged_in_granting(login, Pin::SHA_256_NONE, &[9; 32]);
        assert_eq!(made.unknown.is_none(), grants);
        let fast_reauth::store::Commit::Remember(remember) = made.commit else { panic!() };
        assert_eq!(remember.link, None);
    }
}

/// Even where a stack gives it the facts of the manager's own TLS connection, and not those of a [`Manager`].
#[test]
fn a_connection_manager_is_listed_no_binding() {
    let (pair, _) = known();
    let connection = mechanism::Connection::new(&pair.server, Tls::full().server()).through_manager();
    assert_eq!(iky(&connection), ["IKY-SHA-256-NONE"]);
}
