//! Any octets into any public parser: an error or a value, never a panic.

mod common;

use common::*;
use fast_reauth::assertion::{ClientAssertion, FullLogin, LineageRule, Pin, Policy, Service};
use fast_reauth::channel::{EndPoint, ServerName};
use fast_reauth::mechanism::{Outcome, iky};

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
            assert!(result.is_err() || mangled == answer, "{:?}", String::from_utf8_lossy(&mangled));
        }
    }
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
