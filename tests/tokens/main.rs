//! Tokens for HT and HT2: their life at the server by XEP-0484, and everything that is refused.

#[path = "../common/mod.rs"]
mod common;

mod client;
mod edges;
mod life;
mod message;
mod refusals;
mod relays;
mod values;
#[cfg(feature = "xmpp")]
mod xmpp;

use common::{FULL, NAME, START, Tls, account, bound, fresh, later};
use fast_reauth::Timestamp;
use fast_reauth::assertion::{
    ClientToken, DeviceId, FullLogin, HtMechanism, Issued, Policy, Service, ServiceKeys, TokenRequest,
};
use fast_reauth::channel::ServerName;
use fast_reauth::mechanism::ht::{Fresh, Pairs, Request};
use fast_reauth::mechanism::{Connection, Login, Outcome, Server, Verdict, ht};
use fast_reauth::store::{Committed, MemoryStore, Store};

const EXPR: HtMechanism = HtMechanism::HT_SHA_256_EXPR;
const NONE: HtMechanism = HtMechanism::HT_SHA_256_NONE;
const UNIQ: HtMechanism = HtMechanism::HT_SHA_256_UNIQ;
const ENDP: HtMechanism = HtMechanism::HT_SHA_256_ENDP;

/// An installation of a client.
const PHONE: &str = "d4565fa7-4d72-4749-b3d3-740edbf87770";
const LAPTOP: &str = "0f6d6f60-5f3c-4f7c-8f0b-3c1c1f1d9a11";

fn mechanism(name: &str) -> HtMechanism {
    HtMechanism::from_name(name).expect("a mechanism of this build")
}

/// A service that issues tokens for every mechanism, and its store.
struct Fleet {
    server: Server,
    store: MemoryStore,
    now: Timestamp,
}

fn keys() -> ServiceKeys {
    ServiceKeys::new(1, &[0x11; 32])
}

fn server() -> Server {
    let names = [ServerName::parse(NAME).unwrap(), ServerName::parse("other.example.com").unwrap()];
    Server::new(Service::XMPP, names, FULL).unwrap().fast(HtMechanism::all(), keys())
}

impl Fleet {
    fn new() -> Self {
        Self::with(server())
    }

    fn with(server: Server) -> Self {
        Self { server, store: MemoryStore::default(), now: START }
    }

    fn connection(&self, tls: &Tls) -> Connection<'_> {
        Connection::new(&self.server, tls.server())
    }

    /// A full login that asks for a token.
    fn log_in(&self, name: &str, client: &str, mechanism: HtMechanism, tls: &Tls) -> (ClientToken, DeviceId) {
        let device = DeviceId::new(fresh());
        let issued = self.log_in_as(&bound(name), name, client, device, mechanism, tls).expect("a token");
        (kept(&issued, name, tls, self.now), device)
    }

    fn log_in_as(
        &self,
        full: &FullLogin,
        name: &str,
        client: &str,
        device: DeviceId,
        mechanism: HtMechanism,
        tls: &Tls,
    ) -> Result<Issued, fast_reauth::assertion::CannotIssue> {
        let request = TokenRequest { mechanism, authcid: name, client, random: fresh() };
        let login = Login { full, identity: name, device, now: self.now };
        let (logged_in, issued) = self.connection(tls).logged_in_with_token(login, &tls.exporter(), &request);
        assert_eq!(self.store.commit(&logged_in.commit, self.now), Ok(Committed::Done));
        issued
    }

    /// A login with a token, without more.
    fn try_token(&self, token: &ClientToken, client: &str, tls: &Tls) -> Verdict {
        self.try_with(token, client, tls, |request| request)
    }

    fn try_with(
        &self,
        token: &ClientToken,
        client: &str,
        tls: &Tls,
        more: impl Fn(Request<'_>) -> Request<'_>,
    ) -> Verdict {
        let start = ht::Client::start(token, &tls.client(), &Pairs::none()).expect("a channel that carries it");
        let verdict = self.judge(token.mechanism(), &start.message, client, tls, more);
        if verdict.outcome == Outcome::Accepted {
            let answered = start.state.finish(verdict.message.as_deref(), true);
            assert!(answered.is_ok(), "the client believes the server: {answered:?}");
            assert_eq!(verdict.recognised.as_ref().unwrap().identity(), token.authcid());
        } else {
            assert!(verdict.recognised.is_none() && verdict.token.is_none() && verdict.message.is_none());
        }
        verdict
    }

    fn judge(
        &self,
        mechanism: HtMechanism,
        message: &[u8],
        client: &str,
        tls: &Tls,
        more: impl Fn(Request<'_>) -> Request<'_>,
    ) -> Verdict {
        let connection = self.connection(tls);
        let request = more(Request::new(mechanism, message, client, fresh()));
        connection.ht(request).run(&self.store, self.now)
    }

    fn accepts(&self, token: &ClientToken, client: &str) -> bool {
        self.try_token(token, client, &Tls::full()).outcome == Outcome::Accepted
    }

    fn fingerprint(&self) -> [u8; 32] {
        fast_reauth::internal::fingerprint(&self.store)
    }
}

/// What the client keeps of a token that it got with a full login.
fn kept(issued: &Issued, name: &str, tls: &Tls, now: Timestamp) -> ClientToken {
    let scope = fast_reauth::assertion::Scope::new(Service::XMPP, tls.client().name().clone());
    let (policy, origin) = (Policy::default(), bound(name).origin());
    let text = issued.token.expose();
    ClientToken::issued(text, issued.mechanism, &scope, name, origin, issued.expires, &policy, now).expect("a token")
}

/// TLS 1.2 with the extended master secret, and tls-unique.
fn tls12() -> Tls {
    Tls { version12: Some(true), unique: Some(fresh()), ..Tls::full() }
}
