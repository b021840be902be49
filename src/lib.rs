//! A returning client's login costs no round trip that anyone waits for.
//!
//! A client logs in once, in full: password, SCRAM, OAuth, two factors. From then on, when it comes back, the server already
//! knows it. This crate is the sans-IO core of that: what both ends keep ([`assertion`]), what they know of their TLS connection
//! ([`channel`]), the SASL mechanisms EXTERNAL, IKY and HT ([`mechanism`]), what has to be looked up and made durable ([`store`]), and
//! how IMAP, SMTP, XMPP, POP3, ManageSieve, ACAP and LDAP carry it ([`profile`]). *The draft* is the Internet-Draft in `draft/`, which specifies it.
//!
//! | you | read |
//! | --- | --- |
//! | never met SASL | the [primer](guide::primer) |
//! | have a stack, and want it in there | the [recipes](guide::recipes), one for each stack |
//! | have XEP-0484 (FAST) | [migrating from FAST](guide::migrating_from_fast) |
//! | embed it in a server | [`mechanism::Connection`], [`store::Store`] |
//! | embed it in a client | [`store::client::Accounts`] |
//!
//! # How data flows
//!
//! ```text
//! TLS stack ─► channel ─► assertion ─► mechanism ─► profile ─► the application's own octets
//!  (rustls      facts,     derive,      external,    imap, smtp,
//!   adapter)    binding,   grant,       iky, ht      xmpp, …
//!               lineage    seal         client|server
//!                             ▲              │
//!                             └── store ◄────┘   what to look up and what to make durable, as values
//! ```
//!
//! It goes one way. `channel` knows nothing of assertions, `assertion` nothing of mechanisms, `mechanism` nothing of protocols, and
//! `profile` nothing of sockets. Adapters (`rustls`, `proxy`, `dovecot_auth`, the stores) are at the edge, behind features.
//!
//! # What it is, and what it isn't
//!
//! It is the part of a login that comes *after* the first one. It opens no sockets, spawns nothing, reads no clock and draws no
//! random numbers: time and randomness are arguments, and a store is asked by values, so it may be in memory, in a database or across the network.
//! (The stores behind the features `redb` and `redis` do what they are for: they read and write a file, and ask a server.)
//!
//! It isn't a SASL library: SCRAM, OAUTHBEARER and the like stay with the one that you have. It isn't a protocol stack, and it isn't
//! TLS. It gives a client nothing that its full login did not give it: an assertion is never stronger than the login behind it.
//!
//! # A client and a server
//!
//! Both ends, complete but for TLS, the wire, and the full login's own messages, which are a closure here. The client logs in fully once;
//! after that it is recognised, by one message each way.
//!
//! ```
//! use fast_reauth::Timestamp;
//! use fast_reauth::assertion::{BindingType, DeviceId, FullLogin, Scope, Service};
//! use fast_reauth::channel::{ChannelFacts, Exporter, ServerName};
//! use fast_reauth::mechanism::{Connection, Login, Outcome, Server};
//! use fast_reauth::store::client::{Account, Accounts, Plan, Settled};
//! use fast_reauth::store::{MemoryStore, Store};
//!
//! type Result<T> = core::result::Result<T, Box<dyn std::error::Error>>;
//! type Reply = (Outcome, Option<Vec<u8>>);
//!
//! const FULL: &str = "SCRAM-SHA-256-PLUS";
//!
//! /// The server's answer to a login.
//! fn serve(
//!     connection: &mut Connection<'_>,
//!     store: &dyn Store,
//!     exporter: &dyn Exporter,
//!     (mechanism, message): (&str, &[u8]),
//!     now: Timestamp,
//! ) -> Result<Reply> {
//!     if let Some(attempt) = connection.receive(mechanism, message) {
//!         let verdict = attempt.run(store, now);
//!         let link = verdict.recognised.and_then(|client| connection.recognised(&client, now));
//!         link.map(|link| store.commit(&link, now)).transpose()?; // who resumes this TLS session is recognised in turn
//!         return Ok((verdict.outcome, verdict.message.map(Into::into)));
//!     }
//!     // Your SASL library has just found this to be alice, who is "account 17" to you.
//!     let full = FullLogin::new(mechanism, "alice")?.bound_by(BindingType::Exporter);
//!     let login = Login { full: &full, identity: "account 17", device: DeviceId::new([7; 8]), now };
//!     store.commit(&connection.logged_in(login, exporter).commit, now)?; // before success is sent
//!     Ok((Outcome::Accepted, None))
//! }
//!
//! /// The client's login: the mechanism by which it got in.
//! fn log_in(
//!     mut connection: fast_reauth::store::client::Connection<'_>,
//!     exporter: &dyn Exporter,
//!     mut send: impl FnMut(&str, &[u8]) -> Result<Reply>,
//!     now: Timestamp,
//! ) -> Result<&'static str> {
//!     loop {
//!         match connection.plan(now) {
//!             Plan::Known(attempt) => {
//!                 let mechanism = attempt.mechanism();
//!                 let (outcome, message) = send(mechanism, attempt.message())?; // its first commands ride along
//!                 if connection.settle(attempt, outcome, message.as_deref(), now) == Settled::LoggedIn {
//!                     return Ok(mechanism);
//!                 }
//!             }
//!             Plan::FullLogin => {
//!                 send(FULL, b"")?;
//!                 let full = FullLogin::new(FULL, "alice")?.bound_by(BindingType::Exporter);
//!                 connection.logged_in(&full, exporter, &[], now)?; // the next one is free
//!                 return Ok(FULL);
//!             }
//!             Plan::FullHandshake | Plan::Abandon => return Err("close, and connect without resuming".into()),
//!         }
//!     }
//! }
//!
//! # fn main() -> Result<()> {
//! let name = ServerName::parse("imap.example.com")?;
//! let (server, store) = (Server::new(Service::IMAP, [name.clone()], [FULL])?, MemoryStore::default());
//! let (accounts, account) = (Accounts::default(), Account::new(Scope::new(Service::IMAP, name.clone()), "alice"));
//! let now = Timestamp::from_secs(1_790_000_000);
//!
//! for (number, expected) in [(1, FULL), (2, "IKY-SHA-256-EXPR"), (3, "IKY-SHA-256-EXPR")] {
//!     // Stands for a TLS connection: both ends have the same exporter. See the recipe for rustls.
//!     let exporter = move |label: &[u8], _: &[u8], out: &mut [u8]| Ok(out.fill(number ^ label.len() as u8));
//!     let facts = ChannelFacts::tls13().server_name(name.clone()).exporter(&exporter)?;
//!
//!     let mut there = Connection::new(&server, facts.clone());
//!     let here = accounts.connect(&account, facts).offered(there.mechanisms(now));
//!     let send = |mechanism: &str, message: &[u8]| serve(&mut there, &store, &exporter, (mechanism, message), now);
//!     assert_eq!(log_in(here, &exporter, send, now)?, expected);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Over real TLS, with real codecs, and with each failure: `examples/reconnect`, run by `cargo run --example reconnect`.
//!
//! # On the wire
//!
//! These are runs of this library against itself, over TLS whose secrets are fixed; `cargo test --test transcripts` compares.
//! Long lines go on behind three spaces.
//!
//! IMAP. The client's empty line is its answer to the one challenge, sent ahead of it; `SELECT` rides along:
//!
//! ```text
#![cfg_attr(doc, doc = include_str!("../draft/transcripts/imap-iky.txt"))]
//! ```
//!
//! SMTP submission, where the keyword IKNOWYOU permits the same:
//!
//! ```text
#![cfg_attr(doc, doc = include_str!("../draft/transcripts/smtp-iknowyou.txt"))]
//! ```
//!
//! XMPP, which resumes a stream:
//!
//! ```text
#![cfg_attr(doc, doc = include_str!("../draft/transcripts/xmpp.txt"))]
//! ```
//!
//! More of them are beside these in `draft/transcripts/`: EXTERNAL, refusals, POP3, ManageSieve, ACAP, LDAP. XMPP stacks that speak XEP-0484 (FAST) have
//! HT and HT2 tokens from [`mechanism::ht`].
//!
//! # Features
//!
#![cfg_attr(doc, doc = include_str!("../docs/features.md"))]
//!
//! Features only add: none changes what another one, or the core, does.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(feature = "rustls", feature = "openssl"))]
mod adapter;
pub mod assertion;
pub mod channel;
mod crypto;
#[cfg(feature = "dovecot-auth")]
pub mod dovecot_auth;
#[cfg(any(feature = "rsasl", feature = "sasl"))]
pub mod framework;
#[cfg(any(doc, doctest))]
pub mod guide;
mod held;
pub mod mechanism;
#[cfg(feature = "openssl")]
pub mod openssl;
pub mod profile;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(feature = "rsasl")]
pub mod rsasl;
#[cfg(feature = "rustls")]
pub mod rustls;
#[cfg(feature = "sasl")]
pub mod sasl;
pub mod store;
mod time;

pub use time::Timestamp;

/// Hooks for this project's own tests and fuzzers; no part of the interface.
#[doc(hidden)]
pub mod internal {
    use crate::channel::Lineage;
    use crate::store::MemoryStore;

    /// A hash over everything that a store holds, counters included.
    pub fn fingerprint(store: &MemoryStore) -> [u8; 32] {
        store.fingerprint()
    }

    /// A store that is made in no time, for those that make a new one a thousand times a second.
    pub fn small_store() -> MemoryStore {
        MemoryStore::small()
    }

    /// Whether these octets are a message of an IKY client, whatever it says.
    pub fn is_initiator_message(pin: crate::assertion::Pin, message: &[u8]) -> bool {
        crate::mechanism::iky::is_initiator_message(pin, message)
    }

    /// Whether these octets are a message of an IKY server, whatever it says.
    pub fn is_responder_message(pin: crate::assertion::Pin, message: &[u8]) -> bool {
        crate::mechanism::iky::is_responder_message(pin, message)
    }

    /// A store in storage that a test made, which is asked for it each time that the store is opened; and how long it waits after a failure.
    #[cfg(feature = "redb")]
    pub fn redb_on(
        storage: impl Fn() -> Box<dyn redb::StorageBackend> + Send + Sync + 'static,
        capacity: crate::store::Capacity,
        pause: core::time::Duration,
    ) -> Result<crate::store::RedbStore, crate::store::OpenError> {
        crate::store::RedbStore::on(Box::new(move || Ok(storage())), capacity, pause)
    }

    /// A lineage of no octets, as a client would mix in that claims one and has none.
    pub fn empty_lineage() -> Lineage {
        Lineage::empty()
    }
}

/// The README's examples, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
