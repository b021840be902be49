//! A token from its issue to its end.

use std::sync::atomic::{AtomicU8, Ordering};

use super::common::DAY;
use super::*;
use fast_reauth::store::Revoke;

#[test]
fn every_mechanism_logs_a_client_in_and_shows_it_the_server() {
    for mechanism in HtMechanism::all() {
        let fleet = Fleet::new();
        let fits = if mechanism.binding() == UNIQ.binding() { tls12 } else { Tls::full };
        let (token, device) = fleet.log_in("alice", PHONE, mechanism, &fits());
        for _ in 0..3 {
            let verdict = fleet.try_token(&token, PHONE, &fits());
            assert_eq!(verdict.outcome, Outcome::Accepted, "{mechanism}");
            assert_eq!(verdict.recognised.unwrap().device(), device);
        }
    }
}

#[test]
fn tokens_have_256_bits_and_differ() {
    let fleet = Fleet::new();
    let texts: std::collections::BTreeSet<String> =
        (0..100).map(|_| fleet.log_in("alice", PHONE, EXPR, &Tls::full()).0.token().expose().to_owned()).collect();
    assert_eq!(texts.len(), 100);
    assert!(texts.iter().all(|text| text.len() == 43), "32 octets in base64url");
}

#[test]
fn only_what_is_listed_is_issued() {
    let tls = Tls::full();
    let fleet = Fleet::with(super::server().fast([NONE], keys()));
    let login = bound("alice");
    let device = DeviceId::new(fresh());
    let none = fleet.log_in_as(&login, "alice", PHONE, device, EXPR, &tls);
    assert_eq!(none, Err(fast_reauth::assertion::CannotIssue::NotListed));
    assert_eq!(fleet.connection(&tls).fast_mechanisms(), [NONE]);
    // UNIQ is nothing on TLS 1.3, nor anything behind a connection manager.
    let fleet = Fleet::new();
    assert!(!fleet.connection(&tls).fast_mechanisms().contains(&UNIQ));
    assert!(fleet.connection(&tls12()).fast_mechanisms().contains(&UNIQ));
    let managed = fleet.connection(&tls).through_manager().fast_mechanisms();
    assert!(managed.is_empty());
}

#[test]
fn a_login_that_can_be_relayed_gets_no_token() {
    let (fleet, tls) = (Fleet::new(), Tls::full());
    let relayed = FullLogin::new("SCRAM-SHA-256", "alice").unwrap();
    let device = DeviceId::new(fresh());
    let none = fleet.log_in_as(&relayed, "alice", PHONE, device, EXPR, &tls);
    assert_eq!(none, Err(fast_reauth::assertion::CannotIssue::Origin));
}

#[test]
fn a_channel_that_may_be_shared_gets_no_token() {
    let fleet = Fleet::new();
    let device = DeviceId::new(fresh());
    for tls in [
        Tls { version12: Some(false), ..tls12() },
        Tls { tickets: fast_reauth::channel::Tickets::Stateless, ..tls12() },
        Tls { dhe: false, ..Tls::full() },
    ] {
        assert!(fleet.log_in_as(&bound("alice"), "alice", PHONE, device, NONE, &tls).is_err());
    }
}

#[test]
fn a_due_token_is_rotated_and_the_old_one_goes_on_until_the_new_one_is_used() {
    let mut fleet = Fleet::new();
    let (old, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    assert!(fleet.try_token(&old, PHONE, &Tls::full()).token.is_none(), "it is not due");
    fleet.now = later(25 * DAY);
    // The reply is lost, twice: the same token is told again, so parallel connections have the same one too.
    let first = fleet.try_token(&old, PHONE, &Tls::full()).token.expect("a rotation");
    let held = fleet.fingerprint();
    let second = fleet.try_token(&old, PHONE, &Tls::full()).token.expect("the same rotation");
    assert_eq!(first, second);
    assert_eq!(held, fleet.fingerprint(), "nothing is written for that");
    let text = first.token.expose();
    let new = old.rotated(text, first.expires, &Policy::default(), fleet.now).unwrap();
    assert!(fleet.accepts(&old, PHONE), "nobody used the new one yet");
    assert!(fleet.accepts(&new, PHONE));
    assert!(!fleet.accepts(&old, PHONE), "its first use ended the old one");
    fleet.now = later(31 * DAY);
    assert!(fleet.accepts(&new, PHONE), "it lasts from its own issue");
}

#[test]
fn random_octets_are_drawn_once_a_token_is_due_and_without_any_there_is_none() {
    let mut fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    let drawn = AtomicU8::new(0);
    let draw = || Some([drawn.fetch_add(1, Ordering::Relaxed); 32]);
    let log_in = |fleet: &Fleet, random: Fresh<'_>| {
        let tls = Tls::full();
        let start = ht::Client::start(&token, &tls.client(), &Pairs::none()).unwrap();
        let request = Request::new(EXPR, &start.message, PHONE, random);
        fleet.connection(&tls).ht(request).run(&fleet.store, fleet.now)
    };
    for at in [0, 25 * DAY] {
        fleet.now = later(at);
        let before = fleet.fingerprint();
        let verdict = log_in(&fleet, (&|| None).into());
        assert_eq!((verdict.outcome, verdict.token.is_none()), (Outcome::Accepted, true), "no octets, no new token");
        assert!(at == 0 || before == fleet.fingerprint(), "and nothing is stored of one");
        let verdict = log_in(&fleet, (&draw).into());
        assert_eq!((verdict.outcome, verdict.token.is_some()), (Outcome::Accepted, at > 0));
        assert_eq!(drawn.load(Ordering::Relaxed), u8::from(at > 0), "a call only for a token that is due");
    }
    let told = log_in(&fleet, (&draw).into()).token.expect("the token that waits");
    assert_eq!(drawn.load(Ordering::Relaxed), 1, "which is made already");
    let new = token.rotated(told.token.expose(), told.expires, &Policy::default(), fleet.now).unwrap();
    assert!(fleet.accepts(&new, PHONE));
}

#[test]
fn a_rotation_in_a_race_gives_one_token() {
    let mut fleet = Fleet::new();
    let (old, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    fleet.now = later(25 * DAY);
    let [one, two] = [Tls::full(), Tls::full()];
    let starts = [&one, &two].map(|tls| ht::Client::start(&old, &tls.client(), &Pairs::none()).unwrap());
    let connections = [&one, &two].map(|tls| fleet.connection(tls));
    let steps = [0, 1].map(|at| {
        let request = Request::new(EXPR, &starts[at].message, PHONE, fresh());
        let fast_reauth::mechanism::Received::Lookup(pending) = connections[at].ht(request) else { panic!("a lookup") };
        let found = fleet.store.lookup(pending.lookup(), fleet.now);
        pending.found(found, fleet.now)
    });
    // Both looked before either wrote.
    let issued = steps.map(|step| {
        let fast_reauth::mechanism::Step::Commit(pending) = step else { panic!("a rotation to write down") };
        let committed = fleet.store.commit(pending.commit(), fleet.now);
        let verdict = pending.committed(committed);
        assert_eq!(verdict.outcome, Outcome::Accepted);
        verdict.token
    });
    assert!(issued[0].is_some() && issued[1].is_none(), "the second login stands, without a token");
    assert!(fleet.accepts(&old, PHONE));
}

#[test]
fn another_full_login_takes_the_place_of_all_that_the_installation_had() {
    // Else a token that was stolen from it would outlive the revocation of the login that it was issued to.
    let mut fleet = Fleet::new();
    let (stolen, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    assert!(fleet.accepts(&stolen, PHONE));
    fleet.now = later(DAY);
    let (new, device) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    assert!(!fleet.accepts(&stolen, PHONE));
    fleet.store.revoke("alice", Revoke::AllBut(device), fleet.now).unwrap();
    assert!(!fleet.accepts(&stolen, PHONE));
    assert_eq!(fleet.try_token(&new, PHONE, &Tls::full()).recognised.unwrap().device(), device);
}

#[test]
fn a_commit_made_again_undoes_nothing() {
    let fleet = Fleet::new();
    let (tls, full) = (Tls::full(), bound("alice"));
    let request = TokenRequest { mechanism: EXPR, authcid: "alice", client: PHONE, random: fresh() };
    let login = Login { full: &full, identity: "alice", device: DeviceId::new(fresh()), now: fleet.now };
    let (logged_in, issued) = fleet.connection(&tls).logged_in_with_token(login, &tls.exporter(), &request);
    let token = kept(&issued.unwrap(), "alice", &tls, fleet.now);
    assert_eq!(fleet.store.commit(&logged_in.commit, fleet.now), Ok(Committed::Done));
    assert!(fleet.accepts(&token, PHONE));
    let before = fleet.fingerprint();
    assert_eq!(fleet.store.commit(&logged_in.commit, fleet.now), Ok(Committed::Done));
    assert_eq!(before, fleet.fingerprint(), "the token stays the current one");
    assert!(fleet.accepts(&token, PHONE));
}

#[test]
fn a_login_under_way_with_a_token_that_ended_meanwhile() {
    let mut fleet = Fleet::new();
    let (old, _) = fleet.log_in("alice", PHONE, NONE, &Tls::full());
    fleet.now = later(25 * DAY);
    let issued = fleet.try_token(&old, PHONE, &Tls::full()).token.expect("a rotation");
    let new = old.rotated(issued.token.expose(), issued.expires, &Policy::default(), fleet.now).unwrap();
    let tls = Tls::full();
    let start = ht::Client::start(&old, &tls.client(), &Pairs::none()).unwrap();
    let connection = fleet.connection(&tls);
    let request = Request::new(NONE, &start.message, PHONE, fresh()).count(Some(7));
    let fast_reauth::mechanism::Received::Lookup(pending) = connection.ht(request) else { panic!("a lookup") };
    let found = fleet.store.lookup(pending.lookup(), fleet.now);
    let fast_reauth::mechanism::Step::Commit(pending) = pending.found(found, fleet.now) else { panic!("a commit") };
    assert!(fleet.accepts(&new, PHONE));
    let committed = fleet.store.commit(pending.commit(), fleet.now);
    assert_eq!(committed, Ok(Committed::Gone));
    assert_eq!(pending.committed(committed).outcome, Outcome::Stale);
}

#[test]
fn what_ends_earlier_ends_with_the_use_of_what_ends_later() {
    // XEP-0484 section 3.5. The policy became shorter between the two.
    let mut fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, NONE, &Tls::full());
    assert!(fleet.accepts(&token, PHONE));
    let mut shorter = Policy::default();
    shorter.lifetime = core::time::Duration::from_secs(DAY);
    fleet.server = super::server().policy(shorter);
    let issued = fleet.try_with(&token, PHONE, &Tls::full(), |request| request.wants(Some(NONE))).token.unwrap();
    let waiting = token.rotated(issued.token.expose(), issued.expires, &Policy::default(), fleet.now).unwrap();
    assert!(waiting.expires() < token.expires());
    let used = fleet.try_with(&token, PHONE, &Tls::full(), |request| request.count(Some(5)));
    assert_eq!(used.outcome, Outcome::Accepted);
    assert!(!fleet.accepts(&waiting, PHONE));
}

#[test]
fn nothing_bound_comes_of_what_is_not() {
    let fleet = Fleet::new();
    for replayable in [NONE, ENDP] {
        let (token, _) = fleet.log_in("alice", PHONE, replayable, &Tls::full());
        let verdict = fleet.try_with(&token, PHONE, &Tls::full(), |request| request.wants(Some(EXPR)));
        assert_eq!((verdict.outcome, verdict.token), (Outcome::Accepted, None), "a relayed proof is not upgraded");
        assert!(fleet.accepts(&token, PHONE));
    }
}

#[test]
fn what_is_not_listed_is_not_had_by_asking() {
    let mut fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    fleet.now = later(25 * DAY);
    let verdict = fleet.try_with(&token, PHONE, &Tls::full(), |request| request.wants(Some(UNIQ)));
    assert_eq!(
        (verdict.outcome, verdict.token),
        (Outcome::Accepted, None),
        "nor another one, which it would take for that"
    );
}

#[test]
fn no_rotation_over_a_channel_that_gets_no_token() {
    let mut fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, UNIQ, &tls12());
    fleet.now = later(25 * DAY);
    let in_tickets = Tls { tickets: fast_reauth::channel::Tickets::Stateless, ..tls12() };
    let verdict = fleet.try_token(&token, PHONE, &in_tickets);
    assert_eq!((verdict.outcome, verdict.token), (Outcome::Accepted, None));
    assert!(fleet.try_token(&token, PHONE, &tls12()).token.is_some());
}

#[test]
fn a_client_that_logs_out_leaves_no_session() {
    let fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    for (invalidate, link) in [(false, true), (true, false)] {
        let tls = Tls::full();
        let client = fleet.try_with(&token, PHONE, &tls, |request| request.invalidate(invalidate)).recognised.unwrap();
        assert_eq!(fleet.connection(&tls).recognised(&client, fleet.now).is_some(), link);
    }
}

/// In TLS 1.2 the session goes on under its own handle, and would stand for the client ever after.
#[test]
fn a_client_that_logs_out_on_a_resumed_tls12_session_ends_it() {
    for invalidate in [false, true] {
        let (fleet, first) = (Fleet::new(), Tls { version12: Some(true), ..Tls::full() });
        let (token, _) = fleet.log_in("alice", PHONE, EXPR, &first);
        let external = || {
            let tls = Tls::resuming(&first);
            let there = fleet.connection(&tls).resumes_in(&fleet.store, fleet.now);
            there.external(b"").run(&fleet.store, fleet.now).outcome
        };
        assert_eq!(external(), Outcome::Accepted);
        let tls = Tls::resuming(&first);
        let client = fleet.try_with(&token, PHONE, &tls, |request| request.invalidate(invalidate)).recognised.unwrap();
        let mut there = fleet.connection(&tls).resumes_in(&fleet.store, fleet.now);
        let link = there.recognised(&client, fleet.now).expect("it is the same session");
        assert_eq!(fleet.store.commit(&link, fleet.now), Ok(Committed::Done));
        assert_eq!(external() == Outcome::Accepted, !invalidate);
    }
}

#[test]
fn service_keys_have_their_own_ids() {
    use fast_reauth::assertion::InvalidKeys;
    assert_eq!(keys().and(1, &[2; 32]), Err(InvalidKeys::SameId));
    let mut many = keys();
    for id in 2..=16 {
        many = many.and(id, &[2; 32]).unwrap();
    }
    assert_eq!(many.clone().and(17, &[2; 32]), Err(InvalidKeys::TooMany));
    assert!(many.clone().current(17).is_none());
    assert_eq!(many.current(16).unwrap().without(16).current_id(), 16, "the current one stays");
}

#[test]
fn two_installations_have_their_own() {
    let fleet = Fleet::new();
    let (phone, on_phone) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    let (laptop, _) = fleet.log_in("alice", LAPTOP, EXPR, &Tls::full());
    assert!(fleet.accepts(&phone, PHONE) && fleet.accepts(&laptop, LAPTOP));
    assert!(!fleet.accepts(&phone, LAPTOP) && !fleet.accepts(&laptop, PHONE));
    // "Log out everywhere else", and then here too.
    fleet.store.revoke("alice", Revoke::AllBut(on_phone), fleet.now).unwrap();
    assert!(fleet.accepts(&phone, PHONE));
    assert_eq!(fleet.try_token(&laptop, LAPTOP, &Tls::full()).outcome, Outcome::Revoked);
    fleet.store.revoke("alice", Revoke::Device(on_phone), fleet.now).unwrap();
    assert_eq!(fleet.try_token(&phone, PHONE, &Tls::full()).outcome, Outcome::Revoked);
    assert!(fleet.store.devices("alice", None, fleet.now).unwrap().is_empty());
}

#[test]
fn a_client_that_logs_out_ends_all_its_tokens() {
    let mut fleet = Fleet::new();
    let (old, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    fleet.now = later(25 * DAY);
    let issued = fleet.try_token(&old, PHONE, &Tls::full()).token.expect("a rotation");
    let new = old.rotated(issued.token.expose(), issued.expires, &Policy::default(), fleet.now).unwrap();
    let verdict = fleet.try_with(&old, PHONE, &Tls::full(), |request| request.invalidate(true));
    assert_eq!(verdict.outcome, Outcome::Accepted);
    assert!(verdict.token.is_none(), "no token goes to a client that logs out, although one is due");
    assert!(!fleet.accepts(&old, PHONE) && !fleet.accepts(&new, PHONE));
    // Unless it asked for one.
    let (token, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    let verdict = fleet.try_with(&token, PHONE, &Tls::full(), |request| request.invalidate(true).wants(Some(EXPR)));
    let issued = verdict.token.expect("the token that it asked for");
    let next = token.rotated(issued.token.expose(), issued.expires, &Policy::default(), fleet.now).unwrap();
    assert!(!fleet.accepts(&token, PHONE) && fleet.accepts(&next, PHONE));
}

#[test]
fn a_client_may_ask_for_another_mechanism() {
    let fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    let verdict = fleet.try_with(&token, PHONE, &Tls::full(), |request| request.wants(Some(NONE)));
    let issued = verdict.token.expect("the token that it asked for");
    assert_eq!(issued.mechanism, NONE);
    let next = kept(&issued, "alice", &Tls::full(), fleet.now);
    assert!(fleet.accepts(&next, PHONE));
    assert!(!fleet.accepts(&token, PHONE));
}

#[test]
fn a_new_service_key_loses_nobody_and_dropping_the_old_one_ends_what_it_made() {
    let mut fleet = Fleet::new();
    let (old, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    let (gone, _) = fleet.log_in("bob", PHONE, EXPR, &Tls::full());
    let both = keys().and(2, &[0x22; 32]).unwrap().current(2).unwrap();
    fleet.server = super::server().fast(HtMechanism::all(), both.clone());
    let issued = fleet.try_token(&old, PHONE, &Tls::full()).token.expect("one made with the new key");
    let new = old.rotated(issued.token.expose(), issued.expires, &Policy::default(), fleet.now).unwrap();
    assert!(fleet.accepts(&new, PHONE));
    fleet.server = super::server().fast(HtMechanism::all(), both.without(1));
    assert!(fleet.accepts(&new, PHONE));
    assert!(!fleet.accepts(&gone, PHONE));
}

/// The key of the token that waits is dropped, the one of the token in use is not: the client is issued another one.
#[test]
fn a_token_that_waits_under_a_key_that_was_dropped_gives_way() {
    let mut fleet = Fleet::new();
    let (old, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    assert!(fleet.accepts(&old, PHONE));
    let rotated = |fleet: &Fleet| {
        let issued = fleet.try_token(&old, PHONE, &Tls::full()).token.expect("one made with the current key");
        old.rotated(issued.token.expose(), issued.expires, &Policy::default(), fleet.now).unwrap()
    };
    let second = keys().and(2, &[0x22; 32]).unwrap().current(2).unwrap();
    fleet.server = super::server().fast(HtMechanism::all(), second.clone());
    let lost = rotated(&fleet);
    let third = second.and(3, &[0x33; 32]).unwrap().current(3).unwrap();
    fleet.server = super::server().fast(HtMechanism::all(), third.clone());
    assert_eq!(rotated(&fleet), lost, "it waits, and its key is still good");
    fleet.server = super::server().fast(HtMechanism::all(), third.without(2));
    assert!(!fleet.accepts(&lost, PHONE));
    let new = rotated(&fleet);
    assert_ne!(new, lost);
    assert!(fleet.accepts(&old, PHONE), "until the new one is used");
    assert_eq!(rotated(&fleet), new, "which is told once more");
    assert!(fleet.accepts(&new, PHONE));
    assert!(!fleet.accepts(&old, PHONE));
}

#[test]
fn the_store_holds_nothing_that_logs_in() {
    // The same records under other keys: a thief of the store has no token.
    let mut fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    fleet.server = super::server().fast(HtMechanism::all(), ServiceKeys::new(1, &[0x99; 32]));
    assert!(!fleet.accepts(&token, PHONE));
}

#[test]
fn the_hot_path_of_a_bound_token_writes_nothing() {
    let fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    assert!(fleet.accepts(&token, PHONE));
    let before = fleet.fingerprint();
    for count in 1..4 {
        let verdict = fleet.try_with(&token, PHONE, &Tls::full(), |request| request.count(Some(count)));
        assert_eq!(verdict.outcome, Outcome::Accepted);
    }
    assert_eq!(before, fleet.fingerprint());
}

#[test]
fn a_token_without_binding_does_not_vouch_for_its_session() {
    use fast_reauth::assertion::Origin;
    let fleet = Fleet::new();
    for (mechanism, strength) in [(EXPR, Origin::Bound), (NONE, Origin::Unbound), (ENDP, Origin::Unbound)] {
        let (token, _) = fleet.log_in("alice", PHONE, mechanism, &Tls::full());
        let client = fleet.try_token(&token, PHONE, &Tls::full()).recognised.unwrap();
        assert_eq!((client.origin(), client.strength()), (Origin::Bound, strength), "{mechanism}");
    }
}

#[test]
fn counts_may_arrive_out_of_order_and_start_anew_with_a_new_token() {
    let mut fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, NONE, &Tls::full());
    let with = |fleet: &Fleet, token: &ClientToken, count| {
        fleet.try_with(token, PHONE, &Tls::full(), |request| request.count(Some(count)))
    };
    for count in [3, 1, 2, 70, 9] {
        assert_eq!(with(&fleet, &token, count).outcome, Outcome::Accepted, "{count}");
    }
    fleet.now = later(25 * DAY);
    let issued = with(&fleet, &token, 71).token.expect("a rotation");
    let new = token.rotated(issued.token.expose(), issued.expires, &Policy::default(), fleet.now).unwrap();
    assert_eq!(with(&fleet, &new, 1).outcome, Outcome::Accepted);
    assert_eq!(with(&fleet, &new, 1).outcome, Outcome::Replayed);
}

#[test]
fn the_one_call_takes_tokens_too() {
    let (fleet, tls) = (Fleet::new(), Tls::full());
    let (token, device) = fleet.log_in("alice", PHONE, EXPR, &tls);
    let start = ht::Client::start(&token, &tls.client(), &Pairs::none()).unwrap();
    let mut connection = fleet.connection(&tls);
    let judge = |connection: &Connection<'_>, name| {
        let received = connection.receive(name, &start.message).expect("no full login has this name");
        received.run(&fleet.store, fleet.now)
    };
    let beside = ht::Beside { client: PHONE.into(), random: fresh(), count: None, invalidate: false, wants: None };
    assert_eq!(judge(&connection, "HT-SHA-256-EXPR").outcome, Outcome::Malformed, "from which installation?");
    connection.beside(beside.clone());
    assert_eq!(judge(&connection, "ht-sha-256-expr").recognised.unwrap().device(), device);
    assert_eq!(judge(&connection, "HT-SHA-256-EXPR").outcome, Outcome::Malformed, "that was for one message");
    // Nor for one of another mechanism.
    connection.beside(beside);
    assert!(connection.receive("PLAIN", b"").is_none());
    assert_eq!(judge(&connection, "HT-SHA-256-EXPR").outcome, Outcome::Malformed);
}
