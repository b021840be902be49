//! Logins by it: both mechanisms, through a mail server that knows nothing of them.

use fast_reauth::assertion::{DeviceId, HtMechanism, Pin, Scope, Service, ServiceKeys, TokenRequest};
use fast_reauth::channel::{ChannelFacts, ExporterUnavailable};
use fast_reauth::mechanism::{Connection, Login, Server, Sibling, Verdict, ht};
use fast_reauth::store::Store as _;
use fast_reauth::store::client::{Account, Attempt as ClientAttempt, Connection as Client, Plan, Settled};

use super::common::{self as scene, Pair, Tls, account, bound, fresh};
use super::*;

fn submission() -> Scope {
    Scope::new(Service::SMTP, ServerName::parse("smtp.example.com").unwrap())
}

/// An IMAP service and its sibling, the submission service behind Postfix, with one store; alice has logged in at the
/// former.
struct Provider {
    pair: Pair,
    submission: Server,
}

impl Provider {
    fn new(identity: &str) -> Self {
        let sibling = Sibling { scope: submission(), pin: Pin::SHA_256_NONE };
        let pair = Pair::new(scene::server().sibling(sibling));
        let server = Server::new(Service::SMTP, [submission().server_name], []).unwrap();
        let server =
            server.pins([Pin::SHA_256_NONE]).fast([HtMechanism::HT_SHA_256_NONE], ServiceKeys::new(1, &fresh()));
        let (tls, full) = (Tls::full(), bound("alice"));
        let mut imap = pair.connection(&tls);
        let login = Login { full: &full, identity, device: DeviceId::new(fresh()), now: pair.now };
        pair.store.commit(&imap.logged_in(login, &tls.exporter()).commit, pair.now).unwrap();
        let mut client = pair.client.connect(&account("alice"), tls.client()).offered(imap.mechanisms(pair.now));
        let siblings = [Sibling { scope: submission(), pin: Pin::SHA_256_NONE }];
        assert_eq!(client.logged_in(&full, &tls.exporter(), &siblings, pair.now), Ok(true));
        // A token, which the provider hands over by some way of its own.
        let mechanism = HtMechanism::HT_SHA_256_NONE;
        let request = TokenRequest { mechanism, authcid: "alice", client: "a phone", random: fresh() };
        let none = |_: &[u8], _: &[u8], _: &mut [u8]| Err(ExporterUnavailable);
        let (known, issued) = Connection::new(&server, facts()).logged_in_with_token(login, &none, &request);
        assert!(pair.store.commit(&known.commit, pair.now).unwrap().is_durable());
        let issued = issued.unwrap();
        let mut client = pair.client.connect(&there(), tls.client()).fast([mechanism.name()]);
        client.token_issued(&full, mechanism, issued.token.expose(), issued.expires, pair.now).unwrap();
        Self { pair, submission: server }
    }

    fn client(&self, offered: &str) -> (Client<'_>, ClientAttempt) {
        let tls = Tls { name: "smtp.example.com", ..Tls::full() };
        let client = self.pair.client.connect(&there(), tls.client()).offered([offered]).fast([offered]);
        let mut client = client;
        match client.plan(self.pair.now) {
            Plan::Known(attempt) => (client, attempt),
            plan => panic!("{plan:?}"),
        }
    }

    /// What the provider makes of an attempt.
    fn judge(&self, attempt: &Attempt) -> Verdict {
        let connection = Connection::new(&self.submission, facts());
        let received = match HtMechanism::from_name(attempt.mechanism.as_str()) {
            Some(mechanism) => connection.ht(ht::Request::new(mechanism, &attempt.message, "a phone", fresh())),
            None => connection.receive(attempt.mechanism.as_str(), &attempt.message).unwrap(),
        };
        received.run(&self.pair.store, self.pair.now)
    }

    /// A message through the mail server: the challenge if there is one, and the completion.
    fn log_in(&self, mechanism: &str, message: &[u8]) -> (Option<Vec<u8>>, String) {
        let mut wire = Wire::ready();
        let attempt = wire.verify(auth(1, mechanism, &format!("\tresp={}", STANDARD.encode(message))));
        let verdict = self.judge(&attempt);
        let first = wire.rule(attempt.pending, Ruling::of(&verdict));
        match first.trim_end_matches('\n').strip_prefix("CONT\t1\t") {
            Some(data) => (Some(STANDARD.decode(data).unwrap()), wire.said("CONT\t1\t\n")),
            None => (None, first),
        }
    }
}

fn there() -> Account {
    Account::new(submission(), "alice")
}

/// All that is known of a connection to a Postfix.
fn facts() -> ChannelFacts {
    ChannelFacts::tls13().assumed_server_name(submission().server_name)
}

#[test]
fn iky_behind_postfix_after_a_login_at_the_sibling() {
    let provider = Provider::new("account of alice");
    for _ in 0..3 {
        let (mut client, attempt) = provider.client(IKY);
        let message = attempt.message().to_vec();
        let (data, completion) = provider.log_in(IKY, &message);
        assert_eq!(completion, "+account of aliceOK\t1\tuser=account of alice\n");
        let settled = client.settle(attempt, Outcome::Accepted, data.as_deref(), provider.pair.now);
        assert_eq!(settled, Settled::LoggedIn);
        // The same again is a replay, and says so to who proved that it has the key.
        let (data, completion) = provider.log_in(IKY, &message);
        assert!(data.unwrap().starts_with(b"e="));
        assert_eq!(completion, format!(".FAIL\t1{REFUSED}"));
    }
}

#[test]
fn a_wrong_proof_and_a_malformed_message_are_refused_behind_a_challenge() {
    let provider = Provider::new("alice");
    let (mut client, attempt) = provider.client(IKY);
    let mut message = attempt.message().to_vec();
    let at = message.windows(3).rposition(|three| three == b",p=").unwrap() + 3;
    message[at] = if message[at] == b'A' { b'B' } else { b'A' };
    let (data, completion) = provider.log_in(IKY, &message);
    assert_eq!(completion, format!(".FAIL\t1{REFUSED}"));
    assert_eq!(data.as_deref(), Some(&b"e=not-recognised"[..]));
    let settled = client.settle(attempt, Outcome::Stale, data.as_deref(), provider.pair.now);
    assert!(matches!(settled, Settled::Failed(_)));
    let (data, completion) = provider.log_in(IKY, b"hello");
    assert!(data.unwrap().starts_with(b"e="));
    assert_eq!(completion, format!(".FAIL\t1{MALFORMED}"));
    // Nothing of that cost the client anything.
    assert!(provider.log_in(IKY, provider.client(IKY).1.message()).1.starts_with('+'));
}

#[test]
fn ht_behind_postfix_has_no_count() {
    let provider = Provider::new("alice");
    let (mut client, attempt) = provider.client("HT-SHA-256-NONE");
    let message = attempt.message().to_vec();
    let (data, completion) = provider.log_in("HT-SHA-256-NONE", &message);
    assert_eq!(completion, "+aliceOK\t1\tuser=alice\n");
    let settled = client.settle(attempt, Outcome::Accepted, data.as_deref(), provider.pair.now);
    assert_eq!(settled, Settled::LoggedIn);
    // What <fast/> has in XMPP is nowhere here: the same message is good until the token ends.
    assert!(provider.log_in("HT-SHA-256-NONE", &message).1.starts_with('+'));
    let wrong = [&message[..message.len() - 1], b"\0"].concat();
    assert_eq!(provider.log_in("HT-SHA-256-NONE", &wrong), (None, format!(".FAIL\t1{REFUSED}")));
}

#[test]
fn an_account_that_the_protocol_can_not_name_is_not_logged_in() {
    let provider = Provider::new("alice\tof\taccounts");
    let (_, attempt) = provider.client(IKY);
    let (data, completion) = provider.log_in(IKY, attempt.message());
    assert_eq!((data.as_deref(), completion), (Some(&b""[..]), format!(".FAIL\t1{PASSING}")));
}
