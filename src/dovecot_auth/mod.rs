//! The Dovecot authentication protocol, the server's side: how an unpatched Postfix asks somebody else who its client
//! is.
//!
//! Octets in, events out; the sockets are the caller's (`examples/auth_server` has a listener). Postfix sets
//! `smtpd_sasl_type = dovecot` and `smtpd_sasl_path` to that listener, lists the mechanisms that the [`Greeting`]
//! lists, and passes on what its clients say. A login with IKY, as the wire has it (TAB shown as a space, `…` is
//! base64):
//!
//! ```text
//! S: VERSION 1 2 / MECH IKY-SHA-256-NONE active mutual-auth / SPID … / CUID … / COOKIE … / DONE      at once
//! C: VERSION 1 0 / CPID 4711
//! C: AUTH 1 IKY-SHA-256-NONE service=smtp nologin lip=192.0.2.1 rip=192.0.2.9 secured resp=…
//! S: CONT 1 …                   the server's message: always one challenge
//! C: CONT 1                     the client's empty answer to it
//! S: OK 1 user=alice            or FAIL 1 reason=…
//! ```
//!
//! # What the codec sees to
//!
//! - **One challenge.** For an IKY mechanism that is listed, exactly one `CONT` comes before the completion, refused
//!   and malformed attempts included, and its answer is taken. `OK` carries no data here (Postfix drops it), so a
//!   message that goes with success, HT's for example, is a challenge as well.
//! - **Bounds.** A line has 16,384 octets at most; 1,024 logins are under way at most. Postfix does not say when its
//!   client gives up in the middle, so the login that has been waiting longest for its client makes room for another
//!   one.
//! - **TLS.** A mechanism of this crate is refused where the client doesn't say `secured`.
//!
//! # What the caller has to know
//!
//! Nothing about the client's TLS connection is forwarded, neither a channel binding nor the session. So `-NONE` is
//! what can be listed, on [`ChannelFacts`](crate::channel::ChannelFacts) that say nothing but an [assumed server
//! name](crate::channel::ChannelFacts::assumed_server_name); that its TLS has (EC)DHE, and its TLS 1.2 the extended
//! master secret, is for the mail server's configuration to see to. Whoever reaches the listener can claim `secured`,
//! so it listens on a socket for the mail server alone. HT has a count against replays in XMPP's `<fast/>`, and nowhere
//! else: here `HT-…-NONE` has none.
//!
//! `FAIL` says `code=temp_fail` where the server can't say now, and Postfix 3.7 makes a plain refusal (535) of that
//! too. IKY's message has said it by then; HT has none with failure, and its clients drop a token that is refused. To a
//! lost connection Postfix says 454: a caller closes it for
//! [`Outcome::Unavailable`](crate::mechanism::Outcome::Unavailable) with HT.
//!
//! Full logins ([`AuthEvent::FullLogin`]) are the caller's own, one message at a time.

mod event;
mod greeting;
mod line;
mod server;

pub use event::{Attempt, AuthEvent, FullLogin, Peer, Pending, Ruling, Turn};
pub use greeting::{Greeting, InvalidUserName, Mechanism, Property, UserName};
pub use server::AuthServer;
