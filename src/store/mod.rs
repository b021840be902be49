//! What a server has to look up and to make durable, as values; and who keeps them.
//!
//! A mechanism never calls a store. It says what it needs ([`Lookup`]) and what must be durable before it may say yes
//! ([`Commit`]), and the caller does it: in memory, in a database, asynchronously, on another machine. [`Store`] is the
//! contract that any of these fulfils; [`MemoryStore`] is one that does.
//!
//! The client's side is in [`client`]: what it knows of its accounts, and how it logs in to each of them.

mod asynchronous;
pub mod client;
#[cfg(feature = "conformance")]
pub mod conformance;
mod contract;
mod memory;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "redis")]
pub mod redis;
mod revoked;
mod sought;
mod token;
mod window;

#[cfg(feature = "redb")]
pub use self::redb::{OpenError, RedbStore};
pub use asynchronous::AsyncStore;
pub use contract::{
    Commit, Committed, Device, Found, Link, LoginOf, Lookup, MAX_PENDING_SUCCESSORS, NewSecret, Remember, Revoke,
    Store, TokenUse, Unavailable, Use,
};
pub use memory::{Capacity, MemoryStore};
pub use sought::Sought;
pub use token::StoredTokens;
pub use window::Window;
