//! The functions of the header. Each takes C's promises through [`boundary`](crate::boundary), and has no more to say.
#![allow(unsafe_code)]
#![allow(
    clippy::missing_safety_doc,
    reason = "the promises are the same everywhere, and stand in boundary and in the header"
)]

mod buffers;
mod client;
mod server;
mod store;

pub use buffers::*;
pub use client::*;
pub use server::*;
pub use store::*;
