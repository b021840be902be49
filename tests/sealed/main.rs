//! Sealed assertions: their life, and everything that is refused of them.

#[path = "../common/mod.rs"]
mod common;
mod early;
mod quiet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::*;
use fast_reauth::assertion::{AccountSecret, Binding, ClientAssertion, DeviceId, Hash, Pin, Policy, ServiceKeys};
use fast_reauth::mechanism::{Connection, Login, Outcome, Received, Server, Step, Verdict, iky};
use fast_reauth::store::client::{Accounts, Plan, Settled};
use fast_reauth::store::{Commit, Committed, MemoryStore, NewSecret, Remember, Revoke, Store};
use fast_reauth::{Timestamp, internal};

const EXPR: &str = "IKY-SHA-256-EXPR";

fn keys() -> ServiceKeys {
    ServiceKeys::new(1, &[0x11; 32])
}

/// A service that seals, its store, and a client.
struct Service {
    server: Server,
    store: MemoryStore,
    client: Accounts,
    now: Timestamp,
}

impl Service {
    fn new() -> Self {
        Self::with(server().sealed(keys()))
    }

    fn with(server: Server) -> Self {
        Self { server, store: MemoryStore::default(), client: Accounts::default(), now: START }
    }

    fn connection(&self, tls: &Tls) -> Connection<'_> {
        let connection = Connection::new(&self.server, tls.server()).seal_with(fresh());
        let lineage = connection.lookup().and_then(|lookup| self.store.lookup(&lookup, self.now).unwrap().lineage);
        connection.resumes(lineage)
    }

    fn commit(&self, commit: &Commit) {
        assert!(self.store.commit(commit, self.now).unwrap().is_durable());
    }

    fn full_login(&self, name: &str) -> DeviceId {
        let (tls, full, device) = (Tls::full(), bound(name), DeviceId::new(fresh()));
        let mut connection = self.connection(&tls);
        let offered = connection.mechanisms(self.now);
        let login = Login { full: &full, identity: name, device, now: self.now };
        self.commit(&connection.logged_in(login, &tls.exporter()).commit);
        let mut client = self.client.connect(&account(name), tls.client()).offered(offered);
        client.logged_in(&full, &tls.exporter(), &[], self.now).unwrap();
        device
    }

    fn judge(&self, tls: &Tls, pin: Pin, message: &[u8]) -> Verdict {
        let mut connection = self.connection(tls);
        let verdict = connection.iky(pin, message).run(&self.store, self.now);
        if let Some(link) = verdict.recognised.as_ref().and_then(|client| connection.recognised(client, self.now)) {
            // Of a client that was just revoked there is nothing to remember.
            let _ = self.store.commit(&link, self.now).unwrap();
        }
        verdict
    }

    /// A reconnect on a full handshake, as the client plans it.
    fn reconnect(&self, name: &str) -> (Outcome, Settled) {
        let tls = Tls::full();
        let offered = self.connection(&tls).mechanisms(self.now);
        let mut client = self.client.connect(&account(name), tls.client()).offered(offered);
        let Plan::Known(attempt) = client.plan(self.now) else { panic!("the client is known") };
        let verdict = self.judge(&tls, Pin::from_name(attempt.mechanism()).unwrap(), attempt.message());
        let settled = client.settle(attempt, verdict.outcome, verdict.message.as_deref(), self.now);
        (verdict.outcome, settled)
    }

    /// The sealed assertion that the client of `name` has, after its first reconnect.
    fn sealed(&self, name: &str) -> ClientAssertion {
        self.full_login(name);
        assert_eq!(self.reconnect(name), (Outcome::Accepted, Settled::LoggedIn));
        self.held(name)
    }

    fn held(&self, name: &str) -> ClientAssertion {
        let held = self.client.assertions(&account(name)).pop().unwrap();
        assert!(held.is_sealed());
        held
    }

    /// What the server makes of this assertion on a full handshake.
    fn try_this(&self, assertion: &ClientAssertion) -> Outcome {
        self.try_altered(assertion, |message| message)
    }

    fn try_altered(&self, assertion: &ClientAssertion, alter: impl Fn(String) -> String) -> Outcome {
        let tls = Tls::full();
        let message = iky::Client::start(assertion, &tls.client(), None, None).unwrap().message;
        let before = internal::fingerprint(&self.store);
        let altered = alter(String::from_utf8(message).unwrap());
        let connection = self.connection(&tls);
        let verdict = connection.iky(assertion.pin(), altered.as_bytes()).run(&self.store, self.now);
        if verdict.outcome != Outcome::Accepted {
            assert_eq!(before, internal::fingerprint(&self.store), "a failed attempt changes nothing");
        }
        verdict.outcome
    }
}

fn name() -> fast_reauth::channel::ServerName {
    fast_reauth::channel::ServerName::parse(NAME).unwrap()
}

/// The sealed text in a message.
fn sealed_text(message: &str) -> &str {
    message.split(",t=").nth(1).unwrap().split(',').next().unwrap()
}

fn octets(message: &str) -> Vec<u8> {
    STANDARD.decode(sealed_text(message)).unwrap()
}

#[test]
fn the_record_moves_to_the_client_at_its_first_use_and_the_store_keeps_one_row_an_account() {
    let mut service = Service::new();
    let sealed = service.sealed("alice");
    service.now = later(8 * DAY);
    service.store.sweep(service.now);
    assert_eq!(service.store.len().0, 0, "no record is left in the store");
    assert_eq!(service.try_this(&sealed), Outcome::Accepted);
    let before = internal::fingerprint(&service.store);
    assert_eq!(service.try_this(&sealed), Outcome::Accepted);
    assert_eq!(before, internal::fingerprint(&service.store), "and the hot path writes nothing");
}

#[test]
fn it_comes_back_for_half_a_year_and_then_a_full_login_is_due() {
    let mut service = Service::new();
    service.full_login("alice");
    for day in 0..180 {
        service.now = later(day * DAY);
        service.store.sweep(service.now);
        assert_eq!(service.reconnect("alice"), (Outcome::Accepted, Settled::LoggedIn), "day {day}");
    }
    service.now = later(180 * DAY);
    let tls = Tls::full();
    let mut client = service.client.connect(&account("alice"), tls.client()).offered([EXPR]);
    assert!(matches!(client.plan(service.now), Plan::FullLogin));
}

#[test]
fn it_is_small() {
    for pin in [Pin::SHA_256_EXPR, Pin::ED25519_EXPR, Pin::mac(Hash::Sha512, Binding::Exporter)] {
        let service = Service::with(server_with(&[pin]).sealed(keys()));
        let name = "a.name.of.thirty-two.characters.";
        let assertion = service.sealed(name);
        let message = iky::Client::start(&assertion, &Tls::full().client(), None, None).unwrap().message;
        let message = String::from_utf8(message).unwrap();
        let limit = if pin.hash() == Hash::Sha256 { 180 } else { 384 };
        assert!(octets(&message).len() <= limit, "{pin}: {}", octets(&message).len());
        // A longer command line follows an empty challenge.
        if pin == Pin::SHA_256_EXPR {
            let line = format!("AUTH {} {}\r\n", pin.name(), STANDARD.encode(&message));
            assert!(line.len() <= 512, "{pin}: {}", line.len());
        }
    }
}

#[test]
fn lineage_and_external_go_on_with_it() {
    let service = Service::new();
    let sealed = service.sealed("alice");
    let first = Tls::full();
    let message = iky::Client::start(&sealed, &first.client(), None, None).unwrap().message;
    assert_eq!(service.judge(&first, sealed.pin(), &message).outcome, Outcome::Accepted);
    let tls = Tls::resuming(&first);
    let message = iky::Client::start(&sealed, &tls.client(), Some(&first.lineage()), None).unwrap().message;
    assert!(String::from_utf8(message.clone()).unwrap().contains(",l=1"));
    assert_eq!(service.judge(&tls, sealed.pin(), &message).outcome, Outcome::Accepted);
    let next = Tls::resuming(&tls);
    let connection = service.connection(&next);
    assert!(connection.mechanisms(service.now).contains(&"EXTERNAL"));
    assert_eq!(connection.external(b"alice").run(&service.store, service.now).outcome, Outcome::Accepted);
}

#[test]
fn a_lost_reply_costs_nothing() {
    let service = Service::new();
    service.full_login("alice");
    let stored = service.client.assertions(&account("alice")).pop().unwrap();
    for _ in 0..3 {
        assert_eq!(service.try_this(&stored), Outcome::Accepted, "the reply with the sealed one never arrived");
    }
    assert_eq!(service.reconnect("alice"), (Outcome::Accepted, Settled::LoggedIn));
    assert_eq!(service.try_this(&service.held("alice")), Outcome::Accepted);
}

#[test]
fn a_new_key_loses_nobody() {
    let mut service = Service::new();
    let old = service.sealed("alice");
    let both = keys().and(2, &[0x22; 32]).unwrap();
    service.server = server().sealed(both.clone().current(2).unwrap());
    assert_eq!(service.reconnect("alice"), (Outcome::Accepted, Settled::LoggedIn), "and brings one under the new key");
    let new = service.held("alice");
    service.server = server().sealed(both.current(2).unwrap().without(1));
    assert_eq!(service.try_this(&new), Outcome::Accepted);
    assert_eq!(service.try_this(&old), Outcome::Stale, "the old key is gone");
    // A node that does not seal any more still opens nothing.
    service.server = server();
    assert_eq!(service.try_this(&new), Outcome::Stale);
}

#[test]
fn nodes_need_the_keys_and_one_row() {
    let mut service = Service::new();
    let sealed = service.sealed("alice");
    let lookup = service.connection(&Tls::full()).account_lookup("alice");
    let state = service.store.lookup(&lookup, service.now).unwrap().account.into_option().expect("the account's row");
    // Another node, another store: nothing but that row.
    service.store = MemoryStore::default();
    assert_eq!(service.try_this(&sealed), Outcome::Stale, "without the row nothing opens");
    let login = lookup.login.unwrap().id();
    let (identity, secret) = ("alice".into(), state.secret.clone());
    let (device, full_login, until) = (DeviceId::new([9; 8]), service.now, later(40 * DAY));
    let row = NewSecret { login, identity, secret, found: false, device, full_login, until };
    service.commit(&Commit::Secret(row));
    assert_eq!(service.try_this(&sealed), Outcome::Accepted);
}

#[test]
fn revoked_by_client_by_account_and_everywhere_else() {
    for which in 0..5 {
        let mut service = Service::new();
        let sealed = service.sealed("alice");
        let phone = service.store.devices("alice", None, service.now).unwrap()[0].id;
        let (laptop, bob) = (DeviceId::new([9; 8]), service.sealed("bob"));
        service.now = later(10);
        let expected = match which {
            0 => {
                service.store.revoke("alice", Revoke::Device(phone), service.now).unwrap();
                Outcome::Revoked
            }
            1 => {
                service.store.revoke("alice", Revoke::AllBut(laptop), service.now).unwrap();
                Outcome::Revoked
            }
            2 => {
                service.store.revoke("alice", Revoke::AllBut(phone), service.now).unwrap();
                Outcome::Accepted
            }
            3 => {
                service.store.revoke("alice", Revoke::All, service.now).unwrap();
                Outcome::Stale
            }
            _ => {
                service.store.revoke_everyone(service.now).unwrap();
                assert_eq!(service.try_this(&bob), Outcome::Stale);
                Outcome::Stale
            }
        };
        assert_eq!(service.try_this(&sealed), expected, "{which}");
        if which < 4 {
            assert_eq!(service.try_this(&bob), Outcome::Accepted, "{which}: another account");
        }
        // It lasts, whatever else is forgotten.
        service.now = later(20 * DAY);
        service.store.sweep(service.now);
        if expected != Outcome::Accepted {
            assert_ne!(service.try_this(&sealed), Outcome::Accepted, "{which}");
        }
        // And a login after it starts anew.
        let again = service.sealed("alice");
        assert_eq!(service.try_this(&again), Outcome::Accepted, "{which}");
        assert_eq!(service.try_this(&sealed) == Outcome::Accepted, expected == Outcome::Accepted, "{which}");
    }
}

#[test]
fn any_octet_altered() {
    let service = Service::new();
    let sealed = service.sealed("alice");
    let message = iky::Client::start(&sealed, &Tls::full().client(), None, None).unwrap().message;
    let len = octets(&String::from_utf8(message).unwrap()).len();
    for at in 0..len {
        let outcome = service.try_altered(&sealed, |message| {
            let mut altered = octets(&message);
            altered[at] ^= 1;
            message.replace(sealed_text(&message), &STANDARD.encode(altered))
        });
        assert_eq!(outcome, Outcome::Stale, "octet {at}");
    }
    for cut in [1, len - 21, len - 20, len] {
        let outcome = service.try_altered(&sealed, |message| {
            let octets = octets(&message);
            let rest = STANDARD.encode(&octets[..octets.len() - cut]);
            message.replace(sealed_text(&message), &rest)
        });
        assert!(matches!(outcome, Outcome::Stale | Outcome::Malformed), "cut by {cut}: {outcome:?}");
    }
}

#[test]
fn it_is_for_its_login_its_scope_and_its_mechanism() {
    let service = Service::new();
    let (alice, bob) = (service.sealed("alice"), service.sealed("bob"));
    let swapped = |from: &ClientAssertion, name: &str| {
        let message = iky::Client::start(from, &Tls::full().client(), None, None).unwrap().message;
        let text = sealed_text(std::str::from_utf8(&message).unwrap()).to_owned();
        let name = name.to_owned();
        move |message: String| message.replace(sealed_text(&message), &text).replace("a=bob", &format!("a={name}"))
    };
    assert_eq!(service.try_altered(&bob, swapped(&alice, "bob")), Outcome::Stale, "alice's under bob's name");
    assert_eq!(service.try_altered(&bob, swapped(&alice, "alice")), Outcome::BadProof, "alice's without her key");
    assert_eq!(service.try_altered(&bob, |message| message.replace("a=bob", "a=alice")), Outcome::Stale);
    assert_eq!(service.try_altered(&bob, |message| message.replace("a=bob,", ",")), Outcome::Malformed);

    // Another mechanism with the same hash, another service.
    let both = Service::with(server_with(&[Pin::SHA_256_EXPR, Pin::ED25519_EXPR]).sealed(keys()));
    let sealed = both.sealed("alice");
    let tls = Tls::full();
    assert_eq!(sealed.pin(), Pin::ED25519_EXPR, "the client prefers it");
    let message = iky::Client::start(&sealed, &tls.client(), None, None).unwrap().message;
    let text = String::from_utf8(message).unwrap();
    let proof = text.rsplit_once(",p=").unwrap().1;
    let shorter = text.replace(proof, &STANDARD.encode([7; 32]));
    assert_eq!(both.judge(&tls, Pin::SHA_256_EXPR, shorter.as_bytes()).outcome, Outcome::Stale);
    let mut service = service;
    service.server = Server::new(fast_reauth::assertion::Service::SMTP, [name()], FULL).unwrap().sealed(keys());
    assert_eq!(service.try_this(&alice), Outcome::Stale, "another service");
}

#[test]
fn what_can_be_replayed_is_not_sealed() {
    use fast_reauth::assertion::LineageRule;
    let mut policy = Policy::default();
    policy.lineage = LineageRule::Never;
    let service = Service::with(server_with(&[Pin::SHA_256_NONE]).policy(policy).sealed(keys()));
    service.full_login("alice");
    assert_eq!(service.reconnect("alice"), (Outcome::Accepted, Settled::LoggedIn));
    assert!(service.client.assertions(&account("alice")).iter().all(|held| !held.is_sealed()));
}

#[test]
fn a_server_without_random_octets_or_keys_stores_as_ever() {
    let service = Service::new();
    service.full_login("alice");
    let tls = Tls::full();
    let mut client = service.client.connect(&account("alice"), tls.client()).offered([EXPR]);
    let Plan::Known(attempt) = client.plan(service.now) else { panic!("known") };
    let connection = Connection::new(&service.server, tls.server());
    let verdict = connection.iky(Pin::SHA_256_EXPR, attempt.message()).run(&service.store, service.now);
    assert_eq!(client.settle(attempt, verdict.outcome, verdict.message.as_deref(), service.now), Settled::LoggedIn);
    assert!(service.client.assertions(&account("alice")).iter().all(|held| !held.is_sealed()));
}

#[test]
fn granted_and_sealed() {
    let service = Service::new();
    let (tls, full, seed) = (Tls::full(), bound("alice"), fresh());
    let mut connection = service.connection(&tls);
    let login = Login { full: &full, identity: "alice@example.com", device: DeviceId::new(fresh()), now: service.now };
    let lookup = connection.account_lookup("alice");
    let account_state = service.store.lookup(&lookup, service.now).unwrap().account;
    let pin = Pin::SHA_256_EXPR;
    let (logged_in, sealed) = connection.logged_in_granting_sealed(login, pin, &seed, account_state.get());
    service.commit(&logged_in.commit);
    assert_eq!(service.store.len().0, 0, "nothing is stored but the row");
    let offered = service.connection(&tls).mechanisms(service.now);
    let mut client = service.client.connect(&account("alice"), tls.client()).offered(offered);
    client.logged_in_granted_sealed(&full, pin, &seed, sealed.as_deref(), service.now).unwrap();
    let held = service.held("alice");
    assert_eq!(service.try_this(&held), Outcome::Accepted);
    let read = ClientAssertion::from_bytes(&held.to_bytes()).unwrap();
    assert_eq!(service.try_this(&read), Outcome::Accepted, "it survives a restart of the client");
    // The identity is the server's own name for the account.
    let tls = Tls::full();
    let message = iky::Client::start(&held, &tls.client(), None, None).unwrap().message;
    assert_eq!(service.judge(&tls, pin, &message).recognised.unwrap().identity(), "alice@example.com");
}

/// Where TLS shows no session, such a login leaves its account's secret and nothing else.
#[test]
fn nothing_is_granted_to_a_login_that_was_revoked_meanwhile() {
    for has_secret in [false, true] {
        let mut service = Service::new();
        if has_secret {
            service.sealed("alice");
        }
        let granted = |service: &Service| {
            let (tls, full) = (Tls { sees_sessions: false, ..Tls::full() }, bound("alice"));
            let mut connection = service.connection(&tls);
            let found = service.store.lookup(&connection.account_lookup("alice"), service.now).unwrap().account;
            let login = Login { full: &full, identity: "alice", device: DeviceId::new(fresh()), now: service.now };
            let (logged_in, text) =
                connection.logged_in_granting_sealed(login, Pin::SHA_256_EXPR, &fresh(), found.get());
            let Commit::Remember(remember) = &logged_in.commit else { panic!("a login") };
            assert!(text.is_some() && remember.records.is_empty() && remember.link.is_none());
            assert_eq!(remember.secret.as_ref().unwrap().found, found.is_there());
            logged_in.commit
        };
        let under_way = granted(&service);
        service.now = later(1);
        service.store.revoke("alice", Revoke::All, service.now).unwrap();
        let before = internal::fingerprint(&service.store);
        assert_eq!(service.store.commit(&under_way, service.now), Ok(Committed::Gone));
        assert_eq!(internal::fingerprint(&service.store), before);
        service.now = later(2);
        service.commit(&granted(&service));
    }
}

/// A secret that was found, and that the store lost since, took along what was revoked.
#[test]
fn nothing_is_granted_under_a_secret_that_was_lost_meanwhile() {
    let service = Service::new();
    service.sealed("alice");
    let secret = Some(NewSecret { found: true, ..row(&service) });
    let alone = Commit::Remember(Remember { records: Vec::new(), token: None, link: None, secret });
    assert_eq!(service.store.commit(&alone, service.now), Ok(Committed::Done));
    assert_eq!(MemoryStore::default().commit(&alone, service.now), Ok(Committed::Gone));
}

#[test]
fn a_secret_is_never_replaced_by_a_second_one() {
    let service = Service::new();
    let first = service.sealed("alice");
    let second = service.sealed("alice");
    assert_eq!(service.try_this(&first), Outcome::Accepted);
    assert_eq!(service.try_this(&second), Outcome::Accepted);
    let login = service.connection(&Tls::full()).account_lookup("alice").login.unwrap().id();
    let secret = fast_reauth::assertion::AccountSecret::new([1; 16]);
    let (device, full_login, until) = (DeviceId::new([9; 8]), service.now, later(DAY));
    let other = NewSecret { login, identity: "alice".into(), secret, found: false, device, full_login, until };
    assert_eq!(service.store.commit(&Commit::Secret(other), service.now), Ok(Committed::WithoutSuccessor));
    assert_eq!(service.try_this(&first), Outcome::Accepted);
}

#[test]
fn a_sealed_successor_stands_behind_its_renewal() {
    let signature = STANDARD.encode([7; 32]);
    let is =
        |covered: &str| internal::is_responder_message(Pin::SHA_256_EXPR, format!("{covered}v={signature}").as_bytes());
    assert!(is("x=5,r=1,t=QUJD,"));
    assert!(is("x=5,r=1,t=QUJD,b=ext,"));
    let long = STANDARD.encode([7; 384]);
    assert!(is(&format!("r=1,t={long},")));
    let longer = STANDARD.encode([7; 387]);
    for wrong in ["x=5,t=QUJD,", "t=QUJD,r=1,", "r=1,t=,", "r=1,t=QUJ,", "r=1,t=QUJD,t=QUJD,", "r=1,b=ext,t=QUJD,"] {
        assert!(!is(wrong), "{wrong}");
    }
    assert!(!is(&format!("r=1,t={longer},")));
}

#[test]
fn one_set_of_random_octets_seals_once() {
    // Under one box key and one nonce two records would give each other away, and let their client write a third.
    let service = Service::new();
    service.full_login("alice");
    let stored = service.client.assertions(&account("alice")).pop().unwrap();
    let tls = Tls::full();
    let message = iky::Client::start(&stored, &tls.client(), None, None).unwrap().message;
    let connection = service.connection(&tls);
    let sealed = [service.now, later(1)].map(|now| {
        let verdict = connection.iky(Pin::SHA_256_EXPR, &message).run(&service.store, now);
        assert_eq!(verdict.outcome, Outcome::Accepted);
        core::str::from_utf8(&verdict.message.unwrap()).unwrap().contains(",t=")
    });
    assert_eq!(sealed, [true, false]);
}

/// The row of alice's account as it is now, to put into another store.
fn row(service: &Service) -> NewSecret {
    let lookup = service.connection(&Tls::full()).account_lookup("alice");
    let state = service.store.lookup(&lookup, service.now).unwrap().account.into_option().expect("the account's row");
    let (login, identity, secret) = (lookup.login.unwrap().id(), state.identity.clone(), state.secret.clone());
    let (device, full_login, until) = (DeviceId::new([9; 8]), service.now, later(40 * DAY));
    NewSecret { login, identity, secret, found: false, device, full_login, until }
}

#[test]
fn the_row_of_another_account_opens_nothing() {
    // Its secret is the same one: what was revoked of the one account says nothing of the other.
    let mut service = Service::new();
    let sealed = service.sealed("alice");
    let row = NewSecret { identity: "bob".into(), ..row(&service) };
    service.store = MemoryStore::default();
    service.commit(&Commit::Secret(row));
    assert_eq!(service.try_this(&sealed), Outcome::Stale);
}

#[test]
fn the_row_that_stands_in_for_another_opens_nothing() {
    let service = Service::new();
    let sealed = service.sealed("alice");
    let tls = Tls::full();
    let message = iky::Client::start(&sealed, &tls.client(), None, None).unwrap().message;
    let connection = service.connection(&tls);
    assert_eq!(with_stand_ins(connection.iky(sealed.pin(), &message), &service.store, service.now), Outcome::Stale);
    assert_eq!(connection.iky(sealed.pin(), &message).run(&service.store, service.now).outcome, Outcome::Accepted);
}

#[test]
fn two_accounts_of_one_login_name_share_no_secret() {
    let service = Service::new();
    service.sealed("alice");
    let of_alice = row(&service);
    let (tls, full) = (Tls::full(), bound("alice"));
    let mut connection = service.connection(&tls);
    let found = service.store.lookup(&connection.account_lookup("alice"), service.now).unwrap().account;
    assert!(found.is_there());
    let login = Login { full: &full, identity: "bob", device: DeviceId::new(fresh()), now: service.now };
    let (logged_in, sealed) = connection.logged_in_granting_sealed(login, Pin::SHA_256_EXPR, &fresh(), found.get());
    let Commit::Remember(remember) = logged_in.commit else { panic!("a login") };
    let of_bob = remember.secret.expect("a secret of his own");
    assert!(sealed.is_some() && !of_bob.found && *of_bob.identity == *"bob");
    assert!(of_bob.secret != of_alice.secret, "whoever revokes one of them revokes nothing of the other");
}

#[test]
fn a_node_that_has_not_switched_yet_leaves_a_newer_key_alone() {
    let mut service = Service::new();
    let both = keys().and(2, &[0x22; 32]).unwrap();
    service.server = server().sealed(both.clone().current(2).unwrap());
    let sealed = service.sealed("alice");
    service.server = server().sealed(both);
    let message = iky::Client::start(&sealed, &Tls::full().client(), None, None).unwrap().message;
    assert_eq!(service.reconnect("alice"), (Outcome::Accepted, Settled::LoggedIn));
    let after = service.held("alice");
    let again = iky::Client::start(&after, &Tls::full().client(), None, None).unwrap().message;
    let text = |message: &[u8]| sealed_text(core::str::from_utf8(message).unwrap()).to_owned();
    assert_eq!(text(&message), text(&again), "each login at the one node and the other would seal it anew");
}

/// An attempt with what alice holds, at a service that has a newer key, up to its commit.
fn sealing_anew(service: &mut Service) -> (ClientAssertion, Vec<u8>, Tls) {
    let held = service.sealed("alice");
    service.server = server().sealed(keys().and(2, &[0x22; 32]).unwrap().current(2).unwrap());
    let tls = Tls::full();
    let message = iky::Client::start(&held, &tls.client(), None, None).unwrap().message;
    (held, message, tls)
}

#[test]
fn nothing_is_sealed_for_a_client_that_was_revoked_meanwhile() {
    let mut service = Service::new();
    let (held, message, tls) = sealing_anew(&mut service);
    let connection = service.connection(&tls);
    let Received::Lookup(pending) = connection.iky(held.pin(), &message) else { panic!("a lookup") };
    let found = service.store.lookup(pending.lookup(), service.now);
    let Step::Commit(pending) = pending.found(found, service.now) else { panic!("a new one under the new key") };
    let phone = service.store.devices("alice", None, service.now).unwrap()[0].id;
    service.store.revoke("alice", Revoke::Device(phone), service.now).unwrap();
    let committed = service.store.commit(pending.commit(), service.now);
    assert_eq!(committed, Ok(Committed::Gone));
    let verdict = pending.committed(committed);
    assert!(verdict.recognised.is_none());
    assert_eq!(verdict.outcome, Outcome::Stale);
}

#[test]
fn a_store_that_lost_its_rows_gets_none_back() {
    let mut service = Service::new();
    let (held, message, tls) = sealing_anew(&mut service);
    let connection = service.connection(&tls);
    let Received::Lookup(pending) = connection.iky(held.pin(), &message) else { panic!("a lookup") };
    let found = service.store.lookup(pending.lookup(), service.now);
    let Step::Commit(pending) = pending.found(found, service.now) else { panic!("a new one under the new key") };
    let (empty, commit) = (MemoryStore::default(), pending.commit().clone());
    let committed = empty.commit(&commit, service.now);
    assert_eq!(committed, Ok(Committed::Gone));
    assert!(empty.is_empty(), "with it what was revoked would be forgotten");
    let verdict = pending.committed(committed);
    assert_eq!(verdict.outcome, Outcome::Stale);
    assert!(verdict.recognised.is_none());
    // The same where the account is known again, by another login.
    let elsewhere = Service::new();
    elsewhere.full_login("alice");
    assert_eq!(elsewhere.store.commit(&commit, service.now), Ok(Committed::Gone));
    let lookup = elsewhere.connection(&Tls::full()).account_lookup("alice");
    assert!(elsewhere.store.lookup(&lookup, service.now).unwrap().account.get().is_none());
}

#[test]
fn a_long_name_of_an_account_is_not_sealed() {
    for (len, is_sealed) in [(44, true), (45, false)] {
        let service = Service::new();
        let (tls, full, identity) = (Tls::full(), bound("alice"), "a".repeat(len));
        let login = Login { full: &full, identity: &identity, device: DeviceId::new(fresh()), now: service.now };
        let mut connection = service.connection(&tls);
        let (logged_in, sealed) = connection.logged_in_granting_sealed(login, Pin::SHA_256_EXPR, &fresh(), None);
        assert_eq!(sealed.as_ref().is_some_and(|text| STANDARD.decode(text).unwrap().len() == 180), is_sealed);
        let Commit::Remember(remember) = logged_in.commit else { panic!("a login") };
        assert_eq!(remember.records.is_empty(), is_sealed, "the store has what the client has not");
    }
}

/// What stands in for a key or a secret that isn't there is known to everybody: zeros.
#[test]
fn what_is_sealed_with_the_stand_ins_of_missing_keys() {
    let forger = Service::with(server().sealed(ServiceKeys::new(7, &[0; 32])));
    forger.full_login("alice");
    let login = forger.connection(&Tls::full()).account_lookup("alice").login.unwrap().id();
    forger.commit(&Commit::Secret(NewSecret {
        login,
        identity: "alice".into(),
        secret: AccountSecret::new([0; AccountSecret::LEN]),
        found: false,
        device: DeviceId::new([9; 8]),
        full_login: START,
        until: later(40 * DAY),
    }));
    let forged = forger.sealed("alice");
    assert_eq!(forger.try_this(&forged), Outcome::Accepted);
    let service = Service::new();
    assert_eq!(service.try_this(&forged), Outcome::Stale, "neither this key nor the account is known here");
    service.sealed("alice");
    assert_eq!(service.try_this(&forged), Outcome::Stale, "nor is the key");
}
