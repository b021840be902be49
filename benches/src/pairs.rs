//! What a stranger could try to tell apart by the time that an answer takes: pairs of messages that are to take the same, each beside a twin of the server
//! that leaks. A measurement that does not see the twin's leak has shown nothing of the server.

use std::collections::HashMap;
use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fast_reauth::assertion::{HtMechanism, Pin};
use fast_reauth::mechanism::{Outcome, Received, Step, Verdict, ht};
use fast_reauth::store::{Found, Store as _};

use crate::crowd::{self, ACCOUNTS, Crowd};
use crate::scene::{CLIENT, NOW};
use crate::{Fault, random::Random};

/// Makes a message of the second class, or of the first.
pub type Make<'c> = Box<dyn FnMut(bool, &mut Random) -> Vec<u8> + 'c>;
/// Chooses an account to ask about, as a stranger would.
pub type Ask<'c> = Box<dyn Fn(&mut Random) -> Make<'c> + 'c>;
/// From the message to the verdict, which is dropped.
pub type Judge<'c> = Box<dyn FnMut(&[u8]) -> Outcome + 'c>;

/// A pair, ready to be measured with a crowd.
pub struct Ready<'c> {
    /// Its messages.
    pub ask: Ask<'c>,
    /// The library.
    pub server: Judge<'c>,
    /// The same with a leak.
    pub twin: Judge<'c>,
}

/// Two classes of messages that a server answers alike.
pub struct Pair {
    /// Its name, as on the command line and in the tables.
    pub name: &'static str,
    /// What the classes are, and what comes of each.
    pub classes: [(&'static str, Outcome); 2],
    /// Whom it asks about: the crowd of this number.
    pub crowd: fn(u64) -> Result<Crowd, Fault>,
    /// Gets it ready.
    pub ready: for<'c> fn(&'c Crowd) -> Ready<'c>,
}

const HT: HtMechanism = HtMechanism::HT_SHA_256_EXPR;
const PIN: Pin = Pin::SHA_256_EXPR;
const SIGNED: Pin = Pin::ED25519_EXPR;

fn stored(number: u64) -> Result<Crowd, Fault> {
    crowd::iky(&[PIN], false, number)
}

/// Every other account's record is for HMAC, and has no public key.
fn mixed(number: u64) -> Result<Crowd, Fault> {
    crowd::iky(&[PIN, SIGNED], false, number)
}

fn sealing(number: u64) -> Result<Crowd, Fault> {
    crowd::iky(&[PIN], true, number)
}

fn tokens(number: u64) -> Result<Crowd, Fault> {
    crowd::ht(HT, number)
}

/// All of them.
pub const ALL: &[Pair] = &[
    Pair {
        name: "iky-proof",
        classes: [("wrong in the first octet", Outcome::BadProof), ("in the last", Outcome::BadProof)],
        crowd: stored,
        ready: iky_proof,
    },
    Pair {
        name: "ht-token",
        classes: [("wrong in the first octet", Outcome::BadProof), ("in the last", Outcome::BadProof)],
        crowd: tokens,
        ready: ht_token,
    },
    Pair {
        name: "iky-id",
        classes: [("unknown id", Outcome::Stale), ("known id, wrong proof", Outcome::BadProof)],
        crowd: stored,
        ready: |crowd| by_id(PIN, crowd),
    },
    Pair {
        name: "signed-id",
        classes: [("unknown id", Outcome::Stale), ("known id, wrong signature", Outcome::BadProof)],
        crowd: mixed,
        ready: |crowd| by_id(SIGNED, crowd),
    },
    Pair {
        name: "ht-user",
        classes: [("unknown user", Outcome::Stale), ("known user, wrong token", Outcome::BadProof)],
        crowd: tokens,
        ready: ht_user,
    },
    Pair {
        name: "sealed-user",
        classes: [("unknown user", Outcome::Stale), ("known user, forged assertion", Outcome::Stale)],
        crowd: sealing,
        ready: sealed_user,
    },
    Pair {
        name: "sealed-tag",
        classes: [("altered tag", Outcome::Stale), ("wrong proof", Outcome::BadProof)],
        crowd: sealing,
        ready: |crowd| sealed(PIN, crowd, |octets, random| *octets.last_mut().expect("a tag") ^= random.octet()),
    },
    Pair {
        name: "sealed-signed",
        classes: [("altered tag", Outcome::Stale), ("wrong signature", Outcome::BadProof)],
        crowd: |number| crowd::iky(&[SIGNED], true, number),
        ready: |crowd| sealed(SIGNED, crowd, |octets, random| *octets.last_mut().expect("a tag") ^= random.octet()),
    },
    Pair {
        name: "sealed-salt",
        classes: [("altered first octets", Outcome::Stale), ("wrong proof", Outcome::BadProof)],
        crowd: sealing,
        ready: |crowd| sealed(PIN, crowd, |octets, random| octets[5] ^= random.octet()),
    },
    Pair {
        name: "sealed-key",
        classes: [("id of no service key", Outcome::Stale), ("wrong proof", Outcome::BadProof)],
        crowd: sealing,
        ready: |crowd| sealed(PIN, crowd, |octets, random| octets[1] ^= random.octet()),
    },
];

/// What the store says, and the verdict.
fn judge(received: Received<'_>, crowd: &Crowd, leak: impl FnOnce(&Found) -> bool) -> Outcome {
    let Received::Lookup(pending) = received else { return Outcome::Malformed };
    let found = crowd.store.lookup(pending.lookup(), NOW).expect("memory answers");
    if leak(&found) {
        return Outcome::Stale;
    }
    let Step::Done(verdict) = pending.found(Ok(found), NOW) else { unreachable!("a refusal writes nothing") };
    outcome(verdict)
}

fn judge_iky(pin: Pin, message: &[u8], crowd: &Crowd, leak: impl FnOnce(&Found) -> bool) -> Outcome {
    judge(crowd.connection.iky(pin, message), crowd, leak)
}

fn judge_ht(message: &[u8], crowd: &Crowd, leak: impl FnOnce(&Found) -> bool) -> Outcome {
    judge(crowd.connection.ht(ht::Request::new(HT, message, CLIENT, [4; 32])), crowd, leak)
}

impl<'c> Ready<'c> {
    fn new(
        ask: impl Fn(&mut Random) -> Make<'c> + 'c,
        server: impl FnMut(&[u8]) -> Outcome + 'c,
        twin: impl FnMut(&[u8]) -> Outcome + 'c,
    ) -> Self {
        Self { ask: Box::new(ask), server: Box::new(server), twin: Box::new(twin) }
    }

    /// With a twin that looks no further where the store found nothing.
    fn of_unknown(
        ask: impl Fn(&mut Random) -> Make<'c> + 'c,
        judged: impl Fn(&[u8], fn(&Found) -> bool) -> Outcome + Copy + 'c,
        is_unknown: fn(&Found) -> bool,
    ) -> Self {
        Self::new(ask, move |message| judged(message, |_| false), move |message| judged(message, is_unknown))
    }
}

fn outcome(verdict: Verdict) -> Outcome {
    black_box(&verdict).outcome
}

/// Equal, in a time that says where they are not.
fn equal_until(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| black_box(x) == black_box(y))
}

/// The value of this attribute, which is the last one or ends at a comma.
fn value(message: &[u8], mark: &[u8]) -> core::ops::Range<usize> {
    let at = message.windows(mark.len()).rposition(|part| part == mark).expect("an attribute") + mark.len();
    at..message[at..].iter().position(|octet| *octet == b',').map_or(message.len(), |len| at + len)
}

fn decoded(message: &[u8], mark: &[u8]) -> Vec<u8> {
    STANDARD.decode(&message[value(message, mark)]).expect("base64")
}

fn put(message: &mut Vec<u8>, mark: &[u8], octets: &[u8]) {
    let value = value(message, mark);
    message.splice(value, STANDARD.encode(octets).into_bytes());
}

/// Draws a proof that is wrong.
fn forge(pin: Pin, message: &mut Vec<u8>, random: &mut Random) {
    if pin.signs() {
        // With a scalar in its range, without which no key is looked at.
        let mut signature = random.octets::<64>();
        signature[63] &= 0x0f;
        put(message, b",p=", &signature);
    } else {
        put(message, b",p=", &random.octets::<32>());
    }
}

fn iky_proof(crowd: &Crowd) -> Ready<'_> {
    let expected = |message: &[u8]| decoded(message, b",p=");
    let ask = move |random: &mut Random| -> Make<'_> {
        let right = &crowd.messages[random.below(crowd.messages.len())];
        Box::new(move |last, random| {
            let (mut message, mut proof) = (right.clone(), expected(right));
            let at = if last { proof.len() - 1 } else { 0 };
            proof[at] ^= random.octet();
            put(&mut message, b",p=", &proof);
            message
        })
    };
    let server = |message: &[u8]| judge_iky(PIN, message, crowd, |_| false);
    // A server that keeps the clients' keys, and so knows the proof to expect.
    let known: HashMap<_, _> =
        crowd.messages.iter().map(|message| (decoded(message, b",i="), expected(message))).collect();
    let twin = move |message: &[u8]| {
        assert!(!equal_until(&known[&decoded(message, b",i=")], &decoded(message, b",p=")));
        server(message)
    };
    Ready::new(ask, server, twin)
}

fn ht_token(crowd: &Crowd) -> Ready<'_> {
    let right = &crowd.messages[0];
    let ask = move |_: &mut Random| -> Make<'_> {
        Box::new(|last, random| {
            let mut message = right.clone();
            let at = message.len() - if last { 1 } else { 32 };
            message[at] ^= random.octet();
            message
        })
    };
    let server = |message: &[u8]| judge_ht(message, crowd, |_| false);
    let twin = move |message: &[u8]| {
        assert!(!equal_until(&right[right.len() - 32..], &message[message.len() - 32..]));
        server(message)
    };
    Ready::new(ask, server, twin)
}

fn by_id(pin: Pin, crowd: &Crowd) -> Ready<'_> {
    let ask = move |random: &mut Random| -> Make<'_> {
        let known = &crowd.messages[random.below(crowd.messages.len())];
        let mut unknown = known.clone();
        put(&mut unknown, b",i=", &random.octets::<16>());
        either(known.clone(), unknown, move |message, random| forge(pin, message, random))
    };
    let judged = move |message: &[u8], leak: fn(&Found) -> bool| judge_iky(pin, message, crowd, leak);
    Ready::of_unknown(ask, judged, |found| !found.record.is_there())
}

fn ht_user(crowd: &Crowd) -> Ready<'_> {
    let ask = |random: &mut Random| -> Make<'_> {
        let known = &crowd.messages[random.below(ACCOUNTS)];
        let unknown = renamed(known, random);
        either(known.clone(), unknown, |message, random| {
            let at = message.len() - 32;
            message[at..].copy_from_slice(&random.octets::<32>());
        })
    };
    let judged = |message: &[u8], leak: fn(&Found) -> bool| judge_ht(message, crowd, leak);
    Ready::of_unknown(ask, judged, |found| !found.token.is_there())
}

fn sealed_user(crowd: &Crowd) -> Ready<'_> {
    let ask = |random: &mut Random| -> Make<'_> {
        let mut known = crowd.messages[random.below(ACCOUNTS)].clone();
        let mut sealed = decoded(&known, b",t=");
        *sealed.last_mut().expect("a tag") ^= random.octet();
        put(&mut known, b",t=", &sealed);
        let unknown = renamed(&known, random);
        either(known, unknown, |message, random| forge(PIN, message, random))
    };
    let judged = |message: &[u8], leak: fn(&Found) -> bool| judge_iky(PIN, message, crowd, leak);
    Ready::of_unknown(ask, judged, |found| !found.account.is_there())
}

/// The known one or the unknown one, with what differs each time.
fn either(known: Vec<u8>, unknown: Vec<u8>, finish: impl Fn(&mut Vec<u8>, &mut Random) + 'static) -> Make<'static> {
    Box::new(move |is_known, random| {
        let mut message = if is_known { known.clone() } else { unknown.clone() };
        finish(&mut message, random);
        message
    })
}

/// A name that nobody has, as long as the one that is there: of `user-0123@` the digits become letters.
fn renamed(message: &[u8], random: &mut Random) -> Vec<u8> {
    let mut message = message.to_vec();
    let at = message.windows(5).position(|part| part == b"user-").expect("a name") + 5;
    message[at..at + 4].fill_with(|| b'a' + random.octet() % 26);
    message
}

/// A sealed assertion that was altered, and one that was not, with a wrong proof each.
fn sealed(pin: Pin, crowd: &Crowd, alter: fn(&mut Vec<u8>, &mut Random)) -> Ready<'_> {
    let ask = move |random: &mut Random| -> Make<'_> {
        let genuine = &crowd.messages[random.below(ACCOUNTS)];
        Box::new(move |is_genuine, random| {
            let mut message = genuine.clone();
            // Written anew in either class, so that neither is warmer.
            let mut sealed = decoded(genuine, b",t=");
            if !is_genuine {
                alter(&mut sealed, random);
            }
            put(&mut message, b",t=", &sealed);
            forge(pin, &mut message, random);
            message
        })
    };
    let server = move |message: &[u8]| judge_iky(pin, message, crowd, |_| false);
    // A server that knows what it sealed, and looks no further at what it did not.
    let issued: Vec<Vec<u8>> = crowd.messages.iter().map(|message| message[value(message, b",t=")].to_vec()).collect();
    let issued = std::collections::HashSet::<Vec<u8>>::from_iter(issued);
    let twin = move |message: &[u8]| {
        let is_issued = issued.contains(&message[value(message, b",t=")]);
        judge_iky(pin, message, crowd, |_| !is_issued)
    };
    Ready::new(ask, server, twin)
}
