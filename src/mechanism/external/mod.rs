//! EXTERNAL on a resumed TLS session (RFC 4422 appendix A; the seed's own mechanism).
//!
//! The server recognised the session before the first octet of the application, so it lists EXTERNAL, and the client that
//! takes it up asserts what the server already knows.
//!
//! Specified by the draft in "EXTERNAL on a Resumed TLS Session".

mod client;
mod server;

pub use client::{Client, Start};
pub use server::Refusal;
pub(super) use server::{AwaitLineage, receive, recognise};

/// The mechanism name.
pub(crate) const NAME: &str = "EXTERNAL";
