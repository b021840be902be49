//! What a client keeps of its accounts, and how it logs in to each.
//!
//! Everything is kept by [`Account`], never by host name alone: two accounts at one server share nothing.

mod accounts;
mod connection;
mod early;
mod saved;
mod tokens;

pub use accounts::{Account, Accounts, Predecessor};
pub use connection::{Attempt, Connection, Plan, Settled};
