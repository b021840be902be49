//! Who must not get a token, as whoever is on the channel reads it; and that who leaves was there.

use super::*;
use fast_reauth::assertion::{CannotDerive, Origin, Pin, Scope};
use fast_reauth::channel::ChannelFacts;
#[cfg(feature = "xmpp")]
use fast_reauth::profile::xmpp::Manager;
use fast_reauth::store::{MemoryStore, Store};

use super::common::{DAY, server};

const PHONE2: &str = "d4565fa7-4d72-4749-b3d3-740edbf87770";
const HT_NONE: HtMechanism = HtMechanism::HT_SHA_256_NONE;

fn xmpp() -> Server {
    let names = [ServerName::none(), ServerName::parse(NAME).unwrap()];
    let keys = ServiceKeys::new(1, &[0x11; 32]);
    Server::new(Service::XMPP, names, FULL).unwrap().fast([HT_NONE], keys).pins([Pin::SHA_256_NONE])
}

#[test]
fn a_keyed_login_gets_no_token_over_a_channel_that_may_be_a_relays() {
    let (server, store) = (
        server().fast([HT_NONE, HtMechanism::HT_SHA_256_EXPR], ServiceKeys::new(1, &[0x11; 32])),
        MemoryStore::default(),
    );
    for mechanism in [HtMechanism::HT_SHA_256_EXPR, HT_NONE] {
        // The server's end is the relay's TLS connection: SCRAM without binding goes through unchanged. The session key is not his.
        let relay = Tls::full();
        let full = FullLogin::new("SCRAM-SHA-256", "alice").unwrap().keyed(b"not the relay's").unwrap();
        let login = Login { full: &full, identity: "alice", device: DeviceId::new(fresh()), now: START };
        let request = TokenRequest { mechanism, authcid: "alice", client: PHONE2, random: fresh() };
        let (made, issued) =
            Connection::new(&server, relay.server()).logged_in_with_token(login, &relay.exporter(), &request);
        assert!(store.commit(&made.commit, START).unwrap().is_durable());
        assert!(issued.is_err(), "{mechanism}: the text crosses the relay's connection");
        let text = "A".repeat(43);
        let scope = Scope::new(Service::IMAP, ServerName::parse(NAME).unwrap());
        let (origin, ends) = (Origin::Keyed, later(DAY));
        let kept = ClientToken::issued(&text, mechanism, &scope, "alice", origin, ends, &Policy::default(), START);
        assert!(kept.is_err(), "{mechanism}: nor does a client keep one");
    }
}

#[cfg(feature = "xmpp")]
#[test]
fn no_token_is_issued_through_somebody_elses_manager() {
    let (server, store) = (xmpp(), MemoryStore::default());
    let full = FullLogin::new("PLAIN", "alice").unwrap();
    let login = Login { full: &full, identity: "alice", device: DeviceId::new(fresh()), now: START };
    let mut connection = Manager::Foreign.accept(&server);
    // IKY is refused, as the manager would read the grant.
    let seed = fresh();
    assert_eq!(
        connection.logged_in_granting(login, Pin::SHA_256_NONE, &seed).unknown,
        Some(CannotDerive::ConnectionManager)
    );
    let none = |_: &[u8], _: &[u8], _: &mut [u8]| Err(fast_reauth::channel::ExporterUnavailable);
    let request = TokenRequest { mechanism: HT_NONE, authcid: "alice", client: PHONE2, random: fresh() };
    let (made, issued) = connection.logged_in_with_token(login, &none, &request);
    assert!(store.commit(&made.commit, START).unwrap().is_durable());
    assert!(issued.is_err(), "the manager reads it, and is alice from then on");
    assert!(Manager::Foreign.accept(&server).fast_mechanisms().is_empty());
}

#[test]
fn no_token_is_taken_through_somebody_elses_manager() {
    let (server, store) = (xmpp(), MemoryStore::default());
    let full = bound("alice");
    let tls = Tls { name: NAME, ..Tls::full() };
    let login = Login { full: &full, identity: "alice", device: DeviceId::new(fresh()), now: START };
    let request = TokenRequest { mechanism: HT_NONE, authcid: "alice", client: PHONE2, random: fresh() };
    // Directly, as it should be.
    let (made, issued) = Connection::new(&server, tls.server()).logged_in_with_token(login, &tls.exporter(), &request);
    assert!(store.commit(&made.commit, START).unwrap().is_durable());
    let issued = issued.unwrap();
    let scope = Scope::new(Service::XMPP, ServerName::parse(NAME).unwrap());
    let token = ClientToken::issued(
        issued.token.expose(),
        HT_NONE,
        &scope,
        "alice",
        full.origin(),
        issued.expires,
        &Policy::default(),
        START,
    )
    .unwrap();
    let start = ht::Client::start(&token, &tls.client(), &Pairs::none()).unwrap();
    let facts = ChannelFacts::tls13().assumed_server_name(ServerName::parse(NAME).unwrap());
    let through = Connection::new(&server, facts).through_manager();
    let request = Request::new(HT_NONE, &start.message, PHONE2, fresh()).count(Some(1)).wants(Some(HT_NONE));
    let verdict = through.ht(request).run(&store, START);
    assert_ne!(verdict.outcome, Outcome::Accepted, "what the manager saw once it could say again");
    assert!(verdict.token.is_none(), "a fresh token in the clear to the foreign manager");
}

#[test]
fn a_client_that_leaves_counts_as_an_identity_on_the_session() {
    for leaves_last in [true, false] {
        let server = server().fast([HT_NONE], ServiceKeys::new(1, &[0x11; 32]));
        let store = MemoryStore::default();
        let tls = Tls::full();
        // bob has a token.
        let full = bound("bob");
        let login = Login { full: &full, identity: "bob", device: DeviceId::new(fresh()), now: START };
        let request = TokenRequest { mechanism: HT_NONE, authcid: "bob", client: PHONE2, random: fresh() };
        let elsewhere = Tls::full();
        let (made, issued) =
            Connection::new(&server, elsewhere.server()).logged_in_with_token(login, &elsewhere.exporter(), &request);
        assert!(store.commit(&made.commit, START).unwrap().is_durable());
        let issued = issued.unwrap();
        let scope = Scope::new(Service::IMAP, ServerName::parse(NAME).unwrap());
        let token = ClientToken::issued(
            issued.token.expose(),
            HT_NONE,
            &scope,
            "bob",
            full.origin(),
            issued.expires,
            &Policy::default(),
            START,
        )
        .unwrap();
        let start = ht::Client::start(&token, &tls.client(), &Pairs::none()).unwrap();
        let mut connection = Connection::new(&server, tls.server());
        let bob = |connection: &mut Connection<'_>| {
            let request = Request::new(HT_NONE, &start.message, PHONE2, fresh()).count(Some(1)).invalidate(true);
            let verdict = connection.ht(request).run(&store, START);
            assert_eq!(verdict.outcome, Outcome::Accepted);
            if let Some(link) = connection.recognised(verdict.recognised.as_ref().unwrap(), START) {
                assert!(store.commit(&link, START).unwrap().is_durable());
            }
        };
        let alice = |connection: &mut Connection<'_>| {
            let full = bound("alice");
            let login = Login { full: &full, identity: "alice", device: DeviceId::new(fresh()), now: START };
            let made = connection.logged_in(login, &tls.exporter());
            assert!(store.commit(&made.commit, START).unwrap().is_durable());
        };
        if leaves_last {
            alice(&mut connection);
            bob(&mut connection);
        } else {
            bob(&mut connection);
            alice(&mut connection);
        }
        let next = Tls::resuming(&tls);
        let connection = Connection::new(&server, next.server());
        let lineage = store.lookup(&connection.lookup().unwrap(), START).unwrap().lineage;
        let connection = connection.resumes(lineage);
        let listed = connection.mechanisms(START).contains(&"EXTERNAL");
        let verdict = connection.external(b"").run(&store, START);
        assert_ne!(
            verdict.outcome,
            Outcome::Accepted,
            "leaves_last={leaves_last} listed={listed}: EXTERNAL as {:?}",
            verdict.recognised.map(|r| r.identity().to_owned())
        );
    }
}
