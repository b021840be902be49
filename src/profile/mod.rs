//! How each application protocol carries SASL, and what may ride along behind it.
//!
//! Octets in, octets out: a profile knows nothing of sockets, and nothing of proofs. The client's message and the
//! server's verdict come from [`crate::mechanism`]; the profile dresses them for the wire.
//!
//! Specified by the draft in "Profiles".
//!
//! ```text
//! S: * OK [CAPABILITY IMAP4rev2 SASL-IR AUTH=SCRAM-SHA-256-PLUS AUTH=IKY-SHA-256-EXPR] ready
//! C: a1 AUTHENTICATE IKY-SHA-256-EXPR cD10bHMt…        the client's message
//! C:                                                   its empty answer to the one challenge, sent ahead
//! C: a2 SELECT INBOX                                   what the user wanted
//! S: + MHg9…                                           the server's message: always one challenge
//! S: a1 OK Recognised
//! S: * 172 EXISTS …
//! ```
//!
//! | protocol | client's message | server's message | commands riding along |
//! | --- | --- | --- | --- |
//! | [`imap`] | with the command (SASL-IR) | one challenge | EXTERNAL and a listed IKY |
//! | [`smtp`] | with the command | one challenge | EXTERNAL under PIPELINING, a listed IKY under IKNOWYOU |
//! | [`pop3`] | with the command | one challenge | EXTERNAL and a listed IKY, under PIPELINING |
//! | [`sieve`], [`acap`] | with the command | with success | a listed IKY |
//! | `xmpp` | with the element | with success; IKY's in the failure too | bind or resume, inside the element |
//! | `ldap` | with the request | with the response | none |
//!
//! # After TLS
//!
//! Everything here speaks inside TLS. Where STARTTLS began it, [`start_tls`] comes first: an advertisement or a reply
//! that arrived in plain text counts for nothing.
//!
//! # The one challenge
//!
//! IMAP, SMTP and POP3 carry no data with success. For an IKY mechanism that it listed, a server therefore sends
//! exactly one challenge before it completes, refused and malformed attempts included, and takes exactly one line in
//! answer, so the empty line that a client sent ahead can't become a command. [`ServerExchange`] keeps that rule.

pub mod acap;
mod client;
mod codes;
mod dialect;
mod error;
mod flight;
pub mod imap;
#[cfg(feature = "ldap")]
pub mod ldap;
mod offer;
pub mod pop3;
mod server;
pub mod sieve;
pub mod smtp;
mod tls;
mod wire;
#[cfg(feature = "xmpp")]
pub mod xmpp;

pub use client::{ClientExchange, Completion, Event};
pub use codes::Answer;
pub use dialect::{InvalidTag, Tag};
pub use error::ProfileError;
pub use flight::{Flight, NextCommand, RideAlong};
pub use offer::{InvalidMechanismName, MechanismName, Offer};
pub use server::{Request, ServerEvent, ServerExchange};
pub use tls::{InjectedPlaintext, start_tls};
