//! What the values of the interface say of themselves, which names and lengths they take, and when they are equal.

mod common;

use std::collections::HashSet;

use common::*;
use fast_reauth::assertion::{
    AccountSecret, AccountState, BindingType, ClientAssertion, DeviceId, FullLogin, HtMechanism, InvalidAssertion,
    InvalidLogin, LoginId, OfferHash, Origin, Pin, Policy, Record, Revocations, Scope, Service, ServiceKeys, Spared,
    TokenRequest,
};
use fast_reauth::channel::{EndPoint, EndPointUnavailable, ServerName};
use fast_reauth::mechanism::{Connection, Login, NextStep, Outcome, ServerMessage, iky};
use fast_reauth::store::{Commit, Committed, LoginOf, Lookup, MemoryStore, Remember, Revoke, Store, Window};

const EXPR: &[&str] = &["IKY-SHA-256-EXPR"];

/// A login whose account has another name than its client.
fn logged_in(pair: &Pair, tls: &Tls, identity: &str, device: DeviceId) -> Remember {
    let mut connection = pair.connection(tls);
    let login = Login { full: &bound("alice"), identity, device, now: pair.now };
    let commit = connection.logged_in(login, &tls.exporter()).commit;
    assert_eq!(pair.store.commit(&commit, pair.now), Ok(Committed::Done));
    let Commit::Remember(remember) = commit else { panic!("{commit:?}") };
    remember
}

#[test]
fn records_say_whose_they_are_and_what_became_of_them() {
    let pair = Pair::new(server());
    let (tls, device) = (Tls::full(), DeviceId::new(fresh()));
    let remember = logged_in(&pair, &tls, "account 1", device);
    let (record, lineage) = (&remember.records[0], &remember.link.as_ref().unwrap().lineage);
    assert_eq!((record.identity(), record.login_name()), ("account 1", "alice"));
    assert_eq!((record.device(), record.origin(), record.full_login()), (device, Origin::Bound, START));
    assert_eq!((record.issued(), record.renews()), (START, None));
    assert!(record.is_tentative() && !record.is_superseded() && !record.is_revoked());
    assert_eq!((lineage.identity(), lineage.login_name()), ("account 1", "alice"));
    assert_eq!((lineage.device(), lineage.origin(), lineage.full_login()), (device, Origin::Bound, START));
    assert!(!lineage.is_shared() && !lineage.is_revoked());

    let look = || {
        let handle = pair.connection(&Tls::resuming(&tls)).lookup().unwrap().handle;
        let lookup = Lookup { assertion: Some(*record.id()), handle, ..Lookup::default() };
        pair.store.lookup(&lookup, pair.now).unwrap()
    };
    pair.store.revoke("account 1", Revoke::All, pair.now).unwrap();
    let found = look();
    assert!(found.record.into_option().unwrap().is_revoked() && found.lineage.unwrap().is_revoked());
    // A second identity on the session.
    let _ = logged_in(&pair, &Tls::resuming(&tls), "account 2", DeviceId::new(fresh()));
    assert!(look().lineage.unwrap().is_shared());
}

#[test]
fn a_successor_begins_anew_at_both_ends() {
    let mut pair = Pair::new(server_with(&[Pin::SHA_256_NONE]));
    let mut policy = Policy::default();
    policy.lineage = fast_reauth::assertion::LineageRule::Never;
    pair.server = server_with(&[Pin::SHA_256_NONE]).policy(policy);
    let none = [Pin::SHA_256_NONE.name()];
    pair.full_login("alice", &Tls::full());
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, &none)));
    let first = pair.client.assertions(&account("alice")).pop().unwrap();
    assert_eq!((first.login_name(), first.issued()), ("alice", START));
    pair.now = later(29 * DAY);
    let mut used = first.clone();
    let counter = Some(used.next_counter());
    assert_eq!(counter, Some(2));

    let tls = Tls::full();
    let iky::Start { message, state } = iky::Client::start(&used, &tls.client(), None, counter).unwrap();
    let verdict = pair.judge(&tls, none[0], &message);
    let mut successor = state.finish(verdict.message.as_deref(), true, pair.now).unwrap().successor.unwrap();
    let told = pair.now.after(Policy::default().lifetime);
    assert_eq!((successor.issued(), successor.expires(), successor.next_counter()), (pair.now, told, 1));

    let find = |id| {
        pair.store.lookup(&Lookup { assertion: Some(id), ..Lookup::default() }, pair.now).unwrap().record.into_option()
    };
    let record = find(*successor.id()).unwrap();
    assert_eq!((record.issued(), record.renews()), (pair.now, Some(first.id())));
    assert!(record.is_tentative() && !find(*first.id()).unwrap().is_superseded());
    // Its first use supersedes what it succeeds.
    let tls = Tls::full();
    let iky::Start { message, .. } = iky::Client::start(&successor, &tls.client(), None, Some(1)).unwrap();
    assert_eq!(pair.judge(&tls, none[0], &message).outcome, Outcome::Accepted);
    assert!(find(*first.id()).unwrap().is_superseded());
}

/// The server's word counts where it is the stricter one, also without a renewal.
#[test]
fn the_end_that_a_server_tells_is_taken_with_a_renewal_and_without() {
    let mut strict = Policy::default();
    strict.lifetime = core::time::Duration::from_secs(2 * DAY);
    let pair = Pair::new(server().policy(strict));
    pair.full_login("alice", &Tls::full());
    assert!(accepted(&pair.reconnect("alice", &Tls::full(), None, EXPR)));
    assert_eq!(pair.client.assertions(&account("alice"))[0].expires(), later(2 * DAY));
}

#[test]
fn tokens_say_whose_they_are_and_what_became_of_them() {
    let mechanism = HtMechanism::HT_SHA_256_EXPR;
    let server = server().fast([mechanism], ServiceKeys::new(1, &[1; 32]));
    let (store, tls) = (MemoryStore::default(), Tls::full());
    let request = TokenRequest { mechanism, authcid: "alice", client: "phone", random: fresh() };
    let login = Login { full: &bound("alice"), identity: "account 1", device: DeviceId::new(fresh()), now: START };
    let mut connection = Connection::new(&server, tls.server());
    let commit = connection.logged_in_with_token(login, &tls.exporter(), &request).0.commit;
    assert_eq!(store.commit(&commit, START), Ok(Committed::Done));
    let Commit::Remember(Remember { token: Some(token), .. }) = commit else { panic!("{commit:?}") };
    assert_eq!((token.identity(), token.authcid(), token.is_revoked()), ("account 1", "alice", false));
    assert!(token.current().is_none() && token.new_token().is_some());
    let change = fast_reauth::store::TokenUse {
        token: *token.id(),
        salt: *token.new_token().unwrap().salt(),
        count: None,
        invalidate: false,
        issue: None,
    };
    assert_eq!(store.commit(&Commit::Token(change), START), Ok(Committed::Done));
    let find = || {
        let lookup = Lookup { token: Some(*token.id()), ..Lookup::default() };
        store.lookup(&lookup, START).unwrap().token.into_option().unwrap()
    };
    assert_eq!(find().current(), token.new_token(), "its first use makes it the current one");
    assert!(find().new_token().is_none() && !find().is_revoked());
    store.revoke("account 1", Revoke::All, START).unwrap();
    assert!(find().is_revoked());
}

#[test]
fn names_have_an_alphabet_and_a_length() {
    let (most, more) = ("A".repeat(20), "A".repeat(21));
    assert!(FullLogin::new(&most, "alice").is_ok());
    for bad in ["", "SCRAM SHA", "SCRAM.SHA", "\0", &more] {
        assert_eq!(FullLogin::new(bad, "alice").err(), Some(InvalidLogin::Mechanism), "{bad:?}");
    }
    let (most, more) = ("a".repeat(255), "a".repeat(256));
    assert!(FullLogin::new("PLAIN", &most).is_ok());
    for bad in ["a\0", &more] {
        assert_eq!(FullLogin::new("PLAIN", bad).err(), Some(InvalidLogin::LoginName), "{bad:?}");
    }
    let (most, more) = ("a".repeat(63), "a".repeat(64));
    for good in ["imap", "x-1", &most] {
        assert_eq!(Service::parse(good).unwrap().as_str(), good);
    }
    for bad in ["", "IMAP", "imap.", "a b", &more] {
        assert!(Service::parse(bad).is_err(), "{bad:?}");
    }
    for (len, is_one) in [(27, false), (28, true), (29, true), (64, true), (65, false)] {
        let end_point = EndPoint::from_octets(&vec![7; len]);
        assert_eq!(end_point.is_ok(), is_one, "{len} octets");
        assert!(is_one || end_point == Err(EndPointUnavailable::BadLength));
    }
}

#[test]
fn a_window_moves_by_its_width() {
    for ahead in [Window::WIDTH - 1, Window::WIDTH, Window::WIDTH + 1] {
        let mut window = Window::default();
        assert!(window.accept(1) && window.accept(1 + ahead));
        assert!(!window.accept(1) && !window.accept(1 + ahead), "{ahead}");
        assert!(window.accept(ahead), "{ahead}");
    }
}

#[test]
fn what_is_the_same_is_equal_and_nothing_else() {
    let keys = |id, octet| ServiceKeys::new(id, &[octet; 32]);
    assert_eq!(keys(1, 1), keys(1, 1));
    assert_ne!(keys(1, 1), keys(2, 1));
    assert_ne!(keys(1, 1), keys(1, 2));
    assert_ne!(keys(1, 1).and(2, &[2; 32]).unwrap(), keys(1, 1));

    let message = |text: &str| ServerMessage::from(text.as_bytes());
    assert_eq!(message("e=revoked").as_ref(), b"e=revoked");
    assert_eq!(message("e=revoked"), ServerMessage::from(b"e=revoked".to_vec()));
    assert_ne!(message("e=revoked"), message("e=expired"));

    let scope = |name| Scope::new(Service::IMAP, ServerName::parse(name).unwrap());
    let login = |name| LoginOf::from(LoginId::of(&scope(NAME), name));
    assert_eq!(login("alice"), login("alice"));
    assert_ne!(login("alice"), login("bob"));
    let lookup = Lookup { login: Some(login("alice")), account: true, ..Lookup::default() };
    assert_eq!(lookup.owned(), lookup);
    assert_ne!(lookup.owned(), Lookup::default());

    let [one, other] =
        [["PLAIN", "LOGIN"], ["PLAIN", "CRAM-MD5"]].map(|names| OfferHash::of(Pin::ALL[0].hash(), names));
    assert_eq!(OfferHash::of(Pin::ALL[0].hash(), ["LOGIN", "PLAIN"]).as_octets(), one.as_octets());
    assert_ne!(one.as_octets(), other.as_octets());
}

#[test]
fn what_counts_as_a_failed_login_and_what_is_durable() {
    let counts = |outcome: &Outcome| outcome.counts_as_failure();
    let counted: Vec<_> = Outcome::ALL.into_iter().filter(counts).collect();
    assert_eq!(counted, [Outcome::BindingMismatch, Outcome::Replayed, Outcome::BadProof, Outcome::Malformed]);
    let all = [Committed::Done, Committed::WithoutSuccessor, Committed::Replayed, Committed::Gone, Committed::Full];
    assert_eq!(all.map(Committed::is_durable), [true, true, false, false, false]);
}

#[test]
fn what_is_shown_to_people_says_something() {
    let steps =
        [NextStep::TryPredecessor, NextStep::FullLogin, NextStep::FullHandshake, NextStep::Abandon, NextStep::Later];
    let said: HashSet<String> = steps.map(|step| step.to_string()).into();
    assert!(said.len() == steps.len() && !said.contains(""));
    assert_eq!(HtMechanism::HT_SHA_256_EXPR.to_string(), "HT-SHA-256-EXPR");
    assert_eq!(ServerName::parse("IMAP.example.com").unwrap().to_string(), NAME);
}

/// Puts octets in the place of one field of a length and octets, from `at` on.
fn with_field(octets: &[u8], mut at: usize, fields: usize, change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let len = |at: usize| u32::from_be_bytes(octets[at..at + 4].try_into().unwrap()) as usize;
    for _ in 0..fields {
        at += 4 + len(at);
    }
    let end = at + 4 + len(at);
    let field = change(&octets[at + 4..end]);
    [&octets[..at], &(field.len() as u32).to_be_bytes(), &field, &octets[end..]].concat()
}

fn shorter(field: &[u8]) -> Vec<u8> {
    field[1..].to_vec()
}

/// One key may have another length only as the other has, too, in another mechanism.
#[test]
fn what_is_stored_has_keys_of_its_mechanisms_lengths_and_names_that_are_some() {
    let pair = Pair::new(server());
    let tls = Tls::full();
    let record = logged_in(&pair, &tls, "account 1", DeviceId::new(fresh())).records.remove(0).to_bytes();
    assert!(Record::from_bytes(&record).is_ok());
    let damaged = Err(InvalidAssertion::Damaged);
    // Behind magic, version and id: the mechanism, two keys, identity and login name.
    let fields = 4 + 1 + 16;
    for key in [1, 2] {
        assert_eq!(Record::from_bytes(&with_field(&record, fields, key, shorter)), damaged);
    }
    for (name, bad) in [(3, ""), (3, "a\0"), (4, "a\0")] {
        assert_eq!(Record::from_bytes(&with_field(&record, fields, name, |_| bad.into())), damaged, "{bad:?}");
    }
    pair.full_login("alice", &Tls::full());
    let assertion = pair.client.assertions(&account("alice")).pop().unwrap().to_bytes();
    for key in [7, 8] {
        let altered = with_field(&assertion, 8 + 1, key, shorter);
        assert_eq!(ClientAssertion::from_bytes(&altered).err(), Some(InvalidAssertion::Damaged));
    }
}

#[test]
fn the_state_of_an_account_is_somebodys() {
    let of = |identity: &str| AccountState {
        identity: identity.into(),
        secret: AccountSecret::new([1; 16]),
        revoked: Revocations::default(),
    };
    assert_eq!(AccountState::from_bytes(&of("alice").to_bytes()), Ok(of("alice")));
    let mut many = of(&"n".repeat(255));
    (0..256u64).for_each(|n| assert!(!many.revoked.revoke(DeviceId::new(n.to_be_bytes()), later(0), None)));
    let octets = many.to_bytes();
    assert_eq!(AccountState::from_bytes(&octets), Ok(many));
    assert_eq!(octets.capacity(), 512 + 256 * 8, "it was never moved, with the secret left behind");
    for bad in ["", "a\0", &"a".repeat(256)] {
        assert_eq!(AccountState::from_bytes(&of(bad).to_bytes()), Err(InvalidAssertion::Damaged), "{bad:?}");
    }
}

/// Who is spared now was not spared before, and logged in at that very moment.
#[test]
fn a_login_at_the_moment_of_a_revocation_is_revoked() {
    let device = DeviceId::new([1; 8]);
    let spared = |after| Some(Spared { device, after });
    let revokes = |until, spared, full_login| {
        Revocations { until: Some(until), spared, devices: Vec::new() }.revokes(device, full_login)
    };
    assert!(revokes(later(1), None, later(1)) && !revokes(later(1), None, later(2)));
    assert!(!revokes(later(9), spared(None), later(1)));
    assert!(revokes(later(9), spared(Some(later(1))), later(1)));
    assert!(!revokes(later(9), spared(Some(later(1))), later(2)));
}

#[test]
fn a_type_of_channel_binding_is_found_by_its_registered_name() {
    for binding in BindingType::ALL {
        assert_eq!(BindingType::from_name(binding.name()), Some(binding));
    }
    assert_eq!(["", "tls", "TLS-EXPORTER"].map(BindingType::from_name), [None; 3]);
}

#[test]
fn a_name_is_read_in_any_case_and_nothing_else_is_one() {
    for pin in Pin::ALL {
        for name in [pin.name().to_owned(), pin.name().to_lowercase(), pin.name().replace("EXPR", "eXpR")] {
            assert_eq!(Pin::from_name(&name), Some(pin), "{name}");
            for other in [
                format!("{name}-"),
                format!("-{name}"),
                format!("X{name}"),
                name.replacen('-', "", 1),
                name[1..].to_owned(),
            ] {
                assert_eq!(Pin::from_name(&other), None, "{other}");
            }
        }
    }
    let none = [
        "",
        "-",
        "--",
        "IKY",
        "IKY-",
        "IKY--",
        "IKY-EXPR",
        "IKY-SHA-256",
        "IKY-SHA-1-EXPR",
        "IKY-ED25519-NONE",
        "HT-SHA-256-EXPR",
        "IKY-SHA-256-UNIQ",
    ];
    assert_eq!(none.map(Pin::from_name), [None; 12]);
}
