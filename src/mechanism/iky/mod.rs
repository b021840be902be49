//! IKY: "I know you", proved. Possession of the assertion's key, bound to the channel and to the lineage of its session.
//!
//! Specified by the draft in "The IKY Mechanisms".
//!
//! One message each way, client first:
//!
//! ```text
//! C: p=tls-exporter,a=alice,h=imap.example.com,i=…,l=1,p=…
//! S: x=2592000,v=…
//! ```

mod client;
mod early;
mod message;
mod server;
mod transcript;

pub use client::{CannotStart, Client, Known, Refused, Start};
pub use message::{MAX_MESSAGE, Malformed};
pub(super) use server::{AwaitProofKeys, AwaitUse, receive, unsigned};

pub(crate) fn is_initiator_message(pin: crate::assertion::Pin, message: &[u8]) -> bool {
    message::InitiatorMessage::parse(pin, message).is_ok()
}

pub(crate) fn is_responder_message(pin: crate::assertion::Pin, message: &[u8]) -> bool {
    message::ResponderMessage::parse(pin, message).is_ok()
}
