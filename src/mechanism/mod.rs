//! The SASL mechanisms, client and server, as typed states.
//!
//! A server [`Connection`] takes a message and says what it needs of the store, gets it, says what must be durable, is told
//! that it is, and gives a [`Verdict`]. Each step consumes the state before it.

pub mod external;
pub mod ht;
pub mod iky;

mod connection;
mod exchange;
pub(crate) mod names;
mod offers;
mod outcome;
mod server;
mod server_message;
mod shared;

pub use connection::{Connection, LoggedIn, Login};
pub use exchange::{AwaitCommit, AwaitRecord, Received, Recognised, Step, Verdict};
pub use names::NAMES;
pub use outcome::{NextStep, Outcome};
pub use server::{InvalidServer, Server, Sibling};
pub use server_message::ServerMessage;
pub use shared::SharedConnection;
