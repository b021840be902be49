//! Logins that a SASL framework drives: what its mechanisms and callbacks hold of a connection.
//!
//! A framework makes its mechanisms itself and steps them where nothing of the application can be lent to them. So each end keeps a
//! handle: the application, the framework's callbacks and its mechanisms each have a clone of it. The adapters to a framework are
//! [`crate::rsasl`] and [`crate::sasl`]; what they have in common, and what an application does around them, is here:
//!
//! - [`Client`]: plans the login, gives the message, checks the server's, and says what to do next.
//! - [`Server`]: judges a message against the store, keeps the verdict, and remembers clients.
//!
//! Both ask a clock that they are given, as they are asked by the framework and not by the application. A store is asked
//! synchronously, inside the framework's callback.

mod client;
mod server;

pub use client::{Client, Way};
pub use server::Server;

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::time::Timestamp;

/// The time, for logins that a framework drives.
type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
