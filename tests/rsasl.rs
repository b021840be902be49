//! rsasl drives the mechanisms of this crate, at both ends.
#![cfg(feature = "rsasl")]

mod common;
mod framework_support;

use std::sync::Arc;

use common::*;
use fast_reauth::assertion::{HtMechanism, Service};
use fast_reauth::channel::ServerName;
use fast_reauth::framework::{Client, Server, Way};
use fast_reauth::mechanism::ht::Beside;
use fast_reauth::mechanism::{NextStep, Outcome, Recognised};
use fast_reauth::rsasl::{Bindings, COUNT, ClientCallback, Known, MECHANISMS, Refused, ServerCallback, with};
use fast_reauth::store::client::Settled;
use framework_support::*;
use rsasl::callback::{Context, SessionCallback, SessionData};
use rsasl::mechanisms::plain::PLAIN;
use rsasl::mechanisms::scram::{SCRAM_SHA256, SCRAM_SHA256_PLUS};
use rsasl::prelude::*;
use rsasl::property::AuthId;
use rsasl::validate::{NoValidation, Validate, ValidationError};

static ALL: [Mechanism; 3 + COUNT] = with([SCRAM_SHA256_PLUS, SCRAM_SHA256, PLAIN]);

/// The application's own callback.
struct Application;

impl SessionCallback for Application {
    fn enable_channel_binding(&self) -> bool {
        true
    }

    fn validate(&self, _: &SessionData, who: &Context<'_>, validate: &mut Validate<'_>) -> Result<(), ValidationError> {
        let name = who.get_ref::<AuthId>().ok_or(ValidationError::MissingRequiredProperty)?;
        validate.finalize::<LoggedIn>((name.to_owned(), who.get_ref::<Known>().cloned()));
        Ok(())
    }
}

struct LoggedIn;

impl Validation for LoggedIn {
    type Value = (String, Option<Recognised>);
}

type ClientSession = Session<NoValidation, Bindings>;
type ServerSession = Session<LoggedIn, Bindings>;

fn config(callback: impl SessionCallback + 'static) -> Arc<SASLConfig> {
    SASLConfig::builder().with_registry(Registry::with_mechanisms(&ALL)).with_callback(callback).unwrap()
}

fn select(client: &Client, tls: &Tls, offered: &[&str]) -> Result<ClientSession, SASLError> {
    let offered: Vec<_> = offered.iter().map(|name| Mechname::parse(name.as_bytes()).unwrap()).collect();
    let config = config(ClientCallback::new(client.clone(), Application));
    SASLClient::with_cb(config, Bindings(tls.client())).start_suggested(&offered)
}

fn serve(server: &Server, tls: &Tls, name: &str) -> ServerSession {
    let config = config(ServerCallback::new(server.clone(), Application));
    let server = SASLServer::<LoggedIn, _>::with_cb(config, Bindings(tls.server()));
    server.start_suggested(Mechname::parse(name.as_bytes()).unwrap()).unwrap()
}

/// Both ends of one login, each with its handle.
struct Talk {
    client: Client,
    server: Server,
    initiator: ClientSession,
    responder: ServerSession,
}

impl Talk {
    fn start(bed: &Bed) -> Self {
        Self::between(bed, &bed.tls, &bed.tls)
    }

    fn between(bed: &Bed, near: &Tls, far: &Tls) -> Self {
        let client = bed.client_on(near, Some(&bed.first), &[bed.name, "SCRAM-SHA-256-PLUS"]);
        let server = bed.server_on(far);
        let initiator = select(&client, near, &["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", bed.name]).unwrap();
        assert_eq!(initiator.get_mechname().as_str(), bed.name);
        assert!(initiator.are_we_first());
        let responder = serve(&server, far, bed.name);
        Self { client, server, initiator, responder }
    }

    fn message(&mut self) -> Vec<u8> {
        let mut message = Vec::new();
        let state = self.initiator.step(None, &mut message).unwrap();
        assert_eq!(state.is_running(), self.initiator.get_mechname().as_str() != "EXTERNAL");
        message
    }

    fn answer(&mut self, message: &[u8]) -> (Result<State, SessionError>, Vec<u8>) {
        let mut answer = Vec::new();
        (self.responder.step(Some(message), &mut answer), answer)
    }

    fn take(&mut self, answer: Option<&[u8]>) -> Result<State, SessionError> {
        let mut nothing = Vec::new();
        let state = self.initiator.step(answer, &mut nothing);
        assert!(nothing.is_empty());
        state
    }
}

#[test]
fn all_names_are_there_and_in_the_registry() {
    let other = HtMechanism::all().map(HtMechanism::other_name);
    let mut wanted: Vec<_> = all_names().into_iter().chain(other).collect();
    let mut there: Vec<_> = MECHANISMS.iter().map(|mechanism| mechanism.mechanism.as_str()).collect();
    wanted.sort_unstable();
    wanted.dedup();
    there.sort_unstable();
    if cfg!(feature = "sha3") {
        assert_eq!(there, wanted);
    }
    assert!(wanted.iter().all(|name| there.contains(name)));
    assert_eq!(MECHANISMS.len(), COUNT);
    assert!(there.iter().all(|name| name.len() <= 20));
    let registered: Vec<_> = ALL.iter().map(|mechanism| mechanism.mechanism.as_str()).collect();
    assert_eq!(registered[..3], ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN"]);
    assert!(registered[3..].iter().copied().eq(MECHANISMS.iter().map(|mechanism| mechanism.mechanism.as_str())));
}

#[test]
fn a_known_client_logs_in_by_every_mechanism() {
    for name in all_names() {
        let bed = Bed::known(name);
        let mut talk = Talk::start(&bed);
        let message = talk.message();
        let (state, answer) = talk.answer(&message);
        let sent = if name == "EXTERNAL" { MessageSent::No } else { MessageSent::Yes };
        assert_eq!(state.unwrap(), State::Finished(sent), "{name}");
        let (login_name, known) = talk.responder.validation().unwrap();
        let known = known.unwrap();
        assert_eq!((&*login_name, known.identity()), ("alice", "alice@example.com"), "{name}");
        assert_eq!(talk.server.verdict().unwrap().outcome, Outcome::Accepted, "{name}");
        if name != "EXTERNAL" {
            assert_eq!(talk.take(Some(&answer)).unwrap(), State::Finished(MessageSent::No), "{name}");
        }
        assert_eq!(talk.client.finish(Outcome::Accepted), Some(Settled::LoggedIn), "{name}");
        assert_eq!(talk.client.finish(Outcome::Accepted), None, "once");
    }
}

#[test]
fn a_session_is_recognised_in_turn_once_the_client_was_told() {
    for told in [false, true] {
        let bed = Bed::known("IKY-SHA-256-EXPR");
        let mut talk = Talk::start(&bed);
        let message = talk.message();
        assert!(talk.answer(&message).0.is_ok());
        if told {
            talk.server.completed().unwrap();
        }
        let third = bed.server_on(&Tls::resuming(&bed.tls));
        assert_eq!(third.mechanisms().iter().any(|name| name == "EXTERNAL"), told);
    }
}

#[test]
fn what_is_planned_is_selected_and_nothing_else() {
    for name in all_names() {
        let offered = ["SCRAM-SHA-256", name, "SCRAM-SHA-256-PLUS"];
        let bed = Bed::known(name);
        let all: Vec<_> = all_names().into_iter().chain(offered).collect();
        let session = select(&bed.client(), &bed.tls, &all).unwrap();
        assert_eq!(session.get_mechname().as_str(), name, "before SCRAM");

        let bed = Bed::stranger(name);
        let stranger = bed.client_on(&bed.first, None, &offered);
        let session = select(&stranger, &bed.first, &offered).unwrap();
        assert_eq!(session.get_mechname().as_str(), "SCRAM-SHA-256-PLUS", "nothing is known, though {name} is listed");
        assert_eq!(stranger.finish(Outcome::Accepted), None);
    }
}

#[test]
fn a_session_that_was_not_recognised_gets_no_password() {
    let bed = Bed::known("IKY-SHA-256-EXPR");
    let client = bed.client_on(&bed.tls, Some(&bed.first), &["SCRAM-SHA-256-PLUS"]);
    assert!(matches!(select(&client, &bed.tls, &["SCRAM-SHA-256-PLUS"]), Err(SASLError::NoSharedMechanism)));
    assert_eq!(client.plan(), Way::FullHandshake);
}

#[test]
fn a_wrong_proof_is_refused() {
    for name in all_names() {
        let bed = Bed::known(name);
        let mut talk = Talk::start(&bed);
        let mut message = talk.message();
        // Of HT the last octet, of IKY a digit of base64 that is not the last, of EXTERNAL the name.
        let at = if name.starts_with("IKY") { message.len() - 6 } else { message.len() - 1 };
        message[at] = if message[at] == b'x' { b'y' } else { b'x' };
        let (state, answer) = talk.answer(&message);
        match state {
            Ok(State::Finished(MessageSent::Yes)) => assert!(name.starts_with("IKY") && answer.starts_with(b"e=")),
            Err(SessionError::MechanismError(_)) => assert!(!name.starts_with("IKY") && answer.is_empty()),
            other => panic!("{name}: {other:?}"),
        }
        assert!(talk.responder.validation().is_none(), "{name}");
        assert_eq!(talk.server.verdict().unwrap().outcome, Outcome::BadProof, "{name}");
        assert!(talk.server.completed().is_ok());
        if name.starts_with("IKY") {
            let refused = talk.take(Some(&answer)).unwrap_err();
            assert!(refused.is_mechanism_error(), "{name}: {refused:?}");
        }
        let next = Settled::Failed(NextStep::FullHandshake);
        assert_eq!(talk.client.finish(Outcome::BadProof), Some(next), "{name}");
    }
}

#[test]
fn a_server_that_does_not_show_that_it_is_the_server_is_abandoned() {
    for name in all_mutual() {
        for wrong in [0, 1, 2] {
            let bed = Bed::known(name);
            let mut talk = Talk::start(&bed);
            let message = talk.message();
            let (_, mut answer) = talk.answer(&message);
            let at = answer.len() - 6;
            answer[at] = if answer[at] == b'x' { b'y' } else { b'x' };
            let taken = match wrong {
                0 => talk.take(Some(&answer)),
                1 => talk.take(Some(b"")),
                _ => talk.take(None),
            };
            assert!(matches!(taken, Err(SessionError::MutualAuthenticationFailed)), "{name}: {taken:?}");
            // Whatever the protocol says.
            let abandon = Some(Settled::Failed(NextStep::Abandon));
            assert_eq!(talk.client.finish(Outcome::Accepted), abandon, "{name}");
            assert_eq!(talk.client.plan(), Way::Abandon, "{name}");
        }
    }
}

#[test]
fn a_success_that_nobody_shows_to_the_mechanism_is_none() {
    for name in all_mutual() {
        let bed = Bed::known(name);
        let mut talk = Talk::start(&bed);
        talk.message();
        assert_eq!(talk.client.finish(Outcome::Accepted), Some(Settled::Failed(NextStep::Abandon)), "{name}");
    }
}

#[test]
fn a_failure_behind_a_signed_success_is_none_of_the_servers() {
    for name in all_mutual() {
        let bed = Bed::known(name);
        let mut talk = Talk::start(&bed);
        let message = talk.message();
        let (_, answer) = talk.answer(&message);
        talk.take(Some(&answer)).unwrap();
        assert_eq!(talk.client.finish(Outcome::BadProof), Some(Settled::Failed(NextStep::Abandon)), "{name}");
        assert_eq!(talk.client.plan(), Way::Abandon, "{name}");
    }
}

#[test]
fn a_success_behind_a_refusal_is_a_contradiction_and_gets_no_password() {
    for name in all_mutual().filter(|name| name.starts_with("IKY")) {
        // On a connection with the server's certificate, where a refusal alone would mean a full login.
        let bed = Bed::known(name);
        let tls = Tls { unique: bed.tls.unique, ..Tls::full() };
        let offered = [name, "SCRAM-SHA-256-PLUS"];
        let client = bed.client_on(&tls, None, &offered);
        let mut session = select(&client, &tls, &offered).unwrap();
        session.step(None, &mut Vec::new()).unwrap();
        session.step(Some(b"e=not-recognised"), &mut Vec::new()).unwrap_err();
        assert_eq!(client.finish(Outcome::Accepted), Some(Settled::Failed(NextStep::Abandon)), "{name}");
        assert_eq!(client.plan(), Way::Abandon, "{name}");
        assert!(matches!(select(&client, &tls, &offered), Err(SASLError::NoSharedMechanism)), "{name}");
    }
}

#[test]
fn a_success_before_the_clients_message_is_no_login() {
    for name in all_names() {
        let bed = Bed::known(name);
        let talk = Talk::start(&bed);
        assert_eq!(talk.client.finish(Outcome::Accepted), Some(Settled::Failed(NextStep::Abandon)), "{name}");
        assert_eq!(talk.client.message(name), None, "{name}: too late");
        assert_eq!(talk.client.plan(), Way::Abandon, "{name}");
        assert_eq!(talk.client.finish(Outcome::Accepted), Some(Settled::Failed(NextStep::Abandon)), "{name}");
    }
}

#[test]
fn a_refusal_before_the_clients_message_is_a_refusal() {
    for name in all_names() {
        let talk = Talk::start(&Bed::known(name));
        assert_eq!(talk.client.finish(Outcome::Stale), Some(Settled::Failed(NextStep::FullHandshake)), "{name}");
        assert_eq!(talk.client.message(name), None, "{name}: it is over");
    }
}

#[test]
fn a_session_selected_behind_a_settled_attempt_changes_nothing_of_it() {
    for name in all_mutual() {
        let bed = Bed::known(name);
        let mut talk = Talk::start(&bed);
        let message = talk.message();
        let (_, answer) = talk.answer(&message);
        talk.take(Some(&answer)).unwrap();
        assert_eq!(talk.client.plan(), Way::Known(name));
        let mut again = select(&talk.client, &bed.tls, &[name, "SCRAM-SHA-256-PLUS"]).unwrap();
        assert!(again.step(None, &mut Vec::new()).is_err(), "{name}: there is nothing to send");
        assert_eq!(talk.client.finish(Outcome::Accepted), Some(Settled::LoggedIn), "{name}");

        let mut talk = Talk::start(&Bed::known(name));
        talk.message();
        talk.take(None).unwrap_err();
        assert!(select(&talk.client, &bed.tls, &[name, "SCRAM-SHA-256-PLUS"]).is_err(), "{name}");
        assert_eq!(talk.client.plan(), Way::Abandon, "{name}");
        assert_eq!(talk.client.finish(Outcome::Accepted), Some(Settled::Failed(NextStep::Abandon)), "{name}");
    }
}

#[test]
fn what_succeeds_on_a_connection_that_was_to_be_closed_is_no_login() {
    let bed = Bed::known("IKY-SHA-256-EXPR");
    let client = bed.client_on(&bed.tls, Some(&bed.first), &["SCRAM-SHA-256-PLUS"]);
    assert_eq!(client.plan(), Way::FullHandshake);
    assert_eq!(client.finish(Outcome::Accepted), Some(Settled::Failed(NextStep::FullHandshake)));
}

#[test]
fn a_proof_for_another_connection_is_refused() {
    for name in all_mutual().filter(|name| name.ends_with("EXPR") || name.ends_with("UNIQ")) {
        let bed = Bed::known(name);
        let far = Tls { unique: bed.tls.unique.map(|_| fresh()), ..Tls::resuming(&bed.first) };
        let mut talk = Talk::between(&bed, &bed.tls, &far);
        let message = talk.message();
        talk.answer(&message).0.ok();
        assert_eq!(talk.server.verdict().unwrap().outcome, Outcome::BadProof, "{name}");
        assert!(talk.responder.validation().is_none(), "{name}");
    }
}

#[test]
fn a_handle_of_one_connection_serves_no_session_on_another() {
    for name in all_names() {
        let (bed, other) = (Bed::known(name), Tls::full());
        let mut out = Vec::new();
        let mut initiator = select(&bed.client(), &other, &[name]).unwrap();
        let error = initiator.step(None, &mut out).unwrap_err();
        assert_eq!(error.to_string(), format!("internal mechanism error: {}", Refused::OtherConnection));
        let server = bed.server();
        let error = serve(&server, &other, name).step(Some(b"alice"), &mut out).unwrap_err();
        assert_eq!(error.to_string(), format!("internal mechanism error: {}", Refused::OtherConnection));
        assert!(out.is_empty() && server.verdict().is_none(), "{name}");
        // Nor does the verdict on what was tried before stand for it.
        let mut talk = Talk::start(&bed);
        let message = talk.message();
        talk.answer(&message).0.unwrap();
        assert_eq!(talk.server.verdict().unwrap().outcome, Outcome::Accepted, "{name}");
        serve(&talk.server, &other, name).step(Some(&message), &mut out).unwrap_err();
        assert!(talk.server.verdict().is_none(), "{name}");
    }
}

#[test]
fn a_client_that_the_server_does_not_know_logs_in_fully_on_the_next_connection() {
    for name in all_names() {
        let bed = Bed { store: Arc::new(fast_reauth::store::MemoryStore::default()), ..Bed::known(name) };
        let mut talk = Talk::start(&bed);
        let message = talk.message();
        let (_, answer) = talk.answer(&message);
        assert_eq!(talk.server.verdict().unwrap().outcome, Outcome::Stale, "{name}");
        if name.starts_with("IKY") {
            talk.take(Some(&answer)).unwrap_err();
        }
        let next = Some(Settled::Failed(NextStep::FullHandshake));
        assert_eq!(talk.client.finish(Outcome::Stale), next, "{name}");
        assert!(select(&talk.client, &bed.tls, &["SCRAM-SHA-256-PLUS", name]).is_err(), "{name}");
    }
    // On a connection with the server's certificate, right there.
    let bed = Bed { store: Arc::new(fast_reauth::store::MemoryStore::default()), ..Bed::known("IKY-SHA-256-EXPR") };
    let tls = Tls::full();
    let mut talk = Talk::between(&bed, &tls, &tls);
    let message = talk.message();
    let (_, answer) = talk.answer(&message);
    talk.take(Some(&answer)).unwrap_err();
    assert_eq!(talk.client.finish(Outcome::Stale), Some(Settled::Failed(NextStep::FullLogin)));
    let offered = ["SCRAM-SHA-256-PLUS", "IKY-SHA-256-EXPR"];
    let session = select(&talk.client, &tls, &offered).unwrap();
    assert_eq!(session.get_mechname().as_str(), "SCRAM-SHA-256-PLUS");
    assert_eq!(talk.client.finish(Outcome::Accepted), None, "that one is rsasl's");
}

#[test]
fn a_store_that_does_not_answer_means_later() {
    let bed = Bed { store: Arc::new(Down), ..Bed::known("IKY-SHA-256-EXPR") };
    let mut talk = Talk::start(&bed);
    let message = talk.message();
    let (_, answer) = talk.answer(&message);
    assert_eq!(talk.server.verdict().unwrap().outcome, Outcome::Unavailable);
    talk.take(Some(&answer)).unwrap_err();
    assert_eq!(talk.client.finish(Outcome::Unavailable), Some(Settled::Failed(NextStep::Later)));
}

#[test]
fn a_token_needs_what_belongs_beside_it() {
    let bed = Bed::known("HT-SHA-256-EXPR");
    let mut talk = Talk::start(&bed);
    let message = talk.message();
    assert!(talk.answer(&message).0.is_ok());
    // That was for one message.
    let mut again = serve(&talk.server, &bed.tls, bed.name);
    assert!(again.step(Some(&message), &mut Vec::new()).is_err());
    assert_eq!(talk.server.verdict().unwrap().outcome, Outcome::Malformed);
}

#[test]
fn what_was_tried_before_a_full_login_is_over() {
    for name in all_names() {
        let bed = Bed::known(name);
        // Recognised, but never told so: then somebody else logs in.
        let mut talk = Talk::start(&bed);
        let message = talk.message();
        assert!(talk.answer(&message).0.is_ok() && talk.server.verdict().is_some());
        let mut plain = serve(&talk.server, &bed.tls, "PLAIN");
        assert_eq!(plain.step(Some(b"\0bob\0secret"), &mut Vec::new()).unwrap(), State::Finished(MessageSent::No));
        assert_eq!(plain.validation(), Some(("bob".to_owned(), None)));
        assert!(talk.server.verdict().is_none(), "{name}: a full login is to be remembered");
        talk.server.completed().unwrap();
        let third = bed.server_on(&Tls::resuming(&bed.tls));
        assert!(third.mechanisms().iter().all(|name| name != "EXTERNAL"), "{name}: it stands for nobody");
    }
}

#[test]
fn tokens_in_the_one_list_of_a_protocol_change_no_offer() {
    let server = |full: &[&str]| {
        let names = [ServerName::parse(NAME).unwrap()];
        Arc::new(fast_reauth::mechanism::Server::new(Service::IMAP, names, full.iter().copied()).unwrap())
    };
    let mut bed = Bed { server: server(&["SCRAM-SHA-256-PLUS"]), ..Bed::stranger("IKY-SHA-256-EXPR") };
    bed.log_in_at(&["SCRAM-SHA-256-PLUS", "IKY-SHA-256-EXPR", "HT-SHA-256-EXPR", "HT2-SHA3-512-NONE"]);
    let mut talk = Talk::start(&bed);
    let message = talk.message();
    assert!(talk.answer(&message).0.is_ok());
    assert_eq!(talk.server.verdict().unwrap().outcome, Outcome::Accepted);
    // The server of another list: it says so, and the client logs in fully.
    bed.server = server(&["SCRAM-SHA-256-PLUS", "PLAIN"]);
    let mut talk = Talk::start(&bed);
    let message = talk.message();
    assert!(talk.answer(&message).0.is_ok());
    assert_eq!(talk.server.verdict().unwrap().outcome, Outcome::ConfigurationChanged);
}

#[test]
fn no_debug_output_shows_a_message() {
    for name in all_names() {
        let bed = Bed::known(name);
        let mut talk = Talk::start(&bed);
        let message = talk.message();
        let (_, answer) = talk.answer(&message);
        let random: [u8; 32] = fresh();
        let beside = Beside { client: PHONE.to_owned(), random, count: None, invalidate: false, wants: None };
        let client = ClientCallback::new(talk.client.clone(), Application);
        let server = ServerCallback::new(talk.server.clone(), Application);
        let shown =
            format!("{client:?} {client:#?} {server:?} {server:#?} {beside:?} {beside:#?} {:?}", bed.tls.client());
        // Names are no secret.
        let proof = match name {
            "EXTERNAL" => b"",
            _ if name.starts_with("IKY") => &message[message.len() - 32..],
            _ => &message["alice".len() + 2..],
        };
        for octets in [proof, &answer, &random, bed.tls.client().tls_exporter().unwrap_or_default()] {
            for piece in octets.chunks_exact(8) {
                let numbers = piece.iter().map(u8::to_string).collect::<Vec<_>>();
                assert!(!shown.contains(&numbers.join(", ")), "{name}");
                assert!(!shown.contains(&*String::from_utf8_lossy(piece)), "{name}");
            }
        }
    }
}

#[test]
fn no_step_too_many_panics() {
    for name in all_names() {
        let bed = Bed::known(name);
        let mut talk = Talk::start(&bed);
        let done = |result: Result<State, SessionError>| assert!(matches!(result, Err(SessionError::MechanismDone)));

        let mut early = Vec::new();
        let asked = talk.responder.step(None, &mut early);
        assert!(matches!(asked, Err(SessionError::InputDataRequired)), "and nothing has changed");
        let message = talk.message();
        let (state, answer) = talk.answer(&message);
        assert!(state.is_ok(), "{name}");
        for input in [None, Some(&b""[..]), Some(&b"x"[..])] {
            done(talk.responder.step(input, &mut early));
        }
        if name != "EXTERNAL" {
            talk.take(Some(&answer)).unwrap();
        }
        for input in [None, Some(&b""[..]), Some(&b"x"[..]), Some(&answer[..])] {
            done(talk.take(input));
        }
        // After an error.
        let mut failed = Talk::start(&Bed::known(name));
        failed.message();
        for _ in 0..3 {
            failed.take(None).unwrap_err();
            failed.answer(b"\xff").0.ok();
        }
        assert!(early.is_empty(), "{name}");
    }
}

#[test]
fn an_attempt_is_made_once_whatever_the_sessions() {
    for name in all_names() {
        let bed = Bed::known(name);
        let mut talk = Talk::start(&bed);
        talk.message();
        let mut out = Vec::new();
        let mut second = select(&talk.client, &bed.tls, &[name]).unwrap();
        let error = second.step(None, &mut out).unwrap_err();
        assert_eq!(error.to_string(), format!("internal mechanism error: {}", Refused::NotPlanned), "{name}");
        assert!(out.is_empty());
    }
}
