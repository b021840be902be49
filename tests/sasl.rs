//! xmpp-rs' crate sasl drives the mechanisms of this crate, at both ends.
#![cfg(feature = "sasl")]

mod common;
mod framework_support;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use common::*;
use fast_reauth::assertion::BindingType;
use fast_reauth::channel::ChannelFacts;
use fast_reauth::framework::{Client, Server, Way};
use fast_reauth::mechanism::{NextStep, Outcome};
use fast_reauth::sasl::{ClientMechanism, Known, ServerMechanism, client_binding, server_binding};
use fast_reauth::store::client::Settled;
use framework_support::*;
use sasl::client::mechanisms::Scram;
use sasl::client::{Mechanism as _, MechanismError};
use sasl::common::scram::Sha256;
use sasl::common::{ChannelBinding, Credentials, Identity};
use sasl::secret::Pbkdf2Sha256;
use sasl::server::mechanisms::Scram as ServerScram;
use sasl::server::{self, Mechanism as _, Provider, ProviderError, Response, Validator, ValidatorError};

/// The application, which may have blocked an account since.
#[derive(Clone, Default)]
struct Application {
    blocked: bool,
    asked: Rc<Cell<u32>>,
}

impl Validator<Known> for Application {
    fn validate(&self, identity: &Identity, known: &Known) -> Result<(), ValidatorError> {
        self.asked.set(self.asked.get() + 1);
        assert_eq!(*identity, Identity::from("alice"));
        assert_eq!(known.0.identity(), "alice@example.com");
        if self.blocked { Err(ValidatorError::AuthenticationFailed) } else { Ok(()) }
    }
}

/// Both ends of one login, each with its handle.
struct Talk {
    client: Client,
    server: Server,
    initiator: ClientMechanism,
    responder: ServerMechanism<Application>,
    application: Application,
}

impl Talk {
    fn start(bed: &Bed) -> Self {
        Self::between(bed, &bed.tls, &bed.tls)
    }

    fn between(bed: &Bed, near: &Tls, far: &Tls) -> Self {
        let client = bed.client_on(near, Some(&bed.first), &[bed.name, "SCRAM-SHA-256-PLUS"]);
        let server = bed.server_on(far);
        let initiator = ClientMechanism::planned(client.clone()).unwrap();
        let application = Application::default();
        let responder = ServerMechanism::new(server.clone(), bed.name, application.clone()).unwrap();
        assert_eq!((initiator.name(), responder.name()), (bed.name, bed.name));
        Self { client, server, initiator, responder, application }
    }
}

fn alter(message: &mut [u8], from_the_end: usize) {
    let at = message.len() - from_the_end;
    message[at] = if message[at] == b'x' { b'y' } else { b'x' };
}

fn failed(next: NextStep) -> Option<Settled> {
    Some(Settled::Failed(next))
}

#[test]
fn a_known_client_logs_in_by_every_mechanism() {
    for name in all_names() {
        for in_a_challenge in [false, true] {
            let bed = Bed::known(name);
            let mut talk = Talk::start(&bed);
            let message = talk.initiator.initial();
            let Ok(Response::Success(who, answer)) = talk.responder.respond(&message) else { panic!("{name}") };
            assert_eq!(who, Identity::from("alice"));
            assert_eq!(talk.application.asked.get(), 1);
            assert_eq!(answer.is_empty(), name == "EXTERNAL");
            if in_a_challenge && name != "EXTERNAL" {
                assert_eq!(talk.initiator.response(&answer), Ok(Vec::new()), "{name}");
                assert_eq!(talk.initiator.success(b""), Ok(()), "{name}");
            } else {
                assert_eq!(talk.initiator.success(&answer), Ok(()), "{name}");
            }
            assert_eq!(talk.client.finish(Outcome::Accepted), Some(Settled::LoggedIn), "{name}");
            assert_eq!(talk.server.verdict().unwrap().outcome, Outcome::Accepted);
        }
    }
}

#[test]
fn what_is_not_planned_is_left_to_the_mechanisms_of_the_crate() {
    for name in all_names() {
        let bed = Bed::stranger(name);
        let stranger = bed.client_on(&bed.first, None, &[name, "SCRAM-SHA-256-PLUS"]);
        assert_eq!(ClientMechanism::planned(stranger.clone()).unwrap_err(), Way::FullLogin);
        assert_eq!(stranger.finish(Outcome::Accepted), None);
    }
    let bed = Bed::known("IKY-SHA-256-EXPR");
    let client = bed.client_on(&bed.tls, Some(&bed.first), &["SCRAM-SHA-256-PLUS"]);
    assert_eq!(ClientMechanism::planned(client).unwrap_err(), Way::FullHandshake, "no password on such a session");
    assert!(ServerMechanism::new(bed.server(), "SCRAM-SHA-256", Application::default()).is_none());
    assert!(ClientMechanism::from_credentials(Credentials::default()).is_err());
}

#[test]
fn a_wrong_proof_is_refused() {
    for name in all_names() {
        let bed = Bed::known(name);
        let mut talk = Talk::start(&bed);
        let mut message = talk.initiator.initial();
        alter(&mut message, if name.starts_with("IKY") { 6 } else { 1 });
        let answer = talk.responder.respond(&message);
        if name.starts_with("IKY") {
            // The message first, the failure behind the empty answer to it.
            let Ok(Response::Proceed(answer)) = answer else { panic!("{name}") };
            assert!(answer.starts_with(b"e="));
            talk.initiator.response(&answer).unwrap_err();
            assert_eq!(talk.responder.respond(b""), Err(server::MechanismError::AuthenticationFailed));
        } else {
            assert_eq!(answer, Err(server::MechanismError::AuthenticationFailed), "{name}");
        }
        assert_eq!(talk.application.asked.get(), 0);
        assert_eq!(talk.server.verdict().unwrap().outcome, Outcome::BadProof, "{name}");
        assert_eq!(talk.client.finish(Outcome::BadProof), failed(NextStep::FullHandshake), "{name}");
    }
}

#[test]
fn a_server_that_does_not_show_that_it_is_the_server_is_abandoned() {
    for name in all_mutual() {
        for missing in [false, true] {
            let bed = Bed::known(name);
            let mut talk = Talk::start(&bed);
            let message = talk.initiator.initial();
            let Ok(Response::Success(_, mut answer)) = talk.responder.respond(&message) else { panic!("{name}") };
            alter(&mut answer, 6);
            let (answer, error) = match missing {
                true => (&b""[..], MechanismError::NoSignatureInSuccessResponse),
                false => (&answer[..], MechanismError::InvalidSignatureInSuccessResponse),
            };
            assert_eq!(talk.initiator.success(answer), Err(error), "{name}");
            assert_eq!(talk.client.finish(Outcome::Accepted), failed(NextStep::Abandon), "{name}");
            assert_eq!(talk.client.plan(), Way::Abandon);
        }
        // A user of the crate that never calls `success`.
        let mut talk = Talk::start(&Bed::known(name));
        assert!(!talk.initiator.initial().is_empty());
        assert_eq!(talk.client.finish(Outcome::Accepted), failed(NextStep::Abandon), "{name}");
    }
}

#[test]
fn a_success_before_the_clients_message_is_no_login() {
    for name in all_names() {
        let mut talk = Talk::start(&Bed::known(name));
        assert_eq!(talk.initiator.success(b""), Err(MechanismError::InvalidState), "{name}");
        assert_eq!(talk.client.finish(Outcome::Accepted), failed(NextStep::Abandon), "{name}");
        assert_eq!(ClientMechanism::planned(talk.client).unwrap_err(), Way::Abandon, "{name}");
    }
}

#[test]
fn a_success_behind_a_refusal_is_a_contradiction_and_gets_no_password() {
    let bed = Bed::known("IKY-SHA-256-EXPR");
    let tls = Tls::full();
    let mut talk = Talk::between(&bed, &tls, &tls);
    talk.initiator.initial();
    talk.initiator.response(b"e=not-recognised").unwrap_err();
    assert_eq!(talk.client.finish(Outcome::Accepted), failed(NextStep::Abandon));
    assert_eq!(ClientMechanism::planned(talk.client).unwrap_err(), Way::Abandon);
}

#[test]
fn a_plan_behind_a_settled_attempt_changes_nothing_of_it() {
    for name in all_mutual() {
        let mut talk = Talk::start(&Bed::known(name));
        talk.initiator.initial();
        talk.initiator.success(b"").unwrap_err();
        assert_eq!(ClientMechanism::planned(talk.client.clone()).unwrap_err(), Way::Abandon, "{name}");
        assert_eq!(talk.client.finish(Outcome::Accepted), failed(NextStep::Abandon), "{name}");
    }
}

#[test]
fn a_proof_for_another_connection_is_refused() {
    for name in all_mutual().filter(|name| name.ends_with("EXPR") || name.ends_with("UNIQ")) {
        let bed = Bed::known(name);
        let far = Tls { unique: bed.tls.unique.map(|_| fresh()), ..Tls::resuming(&bed.first) };
        let mut talk = Talk::between(&bed, &bed.tls, &far);
        let message = talk.initiator.initial();
        assert!(!matches!(talk.responder.respond(&message), Ok(Response::Success(..))), "{name}");
        assert_eq!(talk.server.verdict().unwrap().outcome, Outcome::BadProof, "{name}");
    }
}

#[test]
fn a_client_that_the_server_does_not_know_is_told_what_to_do() {
    let lost = || Arc::new(fast_reauth::store::MemoryStore::default());
    for name in all_names() {
        let bed = Bed { store: lost(), ..Bed::known(name) };
        let mut talk = Talk::start(&bed);
        let message = talk.initiator.initial();
        if let Ok(Response::Proceed(answer)) = talk.responder.respond(&message) {
            talk.initiator.response(&answer).unwrap_err();
        }
        assert_eq!(talk.server.verdict().unwrap().outcome, Outcome::Stale, "{name}");
        assert_eq!(talk.client.finish(Outcome::Stale), failed(NextStep::FullHandshake), "{name}");
        assert_eq!(ClientMechanism::planned(talk.client).unwrap_err(), Way::FullHandshake, "{name}");
    }
    let bed = Bed { store: lost(), ..Bed::known("IKY-SHA-256-EXPR") };
    let tls = Tls::full();
    let mut talk = Talk::between(&bed, &tls, &tls);
    let message = talk.initiator.initial();
    let Ok(Response::Proceed(answer)) = talk.responder.respond(&message) else { panic!() };
    talk.initiator.response(&answer).unwrap_err();
    assert_eq!(talk.client.finish(Outcome::Stale), failed(NextStep::FullLogin));
    assert_eq!(ClientMechanism::planned(talk.client).unwrap_err(), Way::FullLogin);
}

#[test]
fn the_application_has_the_last_word() {
    for name in all_names() {
        let bed = Bed::known(name);
        let mut talk = Talk::start(&bed);
        let blocking = Application { blocked: true, ..Application::default() };
        let mut responder = ServerMechanism::new(talk.server.clone(), name, blocking).unwrap();
        let answer = responder.respond(&talk.initiator.initial());
        assert!(matches!(answer, Err(server::MechanismError::ValidatorError(_))), "{name}: {answer:?}");
    }
}

#[test]
fn what_was_tried_before_a_full_login_is_over() {
    for name in all_names() {
        let mut talk = Talk::start(&Bed::known(name));
        talk.responder.respond(&talk.initiator.initial()).unwrap();
        assert!(talk.server.verdict().is_some());
        assert!(ServerMechanism::new(talk.server.clone(), "SCRAM-SHA-256", Application::default()).is_none());
        assert!(talk.server.verdict().is_none(), "{name}: a full login is to be remembered");
    }
}

#[test]
fn no_call_too_many_panics() {
    for name in all_names() {
        let bed = Bed::known(name);
        let mut talk = Talk::start(&bed);
        assert!(talk.initiator.success(b"v=").is_err(), "{name}: before the message");
        assert!(talk.initiator.response(b"v=").is_err(), "{name}");
        let message = talk.initiator.initial();
        assert!(talk.initiator.initial().is_empty(), "{name}: not twice");
        let Ok(Response::Success(_, answer)) = talk.responder.respond(&message) else { panic!("{name}") };
        talk.initiator.success(&answer).unwrap();
        for octets in [&b""[..], b"x", b"\xff", &answer, &message] {
            let over = Err(server::MechanismError::SaslSessionAlreadyOver);
            assert_eq!(talk.responder.respond(octets), over, "{name}");
            assert_eq!(talk.initiator.success(octets), Err(MechanismError::InvalidState), "{name}");
            assert_eq!(talk.initiator.response(octets), Err(MechanismError::InvalidState), "{name}");
        }
    }
}

const PASSWORD: &str = "wherefore art thou";

struct Passwords;

impl Validator<Pbkdf2Sha256> for Passwords {
    fn validate(&self, _: &Identity, _: &Pbkdf2Sha256) -> Result<(), ValidatorError> {
        Err(ValidatorError::AuthenticationFailed)
    }
}

impl Provider<Pbkdf2Sha256> for Passwords {
    fn provide(&self, _: &Identity) -> Result<Pbkdf2Sha256, ProviderError> {
        Ok(Pbkdf2Sha256::derive(PASSWORD, b"salt", 16)?)
    }
}

/// The crate's SCRAM over these channels, the client with this binding; the name of it, if it succeeded.
fn scram(near: ChannelBinding, far: &ChannelFacts) -> Option<Option<BindingType>> {
    let credentials = Credentials::default().with_username("alice").with_password(PASSWORD);
    let mut client = Scram::<Sha256>::from_credentials(credentials.with_channel_binding(near)).unwrap();
    let first = client.initial();
    let (binding, name) = server_binding(far, &first);
    let mut server = ServerScram::<Sha256, _>::new(Passwords, binding);
    let Ok(Response::Proceed(challenge)) = server.respond(&first) else { return None };
    let Ok(Response::Success(_, last)) = server.respond(&client.response(&challenge).unwrap()) else { return None };
    client.success(&last).unwrap();
    Some(name)
}

#[test]
fn the_crates_scram_is_bound_as_far_as_it_can_be() {
    let (tls13, other) = (Tls::full().client(), Tls::full().client());
    let (binding, name) = client_binding(&tls13);
    assert_eq!((scram(binding.clone(), &tls13), name), (Some(name), Some(BindingType::Exporter)));
    assert_eq!(scram(binding, &other), None, "a man in the middle");
    assert_eq!(scram(ChannelBinding::Unsupported, &tls13), None, "a downgrade");
    assert_eq!(scram(ChannelBinding::None, &tls13), None);

    let mut tls12 = Tls { version12: Some(true), unique: Some(fresh()), ..Tls::full() };
    tls12.has_exporter = false;
    let (binding, name) = client_binding(&tls12.client());
    assert_eq!((scram(binding, &tls12.client()), name), (Some(name), Some(BindingType::Unique)));

    // tls-server-end-point: the crate's client has no word for it, its server takes another client's.
    tls12.unique = None;
    assert_eq!(client_binding(&tls12.client()), (ChannelBinding::None, None));
    let (binding, name) = server_binding(&tls12.client(), b"p=tls-server-end-point,,n=alice,r=r");
    assert_eq!((binding, name), (ChannelBinding::TlsUnique(vec![7; 32]), Some(BindingType::EndPoint)));
    let (binding, name) = server_binding(&tls12.client(), b"p=tls-exporter,,n=alice,r=r");
    assert_eq!((binding, name), (ChannelBinding::Unsupported, None));
}
