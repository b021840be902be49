//! BOSH, through a manager and without one.

use std::collections::HashMap;

use bytes::Bytes;
use fast_reauth::assertion::Policy;
use fast_reauth::channel::EndPoint;
use fast_reauth::mechanism::Outcome;
use fast_reauth::profile::MechanismName;
use fast_reauth::profile::xmpp::bosh::{Act, Attributes, Request, Response};
use fast_reauth::profile::xmpp::{
    Authenticate, Bind, ClientExchange, Event, Features, Frame, Manager, Path, StreamHeader,
};
use fast_reauth::rustls::exporter;
use fast_reauth::store::client::{Accounts, Plan, Settled};

use super::rustls_support::{Bench, Link};
use super::site::{Leg, Peer, Site};
use super::*;

/// A connection manager: bodies in front, streams behind.
struct BoshManager<'s> {
    site: &'s Site,
    peer: Peer,
    legs: HashMap<String, Leg<'s>>,
}

impl<'s> BoshManager<'s> {
    fn new(site: &'s Site, peer: Peer) -> Self {
        Self { site, peer, legs: HashMap::new() }
    }

    /// One HTTP request.
    fn post(&mut self, body: &[u8]) -> Vec<u8> {
        let mut response = Response::default();
        let frames = match Request::parse(body).unwrap().act {
            Act::Create(header) => {
                let sid = format!("session-{}", self.legs.len());
                let mut leg = Leg::new(self.site, &self.peer);
                let frames = leg.send(&header.to_octets().unwrap());
                self.legs.insert(sid.clone(), leg);
                response.sid = Some(sid);
                frames
            }
            Act::Send { sid, elements } => self.legs.get_mut(&sid).unwrap().send(&elements.concat()),
            act => panic!("{act:?}"),
        };
        let elements = frames.into_iter().filter_map(|frame| match frame {
            Frame::Element(element) => Some(element),
            _ => None,
        });
        response.elements = elements.collect();
        response.to_octets().unwrap()
    }

    fn leg(&mut self, sid: &str) -> &mut Leg<'s> {
        self.legs.get_mut(sid).unwrap()
    }
}

fn create(name: &str) -> Vec<u8> {
    let header = StreamHeader { to: Some(NAME.to_owned()), from: Some(format!("{name}@{NAME}")), id: None };
    let attributes = Attributes::from([("wait".to_owned(), "60".to_owned()), ("hold".to_owned(), "1".to_owned())]);
    Request { rid: 1, act: Act::Create(header), attributes }.to_octets().unwrap()
}

/// A session of BOSH, and what its server listed.
fn session(manager: &mut BoshManager<'_>, name: &str) -> (String, Vec<String>) {
    let response = Response::parse(&manager.post(&create(name))).unwrap();
    (response.sid.unwrap(), listed(&response.elements[0]))
}

fn listed(features: &Bytes) -> Vec<String> {
    let offer = Features::parse(features).unwrap().sasl2;
    offer.mechanisms().iter().map(|name| name.as_str().to_owned()).collect()
}

fn authenticate(mechanism: &str, message: &[u8]) -> Authenticate {
    let mechanism = MechanismName::parse(mechanism).unwrap();
    Authenticate { bind: Some(Bind::default()), ..Authenticate::new(mechanism, message) }
}

fn event(mut exchange: ClientExchange, answer: &[u8]) -> Event {
    exchange.receive(&Response::parse(answer).unwrap().elements[0]).unwrap()
}

/// Posts a login; whom the server took the user for.
fn log_in(manager: &mut BoshManager<'_>, sid: &str, login: &Authenticate) -> (Option<String>, Event) {
    let (flight, exchange) = Request::login(2, sid, login).unwrap();
    let answer = manager.post(&flight.bytes);
    (manager.leg(sid).who.clone(), event(exchange, &answer))
}

/// Whom the server takes somebody for who says EXTERNAL on a new session, which TLS resumes.
fn external(manager: &mut BoshManager<'_>, authzid: &str) -> Option<String> {
    let (sid, listed) = session(manager, "somebody");
    assert!(manager.leg(&sid).is_resumed());
    let (who, event) = log_in(manager, &sid, &authenticate("EXTERNAL", authzid.as_bytes()));
    assert_eq!(who.is_some(), matches!(event, Event::Success(_)));
    assert!(who.is_none() || listed.contains(&"EXTERNAL".to_owned()));
    who
}

/// One who has an account, and sees the certificate of what it connects to.
struct User {
    name: &'static str,
    accounts: Accounts,
    path: Path,
}

impl User {
    fn new(name: &'static str, pin: Pin, front: &Bench) -> Self {
        let path = Path::bosh(front.connect(name).client_facts());
        Self { name, accounts: Accounts::new(Policy::default()).preferring([pin]), path }
    }

    /// Logs in with the password and asks for an assertion; whether it is granted.
    fn full(&self, manager: &mut BoshManager<'_>, pin: Pin) -> bool {
        let (full, message) = plain(self.name);
        let (sid, listed) = session(manager, self.name);
        let mut login = authenticate("PLAIN", &message);
        login.assertion_request = Some(MechanismName::parse(pin.name()).unwrap());
        let (who, event) = log_in(manager, &sid, &login);
        assert_eq!(who.as_deref(), Some(self.name));
        let Event::Success(success) = event else { panic!("{event:?}") };
        let mut connection = self.path.clone().connect(&self.accounts, &account(self.name));
        connection.saw_offer(listed.iter().map(|name| name.as_str()));
        let Some(granted) = success.assertion else { return false };
        connection.logged_in_granted(&full, pin, granted.expose(), NOW).unwrap();
        true
    }

    /// Comes back by what was granted; whom it was taken for, and what it sent.
    fn known(&self, manager: &mut BoshManager<'_>) -> (Option<String>, Vec<u8>) {
        let (sid, _) = session(manager, self.name);
        let mut connection = self.path.clone().connect(&self.accounts, &account(self.name));
        let Plan::Known(attempt) = connection.plan(NOW) else { panic!("it was granted something") };
        let message = attempt.message().to_vec();
        let (who, event) = log_in(manager, &sid, &authenticate(attempt.mechanism(), &message));
        let Event::Success(success) = event else { return (who, message) };
        assert!(success.bound.is_some());
        assert_eq!(connection.settle(attempt, Outcome::Accepted, success.data.as_deref(), NOW), Settled::LoggedIn);
        (who, message)
    }
}

fn own(certificate: Option<EndPoint>) -> Manager {
    Manager::Own { host: host(), certificate }
}

/// What the server must be told, as it can't see it: without, the second user only has to ask.
#[test]
fn two_users_of_a_manager_that_the_server_was_not_told_of() {
    for mode in STATEFUL {
        for [first, second] in ORDERS {
            let site = Site::new(mode, &[Pin::SHA_256_NONE]);
            let mut manager = BoshManager::new(&site, Peer::Unknown);
            let (sid, _) = session(&mut manager, first);
            assert!(log_in(&mut manager, &sid, &authenticate("PLAIN", &plain(first).1)).0.is_some());
            assert!(!manager.leg(&sid).is_resumed());
            // This is why it is asked of configuration. The second user hasn't logged in yet, so nothing shows that there are two.
            assert_eq!(external(&mut manager, "").as_deref(), Some(first), "{mode:?}");
            assert_eq!(external(&mut manager, second), None, "a name is compared, where the client gives one");

            // Once it has, the session stands for neither, nor does what comes of it, nor what was there before. Not even after the
            // first one logged in again.
            for name in [second, first] {
                let (sid, _) = session(&mut manager, name);
                assert!(manager.leg(&sid).is_resumed());
                assert!(log_in(&mut manager, &sid, &authenticate("PLAIN", &plain(name).1)).0.is_some());
                for authzid in ["", name] {
                    assert_eq!(external(&mut manager, authzid), None, "{mode:?} {authzid}");
                }
            }
        }
    }
}

#[test]
fn two_users_of_somebody_elses_manager() {
    for mode in STATEFUL {
        for [first, second] in ORDERS {
            let site = Site::new(mode, &[Pin::SHA_256_EXPR, Pin::SHA_256_ENDP, Pin::SHA_256_NONE]);
            let front = Bench::new(mode);
            let mut manager = BoshManager::new(&site, Peer::Configured(Manager::Foreign));
            for name in [first, second, first] {
                let user = User::new(name, Pin::SHA_256_NONE, &front);
                assert!(!user.full(&mut manager, Pin::SHA_256_NONE), "{mode:?}");
                for authzid in ["", first, second] {
                    assert_eq!(external(&mut manager, authzid), None, "{mode:?} {authzid}");
                }
            }
            assert!(site.store.is_empty(), "nobody is known, and no session stands for anybody");
            let (_, listed) = session(&mut manager, first);
            assert!(!listed.iter().any(|name| name.ends_with("EXPR") || name.ends_with("ENDP")));
        }
    }
}

/// Known by what they hold, and by nothing that the manager's TLS says.
#[test]
fn two_users_of_the_operators_own_manager() {
    for mode in STATEFUL {
        for [first, second] in ORDERS {
            for pin in [Pin::SHA_256_ENDP, Pin::SHA_256_NONE] {
                let site = Site::new(mode, &[Pin::SHA_256_EXPR, Pin::SHA_256_ENDP, Pin::SHA_256_NONE]);
                let front = Bench::new(mode);
                let users = [first, second].map(|name| User::new(name, pin, &front));
                let shown = users[0].path.facts().tls_server_end_point().unwrap();
                let certificate = EndPoint::from_octets(shown).unwrap();
                let mut manager = BoshManager::new(&site, Peer::Configured(own(Some(certificate))));
                for user in &users {
                    assert!(user.full(&mut manager, pin));
                }
                for user in [&users[0], &users[1], &users[1], &users[0]] {
                    let (who, message) = user.known(&mut manager);
                    assert_eq!(who.as_deref(), Some(user.name), "{mode:?} {pin}");
                    for authzid in ["", first, second] {
                        assert_eq!(external(&mut manager, authzid), None, "{mode:?} {authzid}");
                    }
                    // The other one, or the manager, sends it again.
                    let (sid, listed) = session(&mut manager, "somebody");
                    assert!(!listed.contains(&"IKY-SHA-256-EXPR".to_owned()));
                    let (who, event) = log_in(&mut manager, &sid, &authenticate(pin.name(), &message));
                    assert_eq!(who, None, "{mode:?} {pin}");
                    assert!(matches!(event, Event::Failure(_)));
                }
                // In the other's name it is nothing at all.
                let mut connection = users[0].path.clone().connect(&users[0].accounts, &account(first));
                let Plan::Known(attempt) = connection.plan(NOW) else { panic!() };
                let stolen = String::from_utf8(attempt.message().to_vec()).unwrap();
                let stolen = stolen.replace(&format!("a={first}"), &format!("a={second}"));
                let (sid, _) = session(&mut manager, second);
                assert_eq!(log_in(&mut manager, &sid, &authenticate(pin.name(), stolen.as_bytes())).0, None);
            }
        }
    }
}

/// A manager with another certificate than the one that the server was told carries no `-ENDP`.
#[test]
fn a_managers_certificate_is_the_one_that_the_server_was_told() {
    let site = Site::new(MODES[0], &[Pin::SHA_256_ENDP]);
    let (front, another) = (Bench::new(MODES[0]), Bench::new(MODES[0]));
    let told = |bench: &Bench| {
        let facts = bench.connect("anybody").client_facts();
        Peer::Configured(own(Some(EndPoint::from_octets(facts.tls_server_end_point().unwrap()).unwrap())))
    };
    let user = User::new("alice", Pin::SHA_256_ENDP, &front);
    let mut manager = BoshManager::new(&site, told(&front));
    assert!(user.full(&mut manager, Pin::SHA_256_ENDP));
    manager.peer = told(&another);
    assert_eq!(user.known(&mut manager).0, None);
    manager.peer = Peer::Configured(own(None));
    assert!(!session(&mut manager, "alice").1.contains(&"IKY-SHA-256-ENDP".to_owned()));
    assert_eq!(user.known(&mut manager).0, None);
    manager.peer = told(&front);
    assert_eq!(user.known(&mut manager).0.as_deref(), Some("alice"));
}

/// A server that ends HTTP itself: the login comes on a TLS connection that resumes one on which somebody else's came.
#[test]
fn two_users_of_one_http_client() {
    for mode in STATEFUL {
        for names in ORDERS {
            for pin in [Pin::SHA_256_ENDP, Pin::SHA_256_NONE] {
                let site = Site::new(mode, &[Pin::SHA_256_EXPR, Pin::SHA_256_ENDP, Pin::SHA_256_NONE]);
                let accounts = Accounts::new(Policy::default());
                for name in names {
                    let (full, message) = plain(name);
                    let mut login = authenticate("PLAIN", &message);
                    login.assertion_request = Some(MechanismName::parse(pin.name()).unwrap());
                    let mut link = site.tls.login("the HTTP client");
                    let (who, success) = direct(&site, &mut link, &login);
                    assert_eq!(who.as_deref(), Some(name));
                    let Event::Success(success) = success else { panic!() };
                    let mut client = Path::bosh(link.client_facts()).connect(&accounts, &account(name));
                    client.saw_offer(["IKY-SHA-256-ENDP", "IKY-SHA-256-NONE", "PLAIN"]);
                    client.logged_in_granted(&full, pin, success.assertion.unwrap().expose(), NOW).unwrap();
                }
                for name in [names[0], names[1], names[0]] {
                    let mut link = site.tls.login("the HTTP client");
                    assert!(link.is_resumed());
                    for authzid in ["", names[0], names[1]] {
                        assert_eq!(direct(&site, &mut link, &authenticate("EXTERNAL", authzid.as_bytes())).0, None);
                    }
                    // TLS resumed, and the client as it should leaves that unsaid.
                    let mut client = Path::bosh(link.client_facts()).connect(&accounts, &account(name));
                    let Plan::Known(attempt) = client.plan(NOW) else { panic!() };
                    assert_eq!(attempt.mechanism(), pin.name());
                    let (who, event) = direct(&site, &mut link, &authenticate(pin.name(), attempt.message()));
                    assert_eq!(who.as_deref(), Some(name), "{mode:?} {pin}");
                    let Event::Success(success) = event else { panic!() };
                    assert_eq!(
                        client.settle(attempt, Outcome::Accepted, success.data.as_deref(), NOW),
                        Settled::LoggedIn
                    );
                }
            }
        }
    }
}

/// A login by BOSH on this connection, of a session that was made on another.
fn direct(site: &Site, link: &mut Link, login: &Authenticate) -> (Option<String>, Event) {
    let mut connection = site.accept(Path::bosh(link.facts()));
    assert!(!connection.mechanisms(NOW).iter().any(|name| *name == "EXTERNAL" || name.ends_with("EXPR")));
    let (flight, exchange) = Request::login(2, "some-id", login).unwrap();
    let Act::Send { elements, .. } = Request::parse(&flight.bytes).unwrap().act else { panic!() };
    let (answer, who) = site.answer(&mut connection, &exporter(&link.server), &elements[0]);
    let response = Response { elements: vec![answer.into()], ..Response::default() };
    (who, event(exchange, &response.to_octets().unwrap()))
}
