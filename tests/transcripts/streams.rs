//! Streams of XMPP.

use super::*;

/// The server's half of a stream: its header and features, and the answer to `<authenticate/>`.
fn xmpp_run(
    out: &mut Dialogue,
    attempt: &mut Attempt<'_>,
    authenticate: xmpp::Authenticate,
    success: impl FnOnce(&xmpp::Authenticate, Vec<u8>) -> xmpp::Success,
) -> (xmpp::Event, Settled) {
    let header =
        xmpp::StreamHeader { to: Some("example.com".into()), from: Some("alice@example.com".into()), id: None };
    let (flight, mut client) = authenticate.start(Some(&header)).unwrap();
    out.lines("C:", &flight.bytes);
    let (mut framer, mut input) = (xmpp::Framer::new(), BytesMut::from(&flight.bytes[..]));
    assert!(matches!(framer.receive(&mut input), Ok(xmpp::Frame::Header(_))));
    let Ok(xmpp::Frame::Element(element)) = framer.receive(&mut input) else { panic!() };
    let Ok(xmpp::ClientElement::Authenticate(authenticate)) = xmpp::ClientElement::parse(&element) else { panic!() };
    let answer = xmpp::StreamHeader { from: Some("example.com".into()), id: Some("s1".into()), to: None };
    out.lines("S:", &answer.to_octets().unwrap());
    let features = xmpp::Features {
        sasl2: attempt.offer(),
        bind: true,
        resume: true,
        grants: true,
        channel_bindings: vec!["tls-exporter".into()],
        ..xmpp::Features::default()
    };
    out.lines("S:", &features.to_octets().unwrap());
    let request = &authenticate.request;
    let verdict = attempt.judge(request.mechanism.as_str(), request.initial_response.as_ref().unwrap());
    let answer = match verdict.outcome {
        Outcome::Accepted => success(&authenticate, verdict.message.unwrap().into()).to_octets(xmpp::Version::Sasl2),
        outcome => xmpp::Failure::new(outcome, verdict.message.as_deref()).to_octets(xmpp::Version::Sasl2),
    };
    let answer = answer.unwrap();
    out.lines("S:", &answer);
    let event = client.receive(&answer).unwrap();
    let settled = match &event {
        xmpp::Event::Success(success) => attempt.settle(Outcome::Accepted, success.data.as_deref()),
        xmpp::Event::Failure(failure) => attempt.settle(Outcome::Revoked, failure.message.as_deref()),
        other => panic!("{other:?}"),
    };
    (event, settled)
}

#[test]
fn xmpp_resumed_granted_and_revoked() {
    let world = World::new(Service::XMPP, "example.com", "alice", &[Pin::SHA_256_EXPR], Policy::default());
    let first = Tls::full(1, "example.com");
    world.full_login(&first, &[]);

    let mut out = Dialogue::default();
    let mut attempt = world.attempt(&first.resuming(2), Some(&first), "EXTERNAL");
    let mut authenticate = xmpp::Authenticate::new(attempt.mechanism(), &attempt.message());
    authenticate.resume = Some(xmpp::Resume { previd: "stream-7".into(), h: 12 });
    let (_, settled) = xmpp_run(&mut out, &mut attempt, authenticate, |asked, data| xmpp::Success {
        data: Some(data.into()),
        authorization_identifier: Some("alice@example.com/balcony".into()),
        resumed: asked.resume.as_ref().map(|resume| xmpp::Resume { h: 7, ..resume.clone() }),
        ..xmpp::Success::default()
    });
    assert_eq!(settled, Settled::LoggedIn);
    check("xmpp.txt", out);

    // The elements of a grant, asked for in a full login.
    let mut out = Dialogue::default();
    let mechanism = MechanismName::parse("IKY-SHA-256-NONE").unwrap();
    let mut authenticate = xmpp::Authenticate::new(MechanismName::parse("PLAIN").unwrap(), b"\0alice\0secret");
    authenticate.assertion_request = Some(mechanism);
    out.lines("C:", &authenticate.to_octets().unwrap());
    let success = xmpp::Success {
        authorization_identifier: Some("alice@example.com".into()),
        assertion: Some(xmpp::GrantedAssertion::new(mechanism, [0x42; 32])),
        ..xmpp::Success::default()
    };
    out.lines("S:", &success.to_octets(xmpp::Version::Sasl2).unwrap());
    check("xmpp-grant.txt", out);

    world.store.revoke("alice", Revoke::All, world.now).unwrap();
    let mut out = Dialogue::default();
    let mut attempt = world.attempt(&Tls::full(5, "example.com"), None, "");
    let authenticate = xmpp::Authenticate::new(attempt.mechanism(), &attempt.message());
    let (_, settled) = xmpp_run(&mut out, &mut attempt, authenticate, |_, _| panic!("it was revoked"));
    assert!(matches!(settled, Settled::Failed(_)));
    let Dialogue(text) = out;
    let from = text.find("S: <failure").unwrap();
    check("xmpp-failure.txt", Dialogue(text[from..].to_owned()));
    assert_eq!(world.service, Service::XMPP);
}
