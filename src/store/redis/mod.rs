//! Stores in Valkey or Redis, for the nodes of a service: [`RedisStore`] for threads, [`AsyncRedisStore`] for tokio.
//!
//! ```no_run
//! use fast_reauth::Timestamp;
//! use fast_reauth::store::redis::{RedisSettings, RedisStore};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = Timestamp::from_secs(1_790_000_000);
//! let store = RedisStore::new(RedisSettings::new("redis://127.0.0.1/")?)?;
//! store.check(now)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Keys
//!
//! Every key is a hash (but for the places), has a name that gives no identity away, and expires when nothing in it is needed any more. All keys
//! of one call of a script are one key, which is declared, so the layout fits a cluster: what is in braces chooses the node.
//!
//! | key | what | found by |
//! | --- | --- | --- |
//! | `PREFIX:epoch` | which server process this is, the generation of keys that counts, when everyone was revoked | always, last |
//! | `PREFIX:GENERATION:login:{LOGIN}` | records with their windows, tokens, the account's secret, what was revoked | a client's message |
//! | `PREFIX:GENERATION:session:{HANDLE}` | a lineage, what was revoked | the session that TLS resumed |
//! | `PREFIX:GENERATION:account:{ACCOUNT}` | the account's clients, logins and sessions by name; the secret and what was revoked, of which the others are copies | the identity |
//! | `PREFIX:GENERATION:place:{NAME}` | the login of an assertion or a token, for a commit by a process that did not look it up | its id |
//!
//! # Round trips
//!
//! A lookup is one. The use of an assertion or a token is one, after a lookup by the same handle (else two). A full login is two, one more for a
//! secret, and two more when the account has too many clients. A link is two, and may follow the reply. A revocation and the list of an
//! account's clients are two each. A server that does not know the scripts any more costs one more, once.
//!
//! # What is one step, and what is not
//!
//! What concerns one login is one script, and so one step against everything else: the use of an assertion with its counter, its first
//! use, its successor; the use of a token. What concerns an account in several places is written in an order in which nothing that
//! was revoked is accepted:
//!
//! - A full login or a link *registers* in the account's key what it is about to write, and takes along what was revoked. A revocation writes the
//!   account's key, then visits all that is registered, and leaves there what was revoked, with a version: the newest one counts. So a login
//!   that came before is refused at its registration, or where the revocation left its mark before it, or is visited after it; and the
//!   revocation answers when all of that is done. What was registered and never written is a name, and expires.
//! - Clients and sessions that make room are removed from their own keys first, and leave the number of the last registration there, so
//!   that a write that was on its way does not bring them back; then the account forgets them.
//! - Everyone's revocation is one number, read last in every exchange and by every lookup. What was stored before it is revoked.
//! - A full login in several services (siblings) becomes known in one after the other. If that fails half-way the call is
//!   `Unavailable`, and made again it adds what is missing.
//! - A session's identity is compared after its connection is registered: of two identities that come at once, one sees the other, and marks
//!   its sessions, also those that are not written yet.
//!
//! - An account's secret is set in the account's key before the use that it comes with. If that comes to nothing, a secret may be there that
//!   nothing is sealed with.
//!
//! So a reader may see a part of a commit that is being made, or revoked clients one after the other while the revocation is under way. No
//! client is accepted by that which would not have been a moment before.
//!
//! # When the server goes down
//!
//! See [`Durability`]. The primary has to be the only one that is asked: a replica is refused, also one that was a primary when it was connected
//! to. A promoted replica is another server process, so [`Durability::Forget`] is right with failover too. Whoever still speaks with a primary
//! that the others gave up is alone with it: counters accepted there are of a generation that the others don't know, but a revocation
//! doesn't get through until that connection ends. With `min-replicas-to-write` such a primary refuses writes.
//!
//! One server (or one address that leads to the primary) is what this client speaks with. The layout is ready for a cluster, the client isn't:
//! it relies on one connection's commands being run in their order.
//!
//! # Secrecy
//!
//! What is stored is as secret as a password file. A thief of it logs in nowhere with it alone; see
//! [`Record`](crate::assertion::Record). Neither keys nor values are in errors or in `Debug`.

mod asynchronous;
mod changing;
mod layout;
mod linking;
mod names;
mod reading;
mod remembering;
mod reply;
mod scripts;
mod session;
mod settings;
mod sync;

pub use asynchronous::AsyncRedisStore;
pub use settings::{Durability, InvalidAddress, RedisProblem, RedisSettings};
pub use sync::RedisStore;
