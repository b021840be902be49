//! XMPP elements: what is written is read back, and what others write is read.
#![cfg(feature = "xmpp")]

use bytes::{Bytes, BytesMut};
use fast_reauth::Timestamp;
use fast_reauth::mechanism::Outcome;
use fast_reauth::profile::xmpp::{
    Authenticate, Bind, Bound, ClientElement, ConfigVersion, EnableStreamManagement, EnabledStreamManagement, Event,
    Failure, Fast, FastFeature, Features, Frame, Framer, GrantedAssertion, IssuedToken, Resume, StreamHeader, Success,
    UserAgent, Version, auth, challenge,
};
use fast_reauth::profile::{MechanismName, Offer, ProfileError, RideAlong};

fn name(name: &str) -> MechanismName {
    MechanismName::parse(name).unwrap()
}

fn iky() -> MechanismName {
    name("IKY-SHA-256-EXPR")
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap()
}

fn full() -> Authenticate {
    Authenticate {
        user_agent: Some(UserAgent {
            id: Some("d4565fa7-4d72-4749-b3d3-740edbf87770".into()),
            software: Some("A & B".into()),
            device: Some("Kiva's <Phone>".into()),
        }),
        bind: Some(Bind {
            tag: Some("tag".into()),
            enable: vec!["urn:xmpp:carbons:2".into(), "urn:xmpp:csi:0".into()],
            stream_management: Some(EnableStreamManagement { resume: true, max: Some(600) }),
        }),
        resume: Some(Resume { previd: "some'id".into(), h: 12 }),
        assertion_request: Some(name("IKY-SHA-256-NONE")),
        token_request: Some(name("HT2-SHA-3-512-EXPR")),
        fast: Some(Fast { count: Some(123), invalidate: true }),
        config_version: Some(ConfigVersion { scheme: Some("opaque".into()), value: "VGhpcyBpcyBvcGFxdWUh".into() }),
        ..Authenticate::new(iky(), b"hello")
    }
}

/// White space in an attribute is read as spaces unless it is written as character references.
#[test]
fn a_header_is_read_as_it_was_written() {
    for to in ["a\tb", "a\nb", "a\rb", "a b", "<'&\">"] {
        let header = StreamHeader { to: Some(to.into()), from: None, id: None };
        assert_eq!(StreamHeader::parse(&header.to_octets().unwrap()), Ok(header), "{to:?}");
    }
}

#[test]
fn the_first_flight_is_header_and_authenticate() {
    let header = StreamHeader { to: Some("example.com".into()), from: Some("o'hara@example.com".into()), id: None };
    let (flight, _) = Authenticate::new(iky(), b"hello").start(Some(&header)).unwrap();
    assert_eq!(
        text(&flight.bytes),
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
         version='1.0' from='o&apos;hara@example.com' to='example.com'>\
         <authenticate xmlns='urn:xmpp:sasl:2' mechanism='IKY-SHA-256-EXPR'>\
         <initial-response>aGVsbG8=</initial-response></authenticate>"
    );
    assert_eq!(flight.rides_along, RideAlong::Nothing);
    let (flight, _) = auth(name("EXTERNAL"), b"").unwrap();
    assert_eq!(text(&flight.bytes), "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>");
}

#[test]
fn authenticate_is_read_back() {
    let octets = full().to_octets().unwrap();
    assert_eq!(ClientElement::parse(&octets).unwrap(), ClientElement::Authenticate(Box::new(full())));
    // and another stack reads the same
    let theirs: xmpp_parsers::sasl2::Authenticate =
        text(&octets).parse::<minidom::Element>().unwrap().try_into().unwrap();
    assert_eq!(
        (theirs.mechanism.as_str(), theirs.initial_response.as_deref()),
        ("IKY-SHA-256-EXPR", Some(&b"hello"[..]))
    );
    assert_eq!(theirs.user_agent.device.as_deref(), Some("Kiva's <Phone>"));
    assert_eq!(theirs.payloads.len(), 6);
    let payload = |name: &str| theirs.payloads.iter().find(|payload| payload.name() == name).unwrap().clone();
    let fast = xmpp_parsers::fast::FastResponse::try_from(payload("fast")).unwrap();
    assert_eq!((fast.count, fast.invalidate), (123, true));
    let request = xmpp_parsers::fast::RequestToken::try_from(payload("request-token")).unwrap();
    assert_eq!(request.mechanism, "HT2-SHA-3-512-EXPR");
    let bind = xmpp_parsers::bind2::BindQuery::try_from(payload("bind")).unwrap();
    let enable = xmpp_parsers::sm::Enable::try_from(bind.payloads.last().unwrap().clone()).unwrap();
    assert_eq!((enable.resume, enable.max), (true, Some(600)));

    let parse = |octets: &str| ClientElement::parse(octets.as_bytes());
    let request = |octets| match parse(octets).unwrap() {
        ClientElement::Authenticate(authenticate) => authenticate.request.initial_response,
        ClientElement::Auth(request) => request.initial_response,
        other => panic!("{other:?}"),
    };
    assert_eq!(request("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='EXTERNAL'/>"), None);
    let empty = Some(Bytes::new());
    assert_eq!(
        request("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='EXTERNAL'><initial-response/></authenticate>"),
        empty
    );
    assert_eq!(
        request(
            "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='EXTERNAL'><initial-response>=</initial-response></authenticate>"
        ),
        empty
    );
    assert_eq!(request("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'/>"), None);
    assert_eq!(request("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"), empty);
    assert_eq!(parse("<message><authenticate xmlns='urn:xmpp:sasl:2'/></message>").unwrap(), ClientElement::Other);
    assert_eq!(parse("<authenticate mechanism='X'/>").unwrap(), ClientElement::Other);
    assert_eq!(parse("<abort xmlns='urn:xmpp:sasl:2'/>").unwrap(), ClientElement::Abort(Version::Sasl2));
    assert!(
        matches!(parse("<response xmlns='urn:xmpp:sasl:2'>dg==</response>"), Ok(ClientElement::Response(r)) if r.message == "v")
    );
    for wrong in ["dh==", "d g==", "\ndg==\n"] {
        let octets = format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>{wrong}</auth>");
        assert_eq!(parse(&octets), Err(ProfileError::NotBase64));
    }
    assert!(matches!(
        parse("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='a b'>=</auth>"),
        Err(ProfileError::Malformed(_))
    ));
}

/// A plain `<fast/>`, as most clients send it: xmpp-parsers wants a count, and we don't.
#[test]
fn fast_needs_no_count() {
    let plain = "<fast xmlns='urn:xmpp:fast:0'/>";
    let theirs = xmpp_parsers::fast::FastResponse::try_from(plain.parse::<minidom::Element>().unwrap());
    assert!(theirs.is_err());
    let login = format!("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-EXPR'>{plain}</authenticate>");
    let ClientElement::Authenticate(ours) = ClientElement::parse(login.as_bytes()).unwrap() else { panic!() };
    assert_eq!(ours.fast, Some(Fast { count: None, invalidate: false }));
}

/// What another stack makes of a server's elements.
#[test]
fn features_tokens_and_streams_are_read_by_another_stack() {
    let features = Features {
        sasl2: Offer::of(["SCRAM-SHA-256-PLUS"]).unwrap(),
        bind: true,
        bind_inline: vec!["urn:xmpp:sm:3".into()],
        fast: Some(FastFeature { offer: Offer::of(["HT-SHA-256-EXPR"]).unwrap(), tls_0rtt: true }),
        ..Features::default()
    };
    let element: minidom::Element = text(&features.to_octets().unwrap()).parse().unwrap();
    let authentication = element.get_child("authentication", "urn:xmpp:sasl:2").unwrap().clone();
    let inline = xmpp_parsers::sasl2::Authentication::try_from(authentication).unwrap().inline.unwrap();
    assert_eq!(inline.bind2.unwrap().inline_features, ["urn:xmpp:sm:3"]);
    let fast = xmpp_parsers::fast::FastQuery::try_from(inline.payloads[0].clone()).unwrap();
    assert_eq!((fast.tls_0rtt, fast.mechanisms[0].0.as_str()), (true, "HT-SHA-256-EXPR"));

    let enabled = EnabledStreamManagement { id: Some("i".into()), resume: true, max: Some(9), location: None };
    let bound = Some(Bound::with_stream_management(&enabled).unwrap());
    let octets = Success { bound, ..success() }.to_octets(Version::Sasl2).unwrap();
    let element: minidom::Element = text(&octets).parse().unwrap();
    let child = |name: &str| element.children().find(|child| child.name() == name).unwrap();
    let token = xmpp_parsers::fast::Token::try_from(child("token").clone()).unwrap();
    assert_eq!(token.token, "WXZzci & <pbmFm>");
    assert_eq!(token.expiry.0.timestamp(), 1_584_023_775);
    let theirs = child("bound").children().next().unwrap().clone();
    let theirs = xmpp_parsers::sm::Enabled::try_from(theirs).unwrap();
    assert_eq!((theirs.id.unwrap().0.as_str(), theirs.resume, theirs.max), ("i", true, Some(9)));
    assert_eq!(xmpp_parsers::sm::Failed::try_from(child("failed").clone()).unwrap().h, Some(7));
}

fn success() -> Success {
    Success {
        data: Some(Bytes::from_static(b"v=reply")),
        authorization_identifier: Some("juliet@example.com/balcony & more".into()),
        bound: Some(Bound::empty()),
        resumed: None,
        resume_failed: true,
        resume_failed_h: Some(7),
        token: Some(IssuedToken::new("WXZzci & <pbmFm>", Timestamp::from_secs(1_584_023_775)).unwrap()),
        assertion: Some(GrantedAssertion::new(name("IKY-SHA-256-NONE"), [0x5a; 32])),
    }
}

fn reply(octets: &[u8]) -> Result<Event, ProfileError> {
    Authenticate::new(iky(), b"hello").start(None).unwrap().1.receive(octets)
}

#[test]
fn success_is_read_back() {
    let octets = success().to_octets(Version::Sasl2).unwrap();
    let Event::Success(read) = reply(&octets).unwrap() else { panic!() };
    let bound = read.bound.clone().unwrap();
    assert_eq!(Success { bound: success().bound, ..*read }, success());
    assert!(text(bound.as_octets()).starts_with("<bound xmlns='urn:xmpp:bind:0'"));

    let resumed = Success { resumed: Some(Resume { previd: "p".into(), h: u32::MAX }), ..Success::default() };
    let Event::Success(read) = reply(&resumed.to_octets(Version::Sasl2).unwrap()).unwrap() else { panic!() };
    assert_eq!(*read, resumed);

    // SASL of RFC 6120 has the message, and nothing else
    let octets = success().to_octets(Version::Sasl1).unwrap();
    assert_eq!(text(&octets), "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>dj1yZXBseQ==</success>");
    let (_, mut exchange) = auth(iky(), b"hello").unwrap();
    let Event::Success(read) = exchange.receive(&octets).unwrap() else { panic!() };
    assert_eq!(*read, Success { data: success().data, ..Success::default() });
    // an element of the other SASL is not an answer
    let (_, mut exchange) = auth(iky(), b"hello").unwrap();
    assert_eq!(exchange.receive(b"<success xmlns='urn:xmpp:sasl:2'/>").unwrap(), Event::Pass);
}

#[test]
fn what_features_put_into_bound_is_kept() {
    let octets = b"<success xmlns='urn:xmpp:sasl:2'><bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3' id='x'/></bound></success>";
    let Event::Success(read) = reply(octets).unwrap() else { panic!() };
    let bound = read.bound.unwrap();
    assert_eq!(Bound::parse(bound.as_octets()).unwrap(), bound);
    assert!(text(bound.as_octets()).contains("urn:xmpp:sm:3"));
    for other in [
        "<bound/>",
        "<x xmlns='urn:xmpp:bind:0'/>",
        "<bound xmlns='urn:xmpp:bind:0'/><evil/>",
        "<bound xmlns='urn:xmpp:bind:0'>",
    ] {
        assert!(Bound::parse(other.as_bytes()).is_err(), "{other}");
    }
}

#[test]
fn every_failure_is_read_back() {
    for outcome in Outcome::ALL {
        let failure = Failure::new(outcome, Some(b"e=x"));
        if outcome == Outcome::Accepted {
            assert!(matches!(failure.to_octets(Version::Sasl2), Err(ProfileError::OutOfTurn(_))));
            continue;
        }
        let octets = failure.to_octets(Version::Sasl2).unwrap();
        assert_eq!(reply(&octets).unwrap(), Event::Failure(failure.clone()));
        let octets = failure.to_octets(Version::Sasl1).unwrap();
        assert!(!text(&octets).contains("iky"));
        let (_, mut exchange) = auth(iky(), b"hello").unwrap();
        let mut failure = failure;
        failure.message = None;
        assert_eq!(exchange.receive(&octets).unwrap(), Event::Failure(failure));
    }
    let sent = |outcome| Failure::new(outcome, Some(b"e=x")).to_octets(Version::Sasl2).unwrap();
    for outcome in [Outcome::BadProof, Outcome::BindingMismatch, Outcome::Replayed] {
        assert_eq!(sent(outcome), sent(Outcome::Stale));
    }
    assert_eq!(
        text(&sent(Outcome::Stale)),
        "<failure xmlns='urn:xmpp:sasl:2'><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>\
         <iky xmlns='urn:ietf:params:xml:ns:iky'>ZT14</iky></failure>"
    );
    let theirs = b"<failure xmlns='urn:xmpp:sasl:2'><text>no</text><unheard-of xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>";
    assert_eq!(reply(theirs).unwrap(), Event::Failure(Failure::new(Outcome::Stale, None)));
    let theirs = b"<failure xmlns='urn:xmpp:sasl:2'/>";
    assert_eq!(reply(theirs).unwrap(), Event::Failure(Failure::new(Outcome::Stale, None)));
}

#[test]
fn a_challenge_is_aborted_and_never_accepted() {
    for more in [
        challenge(Version::Sasl2, b"x").unwrap(),
        b"<continue xmlns='urn:xmpp:sasl:2'><tasks><task>T</task></tasks></continue>".to_vec(),
    ] {
        for end in ["<failure xmlns='urn:xmpp:sasl:2'/>", "<success xmlns='urn:xmpp:sasl:2'/>"] {
            let (_, mut exchange) = Authenticate::new(iky(), b"hello").start(None).unwrap();
            let Event::Send(abort) = exchange.receive(&more).unwrap() else { panic!() };
            assert_eq!(ClientElement::parse(&abort).unwrap(), ClientElement::Abort(Version::Sasl2));
            assert_eq!(exchange.receive(end.as_bytes()), Err(ProfileError::UnexpectedChallenge));
            assert_eq!(exchange.receive(end.as_bytes()), Err(ProfileError::UnexpectedChallenge));
        }
    }
}

#[test]
fn features_are_read_back_alone_and_in_a_stream() {
    let features = Features {
        sasl1: Offer::of(["SCRAM-SHA-256-PLUS", "EXTERNAL"]).unwrap(),
        sasl2: Offer::of(["SCRAM-SHA-256-PLUS", "IKY-SHA-256-EXPR"]).unwrap(),
        bind: true,
        bind_inline: vec!["urn:xmpp:carbons:2".into(), "urn:xmpp:sm:3".into()],
        resume: true,
        grants: true,
        fast: Some(FastFeature { offer: Offer::of(["HT-SHA-256-EXPR", "HT-SHA-256-ENDP"]).unwrap(), tls_0rtt: true }),
        config_version: Some(ConfigVersion { scheme: None, value: "V2VsbCwgb2YgY291cnNl".into() }),
        channel_bindings: vec!["tls-exporter".into(), "tls-server-end-point".into()],
    };
    assert_eq!(Features::parse(&features.to_octets().unwrap()).unwrap(), features);
    let children = features.children().unwrap();
    let in_stream =
        [b"<stream:features>", &children[..], b"<ver xmlns='urn:xmpp:features:rosterver'/></stream:features>"].concat();
    assert_eq!(Features::parse(&in_stream).unwrap(), features);
    let less =
        Features { bind: false, bind_inline: vec![], grants: false, fast: None, config_version: None, ..features };
    assert_eq!(Features::parse(&less.to_octets().unwrap()).unwrap(), less);
    assert!(Features::parse(b"<features/>").is_err());
    let odd = Features::parse(b"<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>a b</mechanism><mechanism>plain</mechanism></mechanisms></stream:features>");
    assert_eq!(odd.unwrap().sasl1.mechanisms(), [name("PLAIN")]);
}

#[test]
fn a_granted_assertion_is_32_octets_and_secret() {
    let grant = GrantedAssertion::new(iky(), [7; 32]);
    assert_eq!(format!("{grant:?}"), "GrantedAssertion(IKY-SHA-256-EXPR, redacted)");
    assert_ne!(grant, GrantedAssertion::new(iky(), [8; 32]));
    let wire = |text: &str| {
        let octets = format!(
            "<success xmlns='urn:xmpp:sasl:2'><assertion xmlns='urn:ietf:params:xml:ns:iky' mechanism='IKY-SHA-256-EXPR'>{text}</assertion></success>"
        );
        reply(octets.as_bytes())
    };
    let Event::Success(read) = wire("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=").unwrap() else { panic!() };
    assert_eq!(read.assertion.as_ref(), Some(&grant));
    assert!(!format!("{read:?}").contains("7, 7"));
    for wrong in ["BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBw==", "", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwd="] {
        assert!(wire(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn elements_are_bounded() {
    let deep = |levels: usize| format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels));
    assert_eq!(reply(deep(16).as_bytes()), Ok(Event::Pass));
    assert!(matches!(reply(deep(17).as_bytes()), Err(ProfileError::Malformed(_))));
    assert!(matches!(reply("<a>".repeat(5000).as_bytes()), Err(ProfileError::Malformed(_))));
    let long = |len: usize| format!("<a>{}</a>", "x".repeat(len - 7));
    assert_eq!(reply(long(16384).as_bytes()), Ok(Event::Pass));
    assert_eq!(reply(long(16385).as_bytes()), Err(ProfileError::TooLong { limit: 16384 }));
    for wrong in [
        "",
        "<a>",
        "<a/><b/>",
        "<a/>x",
        "x<a/>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        "<a>&b;</a>",
        "<b:a/>",
        "<?pi x?><a/>",
        "<a></b>",
        "<!--x--><a/>",
    ] {
        assert!(matches!(reply(wrong.as_bytes()), Err(ProfileError::Malformed(_))), "{wrong}");
    }
    assert!(reply(b"<a>\xff</a>").is_err());
}

/// The XML writer would stop the program over a character that XML doesn't have.
#[test]
fn text_that_xml_has_no_characters_for_is_refused() {
    type Build = fn(String) -> Result<Vec<u8>, ProfileError>;
    let builders: [Build; 5] = [
        |text| Authenticate { bind: Some(Bind { tag: Some(text), ..Bind::default() }), ..full() }.to_octets(),
        |text| Authenticate { bind: Some(Bind { enable: vec![text], ..Bind::default() }), ..full() }.to_octets(),
        |text| Authenticate { resume: Some(Resume { previd: text, h: 0 }), ..full() }.to_octets(),
        |text| Success { authorization_identifier: Some(text), ..success() }.to_octets(Version::Sasl2),
        |text| StreamHeader { to: Some(text), ..StreamHeader::default() }.to_octets(),
    ];
    for build in builders {
        for c in
            (0..=0x300).chain([0xd7ff, 0xe000, 0xfffd, 0xfffe, 0xffff, 0x1_0000, 0x10_ffff]).filter_map(char::from_u32)
        {
            let legal = matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && c != '\u{fffe}' && c != '\u{ffff}');
            assert_eq!(build(format!("x{c}y")).is_ok(), legal, "{c:?}");
        }
    }
}

const STREAM: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='s1' from='example.com' version='1.0'>\
 \n<stream:features><a/></stream:features> <success xmlns='urn:xmpp:sasl:2'><b>&lt;c/&gt;</b></success><d/>";

fn frames(framer: &mut Framer, wire: &[u8], chunk: usize) -> (Vec<Result<Frame, ProfileError>>, BytesMut) {
    let (mut frames, mut input) = (Vec::new(), BytesMut::new());
    let mut chunks = wire.chunks(chunk);
    loop {
        match framer.receive(&mut input) {
            Ok(Frame::NeedMore) => match chunks.next() {
                Some(more) => input.extend_from_slice(more),
                None => return (frames, input),
            },
            last @ (Ok(Frame::End) | Err(_)) => {
                frames.push(last);
                return (frames, input);
            }
            frame => frames.push(frame),
        }
    }
}

#[test]
fn the_framer_cuts_a_stream_the_same_in_every_chunking() {
    let element = |octets: &'static str| Ok(Frame::Element(Bytes::from_static(octets.as_bytes())));
    let header = StreamHeader { id: Some("s1".into()), from: Some("example.com".into()), to: None };
    for chunk in [1, 2, 3, 17, 10_000] {
        let wire = format!("{STREAM}</stream:stream>");
        let (cut, _) = frames(&mut Framer::new(), wire.as_bytes(), chunk);
        let expected = vec![
            Ok(Frame::Header(header.clone())),
            element("<stream:features><a/></stream:features>"),
            element("<success xmlns='urn:xmpp:sasl:2'><b>&lt;c/&gt;</b></success>"),
            element("<d/>"),
            Ok(Frame::End),
        ];
        assert_eq!(cut, expected, "{chunk}");
    }
}

#[test]
fn the_framer_leaves_what_follows() {
    let (mut framer, mut input) = (Framer::new(), BytesMut::from(STREAM));
    for rest in ["<stream:features>", "<success", "<d/>"] {
        assert!(!matches!(framer.receive(&mut input).unwrap(), Frame::NeedMore));
        assert!(text(&input).trim_start().starts_with(rest), "{}", text(&input));
    }
}

#[test]
fn the_framer_is_bounded_and_repeats_its_error() {
    let opened = &STREAM[..STREAM.find("<stream:features").unwrap()];
    // keepalives are no element
    let (cut, _) = frames(&mut Framer::new(), format!("{opened}{}<d/>", " ".repeat(100_000)).as_bytes(), 1000);
    assert_eq!(cut.len(), 2);
    let grows = |wire: String| {
        let mut framer = Framer::new();
        let (cut, mut input) = frames(&mut framer, format!("{opened}{wire}").as_bytes(), 1000);
        let error = cut.last().unwrap().clone().unwrap_err();
        assert_eq!(framer.receive(&mut input), Err(error));
        error
    };
    assert_eq!(grows(format!("<a>{}", "x".repeat(100_000))), ProfileError::TooLong { limit: 16384 });
    assert_eq!(grows(format!("<a>{}", "<b/>".repeat(100_000))), ProfileError::TooLong { limit: 16384 });
    assert!(matches!(grows("<a>".repeat(17)), ProfileError::Malformed(_)));
    assert!(matches!(grows(format!("<{}", "x".repeat(100_000))), ProfileError::Malformed(_)));
    assert!(matches!(grows("text<a/>".into()), ProfileError::Malformed(_)));
    assert!(matches!(grows("</other>".into()), ProfileError::Malformed(_)));
    for header in
        ["<a/>", "<stream xmlns='jabber:client'>", "<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='x'>"]
    {
        let (cut, _) = frames(&mut Framer::new(), header.as_bytes(), 1000);
        assert!(!matches!(cut.first(), Some(Ok(Frame::Header(_) | Frame::Element(_)))), "{header} {cut:?}");
    }
}

#[test]
fn junk_panics_nowhere() {
    let features = b"<stream:features><authentication xmlns='urn:xmpp:sasl:2'><mechanism>X</mechanism></authentication></stream:features>";
    let good = [
        full().to_octets().unwrap(),
        success().to_octets(Version::Sasl2).unwrap(),
        Failure::new(Outcome::Stale, Some(b"e=x")).to_octets(Version::Sasl2).unwrap(),
        features.to_vec(),
        STREAM.as_bytes().to_vec(),
    ];
    for octets in good {
        for at in 0..octets.len() {
            for octet in *b"\0<>'\"&;:/=! x\xff" {
                let mut changed = octets.clone();
                changed[at] = octet;
                let _ = ClientElement::parse(&changed);
                let _ = Features::parse(&changed);
                let _ = StreamHeader::parse(&changed);
                let _ = reply(&changed);
                frames(&mut Framer::new(), &changed, 50);
            }
        }
    }
}

#[test]
fn debug_prints_no_secrets() {
    let mut authenticate = Authenticate::new(name("PLAIN"), b"\0me\0hunter2");
    authenticate.resume = Some(Resume { previd: "secret-id".into(), h: 0 });
    let resume = &authenticate.resume;
    let printed =
        format!("{authenticate:?} {resume:?} {:?}", ClientElement::Authenticate(Box::new(authenticate.clone())));
    assert!(!printed.contains("hunter2") && !printed.contains("secret-id"), "{printed}");
}

/// What a server may send inside its success, and what its author may have put in there: legal XML, and not.
#[test]
fn whatever_is_bound_stops_nobody() {
    for (inside, good) in [
        ("<bound xmlns='urn:xmpp:bind:0' xmlns:a='b'><a:x xmlns:a='urn:q'/></bound>", true),
        (
            "<bound xmlns='urn:xmpp:bind:0'><x xmlns:xml='http://www.w3.org/XML/1998/namespace' xml:lang='en'/></bound>",
            true,
        ),
        ("<bound xmlns='urn:xmpp:bind:0' xmlns:a='urn:a'><x a:y='1' y='2'>t&amp;t</x></bound>", true),
        ("<bound xmlns='urn:xmpp:bind:0'><x xmlns='http://www.w3.org/2000/xmlns/'/></bound>", false),
        ("<bound xmlns='urn:xmpp:bind:0'><x xmlns='http://www.w3.org/XML/1998/namespace'/></bound>", false),
    ] {
        let success = format!("<success xmlns='urn:xmpp:sasl:2'>{inside}</success>");
        let (_, mut exchange) = Authenticate::new(iky(), b"hello").start(None).unwrap();
        assert_eq!(exchange.receive(success.as_bytes()).is_ok(), good, "{inside}");
        if let Ok(bound) = Bound::parse(inside.as_bytes()) {
            let _ = Success { bound: Some(bound), ..Success::default() }.to_octets(Version::Sasl2);
        }
    }
}

/// Pieces of XML in any order: a result, and the program goes on.
#[test]
fn any_xml_stops_nobody() {
    const PIECES: [&str; 22] = [
        "<bound xmlns='urn:xmpp:bind:0'>",
        "</bound>",
        "<x>",
        "</x>",
        "<a:x xmlns:a='urn:q'>",
        "</a:x>",
        "<x xmlns=''>",
        "<x xmlns:xml='http://www.w3.org/XML/1998/namespace'>",
        "<x xmlns='http://www.w3.org/2000/xmlns/'>",
        "<x xml:lang='de'/>",
        "<x xmlns:xmlns='a'/>",
        "text",
        "&lt;",
        "&#x0;",
        "&#x85;",
        "<y a='1' b='2'/>",
        "<a:y xmlns:a='b' a:c='d'/>",
        "<x xmlns:a='urn:a' xmlns:b='urn:a' a:q='1' b:q='2'/>",
        "<![CDATA[x]]>",
        "<?pi?>",
        "<additional-data>aGVsbG8=</additional-data>",
        "<resumed xmlns='urn:xmpp:sm:3' previd='a' h='1'/>",
    ];
    let mut state = 88172645463325252u64;
    let mut below = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % n as u64) as usize
    };
    for _ in 0..20_000 {
        let inside: String = (0..below(9)).map(|_| PIECES[below(PIECES.len())]).collect();
        for whole in [format!("<success xmlns='urn:xmpp:sasl:2'>{inside}</success>"), inside] {
            let (_, mut exchange) = Authenticate::new(iky(), b"hello").start(None).unwrap();
            let _ = exchange.receive(whole.as_bytes());
            let _ = (ClientElement::parse(whole.as_bytes()), Features::parse(whole.as_bytes()));
            if let Ok(bound) = Bound::parse(whole.as_bytes()) {
                let _ = Success { bound: Some(bound), ..Success::default() }.to_octets(Version::Sasl2);
            }
        }
    }
}

#[test]
fn an_attribute_stands_once() {
    let twice = "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='EXTERNAL' mechanism='PLAIN'/>";
    assert!(ClientElement::parse(twice.as_bytes()).is_err());
}
