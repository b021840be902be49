//! IKY: "I know you", proved. Possession of the assertion's key, bound to the channel and to the lineage of its session.
//!
//! One message each way, client first:
//!
//! ```text
//! C: p=tls-exporter,a=alice,h=imap.example.com,i=…,l=1,p=…
//! S: x=2592000,v=…
//! ```

mod client;
mod message;
mod server;
mod transcript;

pub use client::{CannotStart, Client, Known, Refused, Start};
pub use message::{MAX_MESSAGE, Malformed};
pub(super) use server::{AwaitProofKeys, AwaitUse, receive, unsigned};
