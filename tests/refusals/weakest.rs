//! The weakest channel binding that a service takes.

use super::*;
use fast_reauth::assertion::{Binding, CannotDerive, HtMechanism, ServiceKeys};
use fast_reauth::store::client::{Account, Accounts};

/// All that can be recognised by, on a channel that has everything.
const PINS: [Pin; 3] = [Pin::SHA_256_EXPR, Pin::SHA_256_ENDP, Pin::SHA_256_NONE];

fn policy(weakest: Binding) -> Policy {
    let mut policy = Policy::default();
    (policy.weakest_binding, policy.records_per_login) = (weakest, PINS.len());
    policy
}

fn choosy(weakest: Binding) -> Server {
    let tokens = [
        HtMechanism::HT_SHA_256_EXPR,
        HtMechanism::HT_SHA_256_UNIQ,
        HtMechanism::HT_SHA_256_ENDP,
        HtMechanism::HT_SHA_256_NONE,
    ];
    server_with(&PINS).policy(policy(weakest)).fast(tokens, ServiceKeys::new(1, &[7; 32]))
}

#[test]
fn a_mechanism_below_the_weakest_binding_is_not_listed() {
    let tls = Tls::full();
    let mut old = Tls { version12: Some(true), unique: Some([1; 12]), ..Tls::full() };
    old.has_exporter = false;
    for (weakest, iky, tokens, on_tls12) in [
        (Binding::None, 3, vec!["HT-SHA-256-EXPR", "HT-SHA-256-ENDP", "HT-SHA-256-NONE"], 3),
        (Binding::EndPoint, 2, vec!["HT-SHA-256-EXPR", "HT-SHA-256-ENDP"], 2),
        (Binding::Exporter, 1, vec!["HT-SHA-256-EXPR"], 1),
    ] {
        let pair = Pair::new(choosy(weakest));
        let connection = pair.connection(&tls);
        let listed: Vec<_> =
            connection.mechanisms(pair.now).into_iter().filter(|name| name.starts_with("IKY")).collect();
        assert_eq!(listed, PINS[..iky].iter().map(|pin| pin.name()).collect::<Vec<_>>());
        let listed: Vec<_> = connection.fast_mechanisms().into_iter().map(HtMechanism::name).collect();
        assert_eq!(listed, tokens);
        // tls-unique is as good as tls-exporter.
        assert_eq!(pair.connection(&old).fast_mechanisms().len(), on_tls12);
    }
}

#[test]
fn a_mechanism_below_the_weakest_binding_is_refused() {
    for (pin, weakest) in [(Pin::SHA_256_NONE, Binding::EndPoint), (Pin::SHA_256_ENDP, Binding::Exporter)] {
        let tls = Tls { sees_sessions: false, ..Tls::full() };
        let mut pair = Pair::new(choosy(Binding::None));
        pair.client = fast_reauth::store::client::Accounts::new(Policy::default()).preferring([pin]);
        pair.full_login("alice", &tls);
        let message = |pair: &Pair| good(pair, &tls, None, pin);
        assert_eq!(pair.judge(&tls, pin.name(), &message(&pair)).outcome, Outcome::Accepted);
        // The operator thinks better of it: what was good before is good no more.
        let lax = std::mem::replace(&mut pair.server, choosy(weakest));
        let verdict = refused(&pair, &tls, pin.name(), &message(&pair), Outcome::BindingMismatch);
        assert!(says(&verdict, "e=not-recognised"));
        // It was refused, and not forgotten.
        pair.server = lax;
        assert_eq!(pair.judge(&tls, pin.name(), &message(&pair)).outcome, Outcome::Accepted);
    }
}

#[test]
fn no_assertion_below_the_weakest_binding_is_stored_or_granted() {
    let login = |pair: &Pair| (bound("alice"), pair.now);
    for (weakest, made) in [(Binding::None, 3), (Binding::EndPoint, 2), (Binding::Exporter, 1)] {
        let (tls, pair) = (Tls::full(), Pair::new(choosy(weakest)));
        let (full, now) = login(&pair);
        let login = Login { full: &full, identity: "alice", device: DeviceId::new(fresh()), now };
        let mut connection = pair.connection(&tls);
        let logged_in = connection.logged_in(login, &tls.exporter());
        let fast_reauth::store::Commit::Remember(remember) = &logged_in.commit else { panic!() };
        assert_eq!(remember.records.len(), made);

        for pin in PINS {
            let granted = pair.connection(&tls).logged_in_granting(login, pin, &[9; 32]);
            let refused = (pin.binding() > weakest).then_some(CannotDerive::WeakBinding);
            assert_eq!(granted.unknown, refused);
            let fast_reauth::store::Commit::Remember(remember) = &granted.commit else { panic!() };
            assert_eq!(remember.records.is_empty(), refused.is_some());
        }
    }
}

/// The stricter end decides.
#[test]
fn a_client_makes_and_uses_nothing_below_its_own_weakest_binding() {
    let tls = Tls { sees_sessions: false, ..Tls::full() };
    let mut pair = Pair::new(choosy(Binding::None));
    let strict =
        || fast_reauth::store::client::Accounts::new(policy(Binding::EndPoint)).preferring([Pin::SHA_256_NONE]);
    pair.client = strict();
    pair.full_login("alice", &tls);
    assert!(pair.client.assertions(&account("alice")).is_empty());
    let mut client = pair.client.connect(&account("alice"), tls.client());
    let granted = client.logged_in_granted(&bound("alice"), Pin::SHA_256_NONE, &[9; 32], pair.now);
    assert_eq!(granted, Err(CannotDerive::WeakBinding));
    drop(client);

    pair.client = fast_reauth::store::client::Accounts::new(Policy::default()).preferring([Pin::SHA_256_NONE]);
    pair.full_login("alice", &tls);
    let held = pair.client.assertions(&account("alice")).remove(0);
    pair.client = strict();
    pair.client.restore(&account("alice"), held, [Pin::SHA_256_NONE.name()]);
    assert!(pair.attempt("alice", &tls, None, &[Pin::SHA_256_NONE.name()]).1.is_none());
}

#[test]
fn a_client_derives_nothing_below_its_weakest_binding_for_a_sibling() {
    let accounts = Accounts::new(policy(Binding::Exporter));
    let tls = Tls::full();
    let mut client = accounts.connect(&account("alice"), tls.client()).offered(["IKY-SHA-256-EXPR"]);
    let there = Scope::new(Service::SMTP, ServerName::parse("smtp.example.com").unwrap());
    let siblings = [fast_reauth::mechanism::Sibling { scope: there.clone(), pin: Pin::SHA_256_NONE }];
    client.logged_in(&bound("alice"), &tls.exporter(), &siblings, START).unwrap();
    assert!(
        accounts.assertions(&Account::new(there, "alice")).is_empty(),
        "derived and kept below the weakest binding"
    );
}
