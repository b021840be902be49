//! The list of everything that is measured.

use std::hint::black_box;

use fast_reauth::assertion::{ClientAssertion, HtMechanism, HtVersion, Pin, TokenBinding, TokenHash};
use fast_reauth::mechanism::{Outcome, Received, Step as Next, Verdict, external, ht, iky};
use fast_reauth::store::{Committed, Found};

use crate::scene::{self, CLIENT, Iky, NOW, Returning};
use crate::{Fault, Run, floor, rivals};

/// One thing to measure, by its name.
pub struct Step {
    /// Its name, as on the command line and in the tables.
    pub name: &'static str,
    /// Gets it ready.
    pub make: fn() -> Result<Run, Fault>,
}

macro_rules! steps {
    ($($name:literal => $make:expr,)*) => {
        /// All of them.
        pub const ALL: &[Step] = &[$(Step { name: $name, make: || $make }),*];
    };
}

const EXPR: Iky = Iky { pin: Pin::SHA_256_EXPR, sealed: false, resumed: false };
const RESUMED: Iky = Iky { resumed: true, ..EXPR };
const SEALED: Iky = Iky { sealed: true, ..EXPR };
const ED25519: Iky = Iky { pin: Pin::ED25519_EXPR, ..EXPR };
const NONE: Iky = Iky { pin: Pin::SHA_256_NONE, ..EXPR };
const HT: HtMechanism = HtMechanism::HT_SHA_256_EXPR;
const HT2: HtMechanism = HtMechanism::new(HtVersion::Ht2, TokenHash::Sha256, TokenBinding::Exporter);

steps! {
    "external.server" => external_server(),
    "external.client" => external_client(),
    "iky-expr.server" => server(EXPR),
    "iky-expr.floor" => floor::iky(EXPR, &scene::iky(EXPR)?),
    "iky-expr.parse" => parse(EXPR),
    "iky-expr.client-start" => client_start(EXPR),
    "iky-expr.client" => client(EXPR),
    "iky-expr-lineage.server" => server(RESUMED),
    "iky-expr-lineage.floor" => floor::iky(RESUMED, &scene::iky(RESUMED)?),
    "iky-expr-lineage.client" => client(RESUMED),
    "iky-none.server" => server(NONE),
    "iky-none.floor" => floor::iky(NONE, &scene::iky(NONE)?),
    "iky-none.client" => client(NONE),
    "iky-sealed.server" => server(SEALED),
    "iky-sealed.floor" => floor::sealed(SEALED, &scene::iky(SEALED)?),
    "iky-sealed.client" => client(SEALED),
    "iky-ed25519.server" => server(ED25519),
    "iky-ed25519.client" => client(ED25519),
    "ht.server" => ht_server(HT),
    "ht.floor" => floor::ht(HT, &scene::ht(HT)?),
    "ht.client" => ht_client(HT),
    "ht2.server" => ht_server(HT2),
    "ht2.floor" => floor::ht(HT2, &scene::ht(HT2)?),
    "ht2.client" => ht_client(HT2),
    "sha-256.block" => Ok(Box::new(|| _ = black_box(ring::digest::digest(&ring::digest::SHA256, black_box(b""))))),
    "scram-4096" => rivals::scram(),
    "argon2id" => rivals::argon2id(),
    "jwt-hs256" => rivals::jwt(),
    "paseto-v4-local" => rivals::paseto_local(),
    "paseto-v4-public" => rivals::paseto_public(),
}

/// The step of this name.
pub fn find(name: &str) -> Result<&'static Step, Fault> {
    ALL.iter().find(|step| step.name == name).ok_or_else(|| format!("there is no step {name}").into())
}

/// The server's part, from the message to the verdict; the store has answered already, and gives what it knows without copying it.
fn judge(received: Received<'_>, found: &Found) -> Verdict {
    let verdict = match received {
        Received::Done(verdict) => verdict,
        Received::Lookup(pending) => match pending.found(Ok(found.clone()), NOW) {
            Next::Done(verdict) => verdict,
            Next::Commit(pending) => pending.committed(Ok(Committed::Done)),
        },
    };
    assert!(verdict.outcome == Outcome::Accepted);
    verdict
}

fn server(how: Iky) -> Result<Run, Fault> {
    let client = scene::iky(how)?;
    Ok(Box::new(move || {
        drop(black_box(judge(client.connection.iky(how.pin, black_box(&client.message)), &client.found)))
    }))
}

fn ht_server(mechanism: HtMechanism) -> Result<Run, Fault> {
    let client = scene::ht(mechanism)?;
    Ok(Box::new(move || {
        let request = ht::Request::new(mechanism, black_box(&client.message), CLIENT, [4; 32]);
        drop(black_box(judge(client.connection.ht(request), &client.found)));
    }))
}

fn ht_client(mechanism: HtMechanism) -> Result<Run, Fault> {
    let client = scene::ht(mechanism)?;
    Ok(Box::new(move || {
        let start = ht::Client::start(&client.kept, &client.facts, &ht::Pairs::none()).expect("it starts");
        assert!(black_box(start.state.finish(Some(&client.answer), true)).is_ok());
    }))
}

fn external_server() -> Result<Run, Fault> {
    let client = scene::external()?;
    Ok(Box::new(move || drop(black_box(judge(client.connection.external(black_box(&client.message)), &client.found)))))
}

fn external_client() -> Result<Run, Fault> {
    let client = scene::external()?;
    Ok(Box::new(move || {
        let start = external::Client::start(black_box(scene::ALICE), &client.facts).expect("TLS resumed");
        assert!(black_box(&start.message) == &client.message && start.state.finish(Outcome::Accepted).is_ok());
    }))
}

fn parse(how: Iky) -> Result<Run, Fault> {
    let client = scene::iky(how)?;
    Ok(Box::new(move || assert!(fast_reauth::internal::is_initiator_message(how.pin, black_box(&client.message)))))
}

/// The attempt that the scene's client made last, once more: its answer is known.
fn again(client: &Returning<ClientAssertion>, counter: Option<u64>) -> iky::Start {
    iky::Client::start(black_box(&client.kept), &client.facts, client.lineage.as_ref(), counter).expect("it starts")
}

/// The number of that attempt, where it has one.
fn counter(client: &Returning<ClientAssertion>) -> Option<u64> {
    let mut kept = client.kept.clone();
    kept.pin().needs_counter().then(|| kept.next_counter() - 1)
}

fn client_start(how: Iky) -> Result<Run, Fault> {
    let client = scene::iky(how)?;
    let counter = counter(&client);
    Ok(Box::new(move || drop(black_box(again(&client, counter)))))
}

fn client(how: Iky) -> Result<Run, Fault> {
    let client = scene::iky(how)?;
    let counter = counter(&client);
    Ok(Box::new(move || {
        let finished = again(&client, counter).state.finish(Some(&client.answer), true, NOW);
        assert!(black_box(finished).is_ok());
    }))
}
