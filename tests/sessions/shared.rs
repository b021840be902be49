//! A connection that lives on its own, and a store that answers later: the same is remembered, and the same refused.

use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::*;
use fast_reauth::mechanism::{NextStep, SharedConnection};
use fast_reauth::store::{AsyncStore, Commit, Device, Found, Unavailable};

fn shared(server: &Arc<Server>, store: &MemoryStore, tls: &Tls) -> SharedConnection {
    SharedConnection::new(Arc::clone(server), tls.server()).set_up(|connection| connection.resumes_in(store, START))
}

fn log_in(connection: &mut SharedConnection, store: &MemoryStore, name: &str, tls: &Tls) {
    let full = bound(name);
    let login = Login { full: &full, identity: name, device: DeviceId::new(fresh()), now: START };
    let commit = connection.with(|connection| connection.logged_in(login, &tls.exporter()).commit);
    assert_eq!(store.commit(&commit, START), Ok(Committed::Done));
}

fn external(connection: &mut SharedConnection, store: &MemoryStore) -> Outcome {
    connection.with(|connection| connection.external(b"").run(store, START).outcome)
}

#[test]
fn a_connection_that_lives_on_its_own_forgets_nothing() {
    let (server, store) = (Arc::new(server()), MemoryStore::default());
    let first = Tls::full();
    log_in(&mut shared(&server, &store, &first), &store, "alice", &first);
    let second = Tls::resuming(&first);
    let mut connection = shared(&server, &store, &second);
    assert_eq!(external(&mut connection, &store), Outcome::Accepted);
    // Two identities on one connection: it stands for neither, and so does what resumes it.
    log_in(&mut connection, &store, "bob", &second);
    assert_eq!(external(&mut shared(&server, &store, &Tls::resuming(&second)), &store), Outcome::Stale);
}

#[test]
fn a_connection_that_was_lost_in_a_panic_stands_for_nobody() {
    let (server, store) = (Arc::new(server()), MemoryStore::default());
    let first = Tls::full();
    log_in(&mut shared(&server, &store, &first), &store, "alice", &first);
    let second = Tls::resuming(&first);
    let mut connection = shared(&server, &store, &second);
    let asked = catch_unwind(AssertUnwindSafe(|| connection.with(|_| panic!("as a callback may"))));
    assert!(asked.is_err());
    assert_ne!(external(&mut connection, &store), Outcome::Accepted);
    let full = bound("alice");
    let login = Login { full: &full, identity: "alice", device: DeviceId::new(fresh()), now: START };
    let logged_in = connection.with(|connection| connection.logged_in(login, &second.exporter()));
    assert_eq!(logged_in.unknown, Some(CannotDerive::ConnectionManager));
    let Commit::Remember(remember) = logged_in.commit else { panic!("a login") };
    assert!(remember.records.is_empty() && remember.link.is_none());
}

/// A store that answers later: at the second time that it is asked, or never.
#[derive(Debug)]
struct Later(Option<MemoryStore>);

impl Later {
    fn store(&self) -> Result<&MemoryStore, Unavailable> {
        self.0.as_ref().ok_or(Unavailable)
    }
}

async fn a_moment() {
    let mut asked = false;
    core::future::poll_fn(|_| if core::mem::replace(&mut asked, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

impl AsyncStore for Later {
    async fn lookup(&self, lookup: &Lookup<'_>, now: Timestamp) -> Result<Found, Unavailable> {
        a_moment().await;
        self.store()?.lookup(lookup, now)
    }

    async fn commit(&self, commit: &Commit, now: Timestamp) -> Result<Committed, Unavailable> {
        a_moment().await;
        self.store()?.commit(commit, now)
    }

    async fn devices(&self, identity: &str, of: Option<&Scope>, now: Timestamp) -> Result<Vec<Device>, Unavailable> {
        self.store()?.devices(identity, of, now)
    }

    async fn revoke(&self, identity: &str, which: Revoke, now: Timestamp) -> Result<usize, Unavailable> {
        self.store()?.revoke(identity, which, now)
    }

    async fn revoke_everyone(&self, now: Timestamp) -> Result<(), Unavailable> {
        self.store()?.revoke_everyone(now)
    }
}

fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
    }
}

#[test]
fn a_store_that_answers_later_is_asked_for_the_same() {
    let mut pair = Pair::new(server());
    pair.full_login("alice", &Tls::full());
    let messages = [Tls::full(), Tls::full()].map(|tls| {
        let (_, attempt) = pair.attempt("alice", &tls, None, EXPR);
        (tls, attempt.unwrap().message().to_vec())
    });
    let store = Later(Some(core::mem::take(&mut pair.store)));
    let judge = |tls: &Tls, message: &[u8], store: &Later| {
        let connection = Connection::new(&pair.server, tls.server());
        wait_for(connection.iky(Pin::SHA_256_EXPR, message).run_async(store, START)).outcome
    };
    let [(first, used), (second, unused)] = &messages;
    assert_eq!(judge(first, used, &store), Outcome::Accepted, "which is to be made durable");
    assert_eq!(judge(second, unused, &store), Outcome::Accepted, "and need not be again");
    assert_eq!(judge(second, used, &store), Outcome::BadProof, "on another connection");
    assert_eq!(judge(first, b"nonsense", &store), Outcome::Malformed, "without being asked");
    assert_eq!(judge(first, used, &Later(None)), Outcome::Unavailable);
}

#[test]
fn what_follows_a_refusal_is_said_in_words() {
    let said =
        [NextStep::TryPredecessor, NextStep::FullLogin, NextStep::FullHandshake, NextStep::Abandon, NextStep::Later]
            .map(|next| next.to_string());
    assert!(said[1].contains("on this connection") && said[2].contains("without resuming"));
    assert!(said[3].starts_with("close") && said[4].ends_with("later"));
}
