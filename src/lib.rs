//! A returning client's login, for free.
#![forbid(unsafe_code)]

pub mod assertion;
pub mod channel;
mod crypto;
pub mod mechanism;
pub mod store;
mod time;

pub use time::Timestamp;
