//! A returning client's login costs no round trip that anyone waits for.
//!
//! A client logs in once, in full: password, SCRAM, OAuth, two factors. From then on, when it comes back, the server already
//! knows it. This crate is the sans-IO core of that: what both ends keep ([`assertion`]), what they know of their TLS connection
//! ([`channel`]), the SASL mechanisms EXTERNAL, IKY and HT ([`mechanism`]), what has to be looked up and made durable ([`store`]), and
//! how IMAP, SMTP, XMPP, POP3, ManageSieve, ACAP and LDAP carry it ([`profile`]). It opens no sockets, spawns nothing, reads no
//! clock and draws no random numbers: time and randomness are arguments. The Internet-Draft in `draft/` specifies it.
//!
//! ```text
//! TLS stack ─► channel ─► assertion ─► mechanism ─► profile ─► the application's own octets
//!  (rustls      facts,     derive,      external,    imap, smtp,
//!   adapter)    binding,   grant,       iky, ht      xmpp, …
//!               lineage    renew        client|server
//!                             ▲              │
//!                             └── store ◄────┘   what to look up and what to make durable, as values
//! ```
//!
//! A server starts at [`mechanism::Connection`], a client at [`store::client::Accounts`]; the README has both in twenty lines.
//! On the wire, a reconnect is one flight each way (IMAP here; `…` is base64):
//!
//! ```text
//! S: * OK [CAPABILITY IMAP4rev2 SASL-IR AUTH=SCRAM-SHA-256-PLUS AUTH=IKY-SHA-256-EXPR] ready
//! C: a1 AUTHENTICATE IKY-SHA-256-EXPR …      p=tls-exporter,a=alice,h=imap.example.com,i=…,l=1,p=…
//! C:                                         (the empty answer to the challenge, ahead of it)
//! C: a2 SELECT INBOX
//! S: + …                                     x=2592000,v=…
//! S: a1 OK Recognised
//! S: a2 OK [READ-WRITE] SELECT completed
//! ```
//!
//! XMPP stacks that speak XEP-0484 (FAST) have HT and HT2 tokens from [`mechanism::ht`], which has the wire excerpts:
//!
//! ```text
//! C: <stream:stream …><authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-EXPR'><initial-response>…</initial-response>
//!    <user-agent id='…'/><bind xmlns='urn:xmpp:bind:0'/><fast xmlns='urn:xmpp:fast:0'/></authenticate>
//! S: <success xmlns='urn:xmpp:sasl:2'><additional-data>…</additional-data>…<bound xmlns='urn:xmpp:bind:0'/></success>
//! ```
#![forbid(unsafe_code)]

#[cfg(any(feature = "rustls", feature = "openssl"))]
mod adapter;
pub mod assertion;
pub mod channel;
mod crypto;
#[cfg(feature = "dovecot-auth")]
pub mod dovecot_auth;
#[cfg(any(feature = "rsasl", feature = "sasl"))]
pub mod framework;
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

/// The recipes' code, likewise.
#[cfg(all(doctest, feature = "rsasl", feature = "sasl"))]
mod recipes {
    #[doc = include_str!("../docs/recipes/rsasl.md")]
    struct Rsasl;
    #[doc = include_str!("../docs/recipes/sasl.md")]
    struct Sasl;
}
