//! What goes over the wire, through the profiles.

use bytes::BytesMut;
use fast_reauth::mechanism::Outcome;
use fast_reauth::profile::{
    Answer, ClientExchange, Event, Flight, MechanismName, Offer, ProfileError, RideAlong, ServerEvent, ServerExchange,
    Tag, acap, imap, ldap, pop3, sieve, smtp, xmpp,
};
use serde_json::{Value, json};

use crate::case::*;
use crate::facts::outcome;

fn mechanism(value: &Value) -> MechanismName {
    MechanismName::parse(text(value)).expect("a mechanism name")
}

fn verdict_name(answer: Answer) -> &'static str {
    match answer {
        Answer::Accepted => "accepted",
        Answer::Refused => "refused",
        Answer::Expired => "expired",
        Answer::Unavailable => "unavailable",
        Answer::Malformed => "malformed",
    }
}

fn error_name(error: ProfileError) -> &'static str {
    match error {
        ProfileError::BareLineFeed => "bare-line-feed",
        ProfileError::Malformed(_) => "malformed",
        ProfileError::NotBase64 => "not-base64",
        ProfileError::UnexpectedChallenge => "unexpected-challenge",
        ProfileError::MissingChallenge => "missing-challenge",
        other => panic!("no vector is about {other}"),
    }
}

fn server_for(protocol: &str, offer: &Offer) -> ServerExchange {
    match protocol {
        "imap" => imap::server(offer),
        "smtp" => smtp::server(offer),
        "pop" => pop3::server(offer),
        "sieve" => sieve::server(offer),
        "acap" => acap::server(offer),
        other => panic!("no protocol {other}"),
    }
}

fn authenticate(
    protocol: &str,
    tag: Option<&Value>,
    offer: &Offer,
    mechanism: MechanismName,
    message: &[u8],
) -> (Flight, ClientExchange) {
    let tag = || Tag::parse(text(tag.expect("a tag"))).expect("a tag");
    match protocol {
        "imap" => imap::authenticate(tag(), offer, mechanism, message),
        "smtp" => smtp::authenticate(offer, mechanism, message),
        "pop" => pop3::authenticate(offer, mechanism, message),
        "sieve" => sieve::authenticate(offer, mechanism, message),
        "acap" => acap::authenticate(tag(), offer, mechanism, message),
        other => panic!("no protocol {other}"),
    }
}

fn utf8(octets: &[u8]) -> &str {
    core::str::from_utf8(octets).expect("text")
}

/// The case's octets from the wire, edited.
fn received(case: &Case<'_>) -> Vec<u8> {
    let octets = case.edited(text(&case.inputs()["received"]).as_bytes());
    if let Some(edited) = case.between().get("received") {
        assert_eq!(hex(&octets), text(edited));
    }
    octets
}

pub(crate) fn codes(case: &Case<'_>) {
    let outputs = case.outputs();
    let outcome = outcome(text(&case.inputs()["outcome"]));
    let verdict = Answer::from(outcome);
    assert_eq!(verdict_name(verdict), text(&outputs["verdict"]));
    assert_eq!(case.is_valid(), outcome == Outcome::Accepted);
    let begins = |line: &str, protocol: &str| {
        let code = text(&outputs[protocol]);
        assert!(line.strip_prefix(code).is_some_and(|rest| rest.starts_with(' ')), "{protocol}: {line:?}, {code:?}");
    };
    begins(&verdict.imap(), "imap");
    begins(&verdict.smtp(), "smtp");
    begins(&verdict.pop3(), "pop");
    for (protocol, command) in [("sieve", "AUTHENTICATE \"X\" \"\"\r\n"), ("acap", "a AUTHENTICATE \"X\" \"\"\r\n")] {
        let mut exchange = server_for(protocol, &Offer::of(["X"]).expect("an offer"));
        let event = exchange.receive(&mut BytesMut::from(command)).expect("an event");
        assert!(matches!(event, ServerEvent::Verify(_)));
        let ServerEvent::Done { bytes, .. } = exchange.finish(outcome, None).expect("an end") else { panic!("no end") };
        begins(utf8(&bytes).trim_start_matches("a "), protocol);
    }
    assert_eq!(json!(verdict.ldap()), outputs["ldap"]);
    assert_eq!(json!(verdict.xmpp()), outputs["xmpp"]);
    assert_eq!(json!(outcome.counts_as_failure()), outputs["counts_as_failure"]);
    assert_eq!(json!(outcome.keeps_assertion()), outputs["keeps_assertion"]);
}

pub(crate) fn advertise(case: &Case<'_>) {
    let inputs = case.inputs();
    let mut offer = Offer::of(texts(&inputs["mechanisms"])).expect("an offer");
    if inputs.get("pipelining").is_some_and(truth) {
        offer = offer.with_pipelining();
    }
    if inputs.get("iky_pipelining").is_some_and(truth) {
        offer = offer.with_iky_pipelining();
    }
    let listed = match text(&inputs["protocol"]) {
        "imap" => imap::capabilities(&offer),
        "smtp" => smtp::ehlo_lines(&offer),
        "pop" => pop3::capa_lines(&offer),
        "sieve" => sieve::capability_line(&offer),
        "acap" => acap::greeting_item(&offer),
        other => panic!("no protocol {other}"),
    };
    assert_eq!(listed, text(&case.outputs()["text"]));
}

fn heard(protocol: &str, octets: &[u8]) -> Offer {
    match protocol {
        "imap" => imap::offer(octets),
        "smtp" => smtp::offer(octets),
        "pop" => pop3::offer(octets),
        "sieve" => sieve::offer(octets),
        "acap" => acap::offer(octets),
        other => panic!("no protocol {other}"),
    }
}

pub(crate) fn offer(case: &Case<'_>) {
    let (inputs, outputs) = (case.inputs(), case.outputs());
    let octets = case.edited(text(&inputs["received"]).as_bytes());
    let words: Vec<&str> = utf8(&octets).split_ascii_whitespace().collect();
    assert_eq!(json!(words), case.between()["words"]);
    let offer = heard(text(&inputs["protocol"]), &octets);
    let names: Vec<&str> = offer.mechanisms().iter().map(MechanismName::as_str).collect();
    assert_eq!(json!(names), outputs["mechanisms"]);
    assert_eq!(names.contains(&"IKY-SHA-256-EXPR"), case.is_valid());
    for (name, said) in [
        ("initial_response", offer.initial_response()),
        ("pipelining", offer.pipelining()),
        ("iky_pipelining", offer.iky_pipelining()),
    ] {
        assert!(outputs.get(name).is_none_or(|expected| truth(expected) == said), "{name}");
    }
}

pub(crate) fn command(case: &Case<'_>) {
    let (inputs, outputs) = (case.inputs(), case.outputs());
    let (protocol, mechanism) = (text(&inputs["protocol"]), mechanism(&inputs["mechanism"]));
    let said = |name: &str| inputs.get(name).is_some_and(truth);
    let listed = if truth(&inputs["listed"]) { mechanism.as_str() } else { "OTHER" };
    let mut offer = match (protocol, said("initial_response")) {
        ("imap", false) => imap::offer(format!("* CAPABILITY AUTH={listed}\r\n").as_bytes()),
        _ => Offer::of([listed]).expect("an offer"),
    };
    // What a vector does not name does not matter, so it is there.
    if inputs.get("pipelining").is_none_or(truth) {
        offer = offer.with_pipelining();
    }
    if inputs.get("iky_pipelining").is_none_or(truth) {
        offer = offer.with_iky_pipelining();
    }
    let message = text(&inputs["message"]);
    let (flight, mut exchange) = authenticate(protocol, inputs.get("tag"), &offer, mechanism, message.as_bytes());
    assert_eq!(utf8(&flight.bytes), text(&outputs["sent"]));
    assert_eq!(flight.rides_along == RideAlong::Commands, truth(&outputs["rides_along"]));
    assert_eq!(truth(&outputs["rides_along"]), case.is_valid());
    assert_eq!(texts(&case.between()["against"]).is_empty(), case.is_valid());
    if let Some(later) = outputs.get("behind_the_empty_challenge") {
        let challenge = if protocol == "smtp" { "334 \r\n" } else { "+ \r\n" };
        match exchange.receive(&mut BytesMut::from(challenge)) {
            Ok(Event::Send(flight)) => assert_eq!(utf8(&flight.bytes), text(later)),
            other => panic!("{other:?}"),
        }
    }
}

/// What a client makes of these octets, so many at a time.
fn answer_in(case: &Case<'_>, octets: &[u8], at_once: usize) -> Value {
    let inputs = case.inputs();
    let mechanism = mechanism(&inputs["mechanism"]);
    let offer = Offer::of([mechanism.as_str()]).expect("an offer").with_pipelining().with_iky_pipelining();
    let (_, mut exchange) = authenticate(text(&inputs["protocol"]), inputs.get("tag"), &offer, mechanism, b"message");
    let (mut input, mut chunks) = (BytesMut::new(), octets.chunks(at_once));
    let (mut passed, mut sent) = (Vec::new(), String::new());
    let error = |name: &str, sent: &str| match sent {
        "" => json!({ "error": name }),
        sent => json!({ "error": name, "sent": sent }),
    };
    loop {
        match exchange.receive(&mut input) {
            Ok(Event::NeedMore) => match chunks.next() {
                Some(more) => input.extend_from_slice(more),
                None => return error("incomplete", &sent),
            },
            Ok(Event::Pass(line)) => passed.push(utf8(&line).to_owned()),
            Ok(Event::Send(flight)) => sent.push_str(utf8(&flight.bytes)),
            Ok(Event::Done(completion)) => {
                chunks.for_each(|more| input.extend_from_slice(more));
                assert_eq!(sent, "", "the answer was sent ahead");
                return json!({
                    "verdict": verdict_name(completion.verdict),
                    "data": completion.data.as_deref().map(utf8),
                    "passed": passed,
                    "line": utf8(&completion.line),
                    "rest": utf8(&input),
                });
            }
            Err(problem) => {
                assert_eq!(exchange.receive(&mut input), Err(problem), "a failed exchange repeats itself");
                return error(error_name(problem), &sent);
            }
        }
    }
}

pub(crate) fn answer(case: &Case<'_>) {
    let octets = received(case);
    for at_once in [usize::MAX, 1, 7] {
        assert_eq!(answer_in(case, &octets, at_once), *case.outputs());
    }
    if let Some(unedited) = case.between().get("unedited") {
        let base = text(&case.inputs()["received"]);
        assert_eq!(answer_in(case, base.as_bytes(), usize::MAX), *unedited, "the edit is what spoils it");
    }
    let needs = case.inputs()["mechanism"] != "EXTERNAL";
    let outputs = case.outputs();
    assert_eq!(outputs["verdict"] == "accepted" && (outputs["data"].is_string() || !needs), case.is_valid());
}

/// An outcome that reads on the wire like this.
fn outcome_of(verdict: &str) -> Outcome {
    let mut all = Outcome::ALL.into_iter();
    all.find(|&outcome| verdict_name(outcome.into()) == verdict).unwrap_or_else(|| panic!("no verdict {verdict}"))
}

fn serve_in(case: &Case<'_>, octets: &[u8], at_once: usize, outputs: &Value) {
    let inputs = case.inputs();
    let offer = Offer::of([text(&inputs["listed"])]).expect("an offer").with_pipelining().with_iky_pipelining();
    let mut exchange = server_for(text(&inputs["protocol"]), &offer);
    let (mut input, mut chunks) = (BytesMut::new(), octets.chunks(at_once));
    let (mut message, mut challenges) = (None, String::new());
    let mut step = exchange.receive(&mut input).expect("an event");
    let (completion, accepted) = loop {
        step = match step {
            ServerEvent::NeedMore => {
                input.extend_from_slice(chunks.next().expect("the login is complete"));
                exchange.receive(&mut input).expect("an event")
            }
            ServerEvent::Verify(request) => {
                message = request.initial_response.map(|octets| utf8(&octets).to_owned());
                let outcome = outcome_of(text(&inputs["verdict"]));
                let answer = inputs.get("answer").map(|answer| text(answer).as_bytes());
                exchange.finish(outcome, answer).expect("an event")
            }
            ServerEvent::Send(octets) => {
                challenges.push_str(utf8(&octets));
                exchange.receive(&mut input).expect("an event")
            }
            ServerEvent::Done { bytes, accepted } => break (bytes, accepted),
            ServerEvent::OtherCommand => panic!("a login was due"),
        };
    };
    chunks.for_each(|more| input.extend_from_slice(more));
    let line = utf8(&completion);
    let code = text(&outputs["completion"]);
    assert!(line.strip_prefix(code).is_some_and(|rest| rest.starts_with(' ')), "{line:?}, not {code:?}");
    let seen = json!({
        "message": message,
        "challenges": challenges,
        "completion": code,
        "accepted": accepted,
        "rest": utf8(&input),
    });
    assert_eq!(seen, *outputs);
}

pub(crate) fn serve(case: &Case<'_>) {
    let octets = received(case);
    for at_once in [usize::MAX, 1, 7] {
        serve_in(case, &octets, at_once, case.outputs());
    }
    assert_eq!(truth(&case.outputs()["accepted"]), case.is_valid());
    if let Some(unedited) = case.between().get("unedited") {
        let base = text(&case.inputs()["received"]);
        serve_in(case, base.as_bytes(), usize::MAX, unedited);
    }
}

// ---- LDAP ----

pub(crate) fn ldap_request(case: &Case<'_>) {
    let inputs = case.inputs();
    let message = text(&inputs["message"]);
    let id = number(&inputs["message_id"]) as i32;
    let (flight, _) = ldap::bind(id, mechanism(&inputs["mechanism"]), message.as_bytes()).expect("a request");
    assert_eq!(hex(&flight.bytes), text(&case.outputs()["pdu"]));
    assert_eq!(flight.rides_along, RideAlong::Nothing);
    let offer = Offer::of([text(&inputs["mechanism"])]).expect("an offer");
    match ldap::ServerExchange::new(&offer).receive(&mut BytesMut::from(&flight.bytes[..])) {
        Ok(ServerEvent::Verify(request)) => assert_eq!(request.initial_response.as_deref(), Some(message.as_bytes())),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn ldap_response(case: &Case<'_>) {
    let inputs = case.inputs();
    let octets = case.edited(&octets(&inputs["received"]));
    if let Some(edited) = case.between().get("received") {
        assert_eq!(hex(&octets), text(edited));
    }
    let external = MechanismName::parse("EXTERNAL").expect("a name");
    let id = number(&inputs["message_id"]) as i32;
    let (_, mut exchange) = ldap::bind(id, external, b"").expect("a request");
    let seen = match exchange.receive(&mut BytesMut::from(&octets[..])) {
        Ok(Event::Done(completion)) => json!({
            "verdict": verdict_name(completion.verdict),
            "data": completion.data.as_deref().map(utf8),
        }),
        Err(error) => json!({ "error": error_name(error) }),
        other => panic!("{other:?}"),
    };
    assert_eq!(seen, *case.outputs());
    assert_eq!(seen["verdict"] == "accepted" && seen["data"].is_string(), case.is_valid());
}

// ---- XMPP ----

pub(crate) fn xmpp_request(case: &Case<'_>) {
    let octets = received(case);
    let request = |version: &str, request: fast_reauth::profile::Request| {
        json!({
            "version": version,
            "mechanism": request.mechanism.as_str(),
            "message": request.initial_response.as_deref().map(utf8),
        })
    };
    let seen = match xmpp::ClientElement::parse(&octets) {
        Ok(xmpp::ClientElement::Authenticate(element)) => request("sasl2", element.request),
        Ok(xmpp::ClientElement::Auth(element)) => request("sasl1", element),
        Err(error) => json!({ "error": error_name(error) }),
        other => panic!("{other:?}"),
    };
    assert_eq!(seen, *case.outputs());
    assert_eq!(seen.get("error").is_none(), case.is_valid());
}

pub(crate) fn xmpp_answer(case: &Case<'_>) {
    let inputs = case.inputs();
    let iky = MechanismName::parse("IKY-SHA-256-EXPR").expect("a name");
    let (_, mut exchange) = match text(&inputs["version"]) {
        "sasl1" => xmpp::auth(iky, b"message"),
        "sasl2" => xmpp::Authenticate::new(iky, b"message").start(None),
        other => panic!("no version {other}"),
    }
    .expect("a request");
    let seen = match exchange.receive(text(&inputs["received"]).as_bytes()) {
        Ok(xmpp::Event::Success(success)) => {
            json!({ "verdict": "accepted", "data": success.data.as_deref().map(utf8) })
        }
        Ok(xmpp::Event::Failure(failure)) => {
            json!({ "verdict": verdict_name(failure.verdict), "data": failure.message.as_deref().map(utf8) })
        }
        Ok(xmpp::Event::Send(abort)) => {
            assert!(utf8(&abort).contains("abort"));
            let again = exchange.receive(text(&inputs["received"]).as_bytes());
            let error = again.expect_err("nothing else comes of it");
            // The library does not look into the challenge; the vector does.
            json!({ "error": error_name(error), "challenge": case.outputs()["challenge"] })
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(seen, *case.outputs());
    assert_eq!(seen["verdict"] == "accepted" && seen["data"].is_string(), case.is_valid());
}
