//! What a server refuses, and that it changes nothing by it.

use super::common::{DAY, with_stand_ins};
use super::*;
use fast_reauth::profile::Answer;
use fast_reauth::store::{Commit, Device, Found, Lookup, Revoke, Unavailable};

/// A refused attempt, that has changed nothing and told nobody anything.
fn refused(fleet: &Fleet, token: &ClientToken, client: &str, tls: &Tls, outcome: Outcome) {
    let before = fleet.fingerprint();
    assert_eq!(fleet.try_token(token, client, tls).outcome, outcome);
    assert_eq!(before, fleet.fingerprint(), "a failed attempt changes nothing");
}

#[test]
fn a_token_for_another_mechanism() {
    // ejabberd 24.12 takes a token that was issued for a bound mechanism without binding.
    let fleet = Fleet::new();
    for (issued, used) in [(EXPR, NONE), (NONE, EXPR), (EXPR, ENDP), (EXPR, mechanism("HT-SHA-512-EXPR"))] {
        let (token, _) = fleet.log_in("alice", PHONE, issued, &Tls::full());
        refused(&fleet, &as_if_for(&token, used), PHONE, &Tls::full(), Outcome::BadProof);
        assert!(fleet.accepts(&token, PHONE));
    }
    let (token, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    refused(&fleet, &as_if_for(&token, mechanism("HT2-SHA-256-EXPR")), PHONE, &Tls::full(), Outcome::BadProof);
}

/// Another fleet with the same keys is the thief's: what it has of alice is not what the store has.
#[test]
fn a_service_key_alone_makes_no_token_and_no_server() {
    let (fleet, thief) = (Fleet::new(), Fleet::new());
    for mechanism in [EXPR, NONE] {
        let (token, _) = fleet.log_in("alice", PHONE, mechanism, &Tls::full());
        let (forged, _) = thief.log_in("alice", PHONE, mechanism, &Tls::full());
        assert!(thief.accepts(&forged, PHONE));
        refused(&fleet, &forged, PHONE, &Tls::full(), Outcome::BadProof);
        // What he signs as the server is signed with another token.
        let tls = Tls::full();
        let start = ht::Client::start(&token, &tls.client(), &Pairs::none()).unwrap();
        let his = ht::Client::start(&forged, &tls.client(), &Pairs::none()).unwrap();
        let answer = thief.judge(mechanism, &his.message, PHONE, &tls, |request| request).message;
        assert!(answer.is_some());
        assert!(start.state.finish(answer.as_deref(), true).is_err());
    }
}

/// The same token as a client keeps it that was told another mechanism.
fn as_if_for(token: &ClientToken, mechanism: HtMechanism) -> ClientToken {
    let (scope, policy) = (token.scope(), Policy::default());
    let (text, end) = (token.token().expose(), token.expires());
    ClientToken::issued(text, mechanism, scope, token.authcid(), token.origin(), end, &policy, START).unwrap()
}

#[test]
fn a_message_of_another_connection() {
    let fleet = Fleet::new();
    for (mechanism, tls) in [(EXPR, Tls::full as fn() -> Tls), (UNIQ, tls12)] {
        let (token, _) = fleet.log_in("alice", PHONE, mechanism, &tls());
        let seen = ht::Client::start(&token, &tls().client(), &Pairs::none()).unwrap().message;
        let verdict = fleet.judge(mechanism, &seen, PHONE, &tls(), |request| request);
        assert_eq!(verdict.outcome, Outcome::BadProof, "{mechanism}");
    }
    // Another front end's certificate.
    let (token, _) = fleet.log_in("alice", PHONE, ENDP, &Tls::full());
    let elsewhere = Tls { end_point: Some([8; 32]), ..Tls::full() };
    let seen = ht::Client::start(&token, &elsewhere.client(), &Pairs::none()).unwrap().message;
    assert_eq!(fleet.judge(ENDP, &seen, PHONE, &Tls::full(), |request| request).outcome, Outcome::BadProof);
}

#[test]
fn a_token_of_another_server_name() {
    let fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, NONE, &Tls::full());
    let other = Tls { name: "other.example.com", ..Tls::full() };
    let message = ht::Client::start(&token, &Tls::full().client(), &Pairs::none()).unwrap().message;
    assert_eq!(fleet.judge(NONE, &message, PHONE, &other, |request| request).outcome, Outcome::Stale);
}

#[test]
fn a_token_of_another_account() {
    let fleet = Fleet::new();
    let (alice, _) = fleet.log_in("alice", PHONE, NONE, &Tls::full());
    fleet.log_in("bob", PHONE, NONE, &Tls::full());
    let message = ht::Client::start(&alice, &Tls::full().client(), &Pairs::none()).unwrap().message;
    let forged = [b"bob", &message[5..]].concat();
    assert_eq!(fleet.judge(NONE, &forged, PHONE, &Tls::full(), |request| request).outcome, Outcome::BadProof);
}

#[test]
fn an_expired_token() {
    let mut unrenewed = Policy::default();
    unrenewed.renew_within = core::time::Duration::ZERO;
    let mut fleet = Fleet::with(super::server().policy(unrenewed));
    let (token, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    fleet.now = later(30 * DAY - 1);
    assert!(fleet.accepts(&token, PHONE));
    fleet.now = later(30 * DAY);
    refused(&fleet, &token, PHONE, &Tls::full(), Outcome::FullAuthenticationDue);
    assert_eq!(Answer::from(Outcome::FullAuthenticationDue).xmpp(), Some("credentials-expired"));
    fleet.store.sweep(fleet.now);
    refused(&fleet, &token, PHONE, &Tls::full(), Outcome::Stale);
    assert!(fleet.store.is_empty());
}

#[test]
fn a_full_login_that_is_due_and_an_origin_that_is_refused_by_now() {
    let mut fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    let mut strict = Policy::default();
    strict.full_login_every = core::time::Duration::from_secs(DAY);
    fleet.server = super::server().policy(strict);
    fleet.now = later(DAY);
    refused(&fleet, &token, PHONE, &Tls::full(), Outcome::FullAuthenticationDue);

    let mut lenient = Policy::default();
    lenient.unbound_lifetime = Some(core::time::Duration::from_secs(DAY));
    let mut fleet = Fleet::with(super::server().policy(lenient));
    let relayed = FullLogin::new("SCRAM-SHA-256", "alice").unwrap();
    let device = DeviceId::new(fresh());
    let issued = fleet.log_in_as(&relayed, "alice", PHONE, device, EXPR, &Tls::full()).expect("the policy allows it");
    let token = kept(&issued, "alice", &Tls::full(), START);
    assert!(fleet.accepts(&token, PHONE));
    fleet.server = super::server();
    refused(&fleet, &token, PHONE, &Tls::full(), Outcome::FullAuthenticationDue);
}

#[test]
fn a_replayed_count() {
    let fleet = Fleet::new();
    for mechanism in [NONE, ENDP] {
        let (token, _) = fleet.log_in("alice", PHONE, mechanism, &Tls::full());
        let with = |count| fleet.try_with(&token, PHONE, &Tls::full(), |request| request.count(Some(count))).outcome;
        assert_eq!(with(1), Outcome::Accepted, "{mechanism}");
        assert_eq!(with(1), Outcome::Replayed);
        assert_eq!(with(100), Outcome::Accepted);
        assert_eq!(with(36), Outcome::Replayed, "behind the window");
        assert_eq!(with(0), Outcome::Malformed, "counts are positive");
        assert_eq!(Answer::from(Outcome::Replayed), Answer::from(Outcome::Stale), "a stranger can't tell");
    }
}

#[test]
fn early_data() {
    let mut fleet = Fleet::new();
    fleet.server = fleet.server.early_data(); // which is for IKY
    let (token, _) = fleet.log_in("alice", PHONE, NONE, &Tls::full());
    let early = Tls { early_data: true, early_exporter: true, ..Tls::full() };
    let start = ht::Client::start(&token, &early.client(), &Pairs::none());
    assert_eq!(start.err(), Some(ht::CannotStart::EarlyData), "the client sends none");
    let message = ht::Client::start(&token, &Tls::full().client(), &Pairs::none()).unwrap().message;
    let verdict = fleet.judge(NONE, &message, PHONE, &early, |request| request.count(Some(1)));
    assert_eq!(verdict.outcome, Outcome::BindingMismatch);
}

#[test]
fn a_token_is_not_issued_in_early_data() {
    let fleet = Fleet::new();
    let early = Tls { early_data: true, ..Tls::full() };
    let issued = fleet.log_in_as(&bound("alice"), "alice", PHONE, DeviceId::new(fresh()), NONE, &early);
    let unsuitable = fast_reauth::channel::Unsuitable::EarlyData;
    assert_eq!(issued.err(), Some(fast_reauth::assertion::CannotIssue::Channel(unsuitable)));
}

#[test]
fn tls_unique_on_tls_1_3() {
    let fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, UNIQ, &tls12());
    let tls13 = Tls { unique: Some([1; 12]), ..Tls::full() };
    assert_eq!(tls13.client().tls_unique(), None);
    let start = ht::Client::start(&token, &tls13.client(), &Pairs::none());
    assert!(matches!(start.err(), Some(ht::CannotStart::Channel(_))), "the client does not start");
    let message = ht::Client::start(&token, &tls12().client(), &Pairs::none()).unwrap().message;
    let verdict = fleet.judge(UNIQ, &message, PHONE, &tls13, |request| request);
    assert_eq!(verdict.outcome, Outcome::BindingMismatch);
    assert_eq!(tls12().client().unique(&[1; 11]).tls_unique(), None, "shorter than any");
    // Nor without the extended master secret, where two connections can have one tls-unique.
    let shared = Tls { version12: Some(false), ..tls12() };
    assert_eq!(fleet.judge(UNIQ, &message, PHONE, &shared, |request| request).outcome, Outcome::BindingMismatch);
    assert_eq!(shared.client().tls_unique(), None);
}

#[test]
fn a_channel_without_the_extended_master_secret_whatever_the_binding() {
    let fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, NONE, &Tls::full());
    let shared = Tls { version12: Some(false), ..Tls::full() };
    assert!(ht::Client::start(&token, &shared.client(), &Pairs::none()).is_err());
    let message = ht::Client::start(&token, &Tls::full().client(), &Pairs::none()).unwrap().message;
    assert_eq!(fleet.judge(NONE, &message, PHONE, &shared, |request| request).outcome, Outcome::BindingMismatch);
}

#[test]
fn a_mechanism_that_the_service_does_not_list() {
    let mut fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, NONE, &Tls::full());
    fleet.server = super::server().fast([EXPR], keys());
    refused(&fleet, &token, PHONE, &Tls::full(), Outcome::BindingMismatch);
    fleet.server = Server::new(Service::XMPP, [ServerName::parse(NAME).unwrap()], FULL).unwrap();
    refused(&fleet, &token, PHONE, &Tls::full(), Outcome::BindingMismatch);
}

#[test]
fn an_exporter_that_is_still_to_come() {
    let fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, NONE, &Tls::full());
    let message = ht::Client::start(&token, &Tls::full().client(), &Pairs::none()).unwrap().message;
    let greeting =
        Connection::new(&fleet.server, Tls { has_exporter: false, ..Tls::full() }.server().exporter_to_come());
    assert!(greeting.fast_mechanisms().contains(&EXPR), "it can be listed");
    let verdict = greeting.ht(Request::new(NONE, &message, PHONE, fresh())).run(&fleet.store, START);
    assert_eq!(verdict.outcome, Outcome::BindingMismatch, "nobody is recognised before the handshake is finished");
}

#[test]
fn a_login_from_before_a_revocation() {
    let mut fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    let tls = Tls::full();
    let (full, device) = (bound("alice"), DeviceId::new(fresh()));
    let request = TokenRequest { mechanism: EXPR, authcid: "alice", client: PHONE, random: fresh() };
    let login = Login { full: &full, identity: "alice", device, now: fleet.now };
    let (logged_in, issued) = fleet.connection(&tls).logged_in_with_token(login, &tls.exporter(), &request);
    fleet.now = later(1);
    fleet.store.revoke("alice", Revoke::All, fleet.now).unwrap();
    assert_eq!(fleet.store.commit(&logged_in.commit, fleet.now), Ok(Committed::Gone));
    let late = kept(&issued.unwrap(), "alice", &tls, START);
    assert!(!fleet.accepts(&late, PHONE));
    assert_eq!(fleet.try_token(&token, PHONE, &Tls::full()).outcome, Outcome::Revoked);
    // A login after it starts anew; what was revoked stays so.
    fleet.now = later(2);
    let (fresh_one, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    assert!(!fleet.accepts(&token, PHONE) && fleet.accepts(&fresh_one, PHONE));
}

#[test]
fn a_revocation_between_lookup_and_commit() {
    let fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, NONE, &Tls::full());
    let tls = Tls::full();
    let start = ht::Client::start(&token, &tls.client(), &Pairs::none()).unwrap();
    let connection = fleet.connection(&tls);
    let request = Request::new(NONE, &start.message, PHONE, fresh()).count(Some(1));
    let fast_reauth::mechanism::Received::Lookup(pending) = connection.ht(request) else { panic!("a lookup") };
    let found = fleet.store.lookup(pending.lookup(), fleet.now);
    let fast_reauth::mechanism::Step::Commit(pending) = pending.found(found, fleet.now) else { panic!("a commit") };
    fleet.store.revoke("alice", Revoke::All, fleet.now).unwrap();
    let committed = fleet.store.commit(pending.commit(), fleet.now);
    assert_eq!(committed, Ok(Committed::Gone));
    assert_eq!(pending.committed(committed).outcome, Outcome::Stale);
}

/// A store that does not answer, or not to a commit.
#[derive(Debug)]
struct Silent<'s>(Option<&'s MemoryStore>);

impl Store for Silent<'_> {
    fn lookup(&self, lookup: &Lookup, now: Timestamp) -> Result<Found, Unavailable> {
        self.0.ok_or(Unavailable)?.lookup(lookup, now)
    }

    fn commit(&self, _: &Commit, _: Timestamp) -> Result<Committed, Unavailable> {
        Err(Unavailable)
    }

    fn devices(
        &self,
        _: &str,
        _: Option<&fast_reauth::assertion::Scope>,
        _: Timestamp,
    ) -> Result<Vec<Device>, Unavailable> {
        Err(Unavailable)
    }

    fn revoke(&self, _: &str, _: Revoke, _: Timestamp) -> Result<usize, Unavailable> {
        Err(Unavailable)
    }

    fn revoke_everyone(&self, _: Timestamp) -> Result<(), Unavailable> {
        Err(Unavailable)
    }
}

#[test]
fn a_store_that_does_not_answer() {
    let fleet = Fleet::new();
    let tls = Tls::full();
    let (token, _) = fleet.log_in("alice", PHONE, NONE, &tls);
    let message = ht::Client::start(&token, &tls.client(), &Pairs::none()).unwrap().message;
    for store in [Silent(None), Silent(Some(&fleet.store))] {
        let connection = fleet.connection(&tls);
        let verdict = connection.ht(Request::new(NONE, &message, PHONE, fresh())).run(&store, START);
        assert_eq!(verdict.outcome, Outcome::Unavailable);
        assert!(verdict.message.is_none() && verdict.recognised.is_none());
    }
}

#[test]
fn tokens_that_stand_in_for_others_let_nobody_in() {
    let fleet = Fleet::new();
    let tls = Tls::full();
    let (token, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    let message = ht::Client::start(&token, &tls.client(), &Pairs::none()).unwrap().message;
    let connection = fleet.connection(&tls);
    let attempt = || connection.ht(Request::new(EXPR, &message, PHONE, fresh()));
    assert_eq!(with_stand_ins(attempt(), &fleet.store, START), Outcome::Stale);
    assert_eq!(attempt().run(&fleet.store, START).outcome, Outcome::Accepted);
}

#[test]
fn a_token_that_stands_in_for_one_whose_key_was_dropped() {
    // What a missing token is replaced by is made with the service's key, and is nobody's all the same.
    use base64::Engine as _;
    let mut fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    let hmac = |key: &[u8], parts: &[&[u8]]| {
        let mut context = ring::hmac::Context::with_key(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key));
        parts.iter().for_each(|part| context.update(part));
        context.sign()
    };
    let id = fast_reauth::assertion::TokenId::of(token.scope(), "alice", PHONE);
    let lookup = Lookup { token: Some(id), ..Lookup::default() };
    let known = fleet.store.lookup(&lookup, START).unwrap().token.into_option().expect("the token");
    let made = |key: &[u8], salt: &[u8]| {
        let mut input = Vec::new();
        for part in [&b"FAST token v1"[..], id.as_octets(), b"HT-SHA-256-EXPR", salt] {
            input.extend_from_slice(&u32::try_from(part.len()).unwrap().to_be_bytes());
            input.extend_from_slice(part);
        }
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hmac(key, &[&input]))
    };
    // The formula is the right one: with the service's key and a salt that the store has it makes the token.
    let kept = known.to_bytes();
    let is_salt = |octets: &&[u8]| made(&[0x11; 32], octets) == token.token().expose();
    let salt: [u8; 32] = kept.windows(32).find(is_salt).expect("its salt").try_into().unwrap();
    let tls = Tls::full();
    let message = |text: &str| {
        let forged = hmac(text.as_bytes(), &[b"Initiator", tls.client().tls_exporter().unwrap()]);
        [b"alice\0", forged.as_ref()].concat()
    };
    // Without a salt, and with that of the token whose key is gone.
    let forged = [[0; 32], salt].map(|salt| message(&made(&[0x22; 32], &salt)));
    for keys in [super::keys(), ServiceKeys::new(2, &[0x22; 32])] {
        fleet.server = super::server().fast(HtMechanism::all(), keys);
        for message in &forged {
            assert_eq!(fleet.judge(EXPR, message, PHONE, &tls, |it| it).outcome, Outcome::BadProof);
        }
    }
}

#[test]
fn an_unknown_user_and_a_wrong_token_read_alike() {
    let fleet = Fleet::new();
    let (token, _) = fleet.log_in("alice", PHONE, EXPR, &Tls::full());
    let message = ht::Client::start(&token, &Tls::full().client(), &Pairs::none()).unwrap().message;
    let unknown = [b"nobody", &message[5..]].concat();
    let verdicts = [&message, &unknown].map(|message| {
        let verdict = fleet.judge(EXPR, message, PHONE, &Tls::full(), |request| request);
        let condition = Answer::from(verdict.outcome).xmpp();
        (condition, verdict.message, verdict.token, ht::failure(verdict.outcome))
    });
    assert_eq!(verdicts[0], verdicts[1]);
    assert_eq!(verdicts[0].0, Some("not-authorized"));
    assert_eq!(verdicts[0].3, b"\x01invalid-token");
}
