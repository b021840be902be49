//! The C interface of fast-reauth: client and server of the IKY and HT mechanisms, and of EXTERNAL on resumed TLS sessions.
//!
//! `include/fast_reauth.h` is made from this crate (`FR_WRITE_HEADER=1 cargo test -p fast-reauth-capi --test header`), and what a
//! C programmer has to know is said there. What is unsafe is in [`boundary`], which turns pointers into references and
//! panics into [`fr_result::FR_INTERNAL`], and in [`exports`], whose functions call it and then the safe rest.
#![allow(non_camel_case_types, reason = "the names are those of C")]

pub mod boundary;
mod channel;
mod client;
pub mod exports;
mod login;
mod names;
mod result;
mod server;
mod session;
mod state;
mod store;
mod values;

pub use channel::*;
pub use client::{fr_attempt, fr_client, fr_client_connection};
pub use login::*;
pub use result::fr_result;
pub use server::{fr_request, fr_server, fr_server_connection, fr_verdict};
pub use store::fr_store;
pub use values::{FR_ABI, fr_buf, fr_octets};
