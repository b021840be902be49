//! Any octets into any public parser: an error or a value, never a panic.

mod common;

use common::*;
use fast_reauth::assertion::{
    AccountSecret, AccountState, ClientAssertion, ClientToken, DeviceId, FullLogin, HtMechanism, HtVersion,
    LineageRecord, LineageRule, Pin, Policy, Record, Revocations, Service, ServiceKeys, TokenRecord, TokenRequest,
    TokenSlot,
};
use fast_reauth::channel::{EndPoint, ServerName};
use fast_reauth::mechanism::ht::{Pairs, Request};
use fast_reauth::mechanism::{Login, Outcome, ht, iky};
use fast_reauth::store::{Commit, Committed, Store};

/// A small generator with a fixed start, so that a failure comes again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// `good` with some octets changed, moved, doubled or cut; or nothing of it.
    fn mangle(&mut self, good: &[u8]) -> Vec<u8> {
        let mut out = good.to_vec();
        if self.below(10) == 0 {
            let len = self.below(64);
            return (0..len).map(|_| self.next() as u8).collect();
        }
        for _ in 0..=self.below(4) {
            let at = self.below(out.len());
            match self.below(5) {
                0 => out.truncate(at),
                1 if at < out.len() => out[at] = b"=,pxvahintlfr01\0\xff"[self.below(17)],
                2 => out.insert(at, self.next() as u8),
                3 => {
                    let piece = out[at..].to_vec();
                    out.extend(piece);
                    out.truncate(4096);
                }
                _ if at < out.len() => _ = out.remove(at),
                _ => {}
            }
        }
        out
    }
}

const ROUNDS: usize = 20_000;

#[test]
fn messages_of_either_side() {
    let mut random = Random(1);
    for pin in [Pin::SHA_256_EXPR, Pin::SHA_256_NONE, Pin::ED25519_EXPR] {
        let mut policy = Policy::default();
        policy.lineage = LineageRule::Never;
        let pair = Pair::new(server_with(&[pin]).policy(policy));
        let first = Tls::full();
        pair.full_login("alice", &first);
        let tls = Tls::resuming(&first);
        let assertion = pair.client.assertions(&account("alice"))[0].clone();
        let start = || iky::Client::start(&assertion, &tls.client(), Some(&first.lineage()), Some(9)).unwrap();
        let message = start().message;
        let answer = pair.judge(&tls, pin.name(), &message).message.unwrap();
        for _ in 0..ROUNDS / 10 {
            let mangled = random.mangle(&message);
            if mangled != message {
                assert_ne!(pair.judge(&tls, pin.name(), &mangled).outcome, Outcome::Accepted);
            }
            let mangled = random.mangle(&answer);
            let result = start().state.finish(Some(&mangled), true, pair.now);
            assert!(result.is_err() || *mangled == *answer, "{:?}", String::from_utf8_lossy(&mangled));
        }
    }
}

#[test]
fn messages_with_tokens() {
    let mut random = Random(3);
    for name in ["HT-SHA-256-NONE", "HT2-SHA-512-EXPR", "HT2-SHA3-256-ENDP"] {
        let mechanism = HtMechanism::from_name(name).unwrap();
        let mut pair = Pair::new(server().fast([mechanism], ServiceKeys::new(1, &fresh())));
        let (full, tls) = (bound("alice"), Tls::full());
        let request = TokenRequest { mechanism, authcid: "alice", client: "phone", random: fresh() };
        let login = Login { full: &full, identity: "alice", device: DeviceId::new(fresh()), now: pair.now };
        let (logged_in, issued) = pair.connection(&tls).logged_in_with_token(login, &tls.exporter(), &request);
        assert_eq!(pair.store.commit(&logged_in.commit, pair.now), Ok(Committed::Done));
        let issued = issued.unwrap();
        pair.client = pair.client.preferring_tokens([mechanism]);
        let account = account("alice");
        let mut client = pair.client.connect(&account, tls.client());
        client.token_issued(&full, mechanism, issued.token.expose(), issued.expires, pair.now).unwrap();
        let token = pair.client.tokens(&account)[0].clone();
        let serialised = token.to_bytes();
        let pairs = match mechanism.version() {
            HtVersion::Ht2 => Pairs::new([("a", "b"), ("c", "d")]).unwrap(),
            HtVersion::Ht => Pairs::none(),
        };
        let start = || ht::Client::start(&token, &tls.client(), &pairs).unwrap();
        let message = start().message;
        let judge = |message: &[u8], client: &str| {
            let connection = pair.connection(&tls);
            connection.ht(Request::new(mechanism, message, client, fresh())).run(&pair.store, pair.now)
        };
        let answer = judge(&message, "phone").message.unwrap();
        for _ in 0..ROUNDS / 4 {
            let mangled = random.mangle(&message);
            if mangled != message {
                assert_ne!(judge(&mangled, "phone").outcome, Outcome::Accepted);
            }
            let client = String::from_utf8_lossy(&random.mangle(b"phone")).into_owned();
            assert!(judge(&message, &client).outcome == Outcome::Accepted || client != "phone");
            let mangled = random.mangle(&answer);
            let result = start().state.finish(Some(&mangled), true);
            assert!(result.is_err() || *mangled == *answer);
            if let Ok(read) = ClientToken::from_bytes(&random.mangle(&serialised)) {
                assert_eq!(ClientToken::from_bytes(&read.to_bytes()), Ok(read));
            }
            let _ = Pairs::parse(&random.mangle(b"a=b,c=d"));
        }
    }
}

#[test]
fn what_a_store_kept() {
    let mut random = Random(4);
    let server = server().fast([HtMechanism::HT_SHA_256_EXPR], ServiceKeys::new(1, &fresh()));
    let pair = Pair::new(server.sealed(ServiceKeys::new(1, &fresh())));
    let (full, tls) = (bound("alice"), Tls::full());
    let mechanism = HtMechanism::HT_SHA_256_EXPR;
    let request = TokenRequest { mechanism, authcid: "alice", client: "phone", random: fresh() };
    let device = DeviceId::new(fresh());
    let login = Login { full: &full, identity: "alice@example.com", device, now: pair.now };
    let (logged_in, _) = pair.connection(&tls).logged_in_with_token(login, &tls.exporter(), &request);
    let Commit::Remember(remember) = &logged_in.commit else { panic!("a login") };
    let (record, token) = (&remember.records[0], remember.token.as_ref().unwrap());
    let lineage = &remember.link.as_ref().unwrap().lineage;
    let mut revoked = Revocations::default();
    let _ = revoked.revoke(device, pair.now, None);
    revoked.revoke_all(pair.now, None, Some(device));
    let account = AccountState { identity: "alice".into(), secret: AccountSecret::new(fresh()), revoked };
    let slot = token.new_token().unwrap();
    macro_rules! written_and_read {
        ($($kept:expr => $kind:ty),*) => {$(
            let octets = $kept.to_bytes();
            assert!(<$kind>::from_bytes(&octets).as_ref() == Ok(&*$kept), "{}", stringify!($kind));
            for end in 0..octets.len() {
                assert!(<$kind>::from_bytes(&octets[..end]).is_err(), "{} cut at {end}", stringify!($kind));
            }
            for _ in 0..ROUNDS / 4 {
                let mangled = random.mangle(&octets);
                if let Ok(read) = <$kind>::from_bytes(&mangled) {
                    assert!(read.to_bytes()[..] == mangled, "{} has two spellings", stringify!($kind));
                }
            }
        )*};
    }
    let account = &account;
    written_and_read!(record => Record, lineage => LineageRecord, token => TokenRecord, slot => TokenSlot, account => AccountState);
}

#[test]
fn everything_else_that_is_parsed() {
    let mut random = Random(2);
    let pair = Pair::new(server());
    let tls = Tls::full();
    pair.full_login("alice", &tls);
    let serialised = pair.client.assertions(&account("alice"))[0].to_bytes();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["a.example".into()]).unwrap().self_signed(&key).unwrap();
    for _ in 0..ROUNDS {
        if let Ok(assertion) = ClientAssertion::from_bytes(&random.mangle(&serialised)) {
            let again = assertion.to_bytes();
            assert_eq!(ClientAssertion::from_bytes(&again).unwrap(), assertion);
            let _ = iky::Client::start(&assertion, &tls.client(), None, Some(1));
        }
        let _ = EndPoint::from_certificate(&random.mangle(certificate.der()));
        let text = String::from_utf8_lossy(&random.mangle(b"imap.example.com")).into_owned();
        let _ = (ServerName::parse(&text), Service::parse(&text), FullLogin::new(&text, &text), Pin::from_name(&text));
        let _ = pair.connection(&tls).external(text.as_bytes()).run(&pair.store, pair.now);
    }
}
