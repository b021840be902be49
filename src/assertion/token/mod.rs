//! Tokens: what a server issues for the HT and HT2 mechanisms, where XEP-0484 (FAST) is spoken.
//!
//! Unlike an assertion that both ends derive, a token crosses the wire once, inside TLS, and is the whole secret. The client
//! keeps a [`ClientToken`]. The server keeps a [`TokenRecord`], from which the token can be computed only with the
//! [`ServiceKeys`].
//!
//! Specified by the draft in "Derived Tokens" and "The Life of a Token".

mod client;
mod issue;
mod mechanism;
mod record;
mod service_keys;
mod text;

pub use client::{CannotKeep, ClientToken};
pub(crate) use issue::OwnToken;
pub use issue::{CannotIssue, Issued, TokenRequest};
pub(crate) use mechanism::TokenKey;
pub use mechanism::{HtMechanism, HtVersion, TokenBinding, TokenHash};
pub use record::{Salt, TokenId, TokenRecord, TokenSlot};
pub use service_keys::{InvalidKeys, ServiceKeys};
pub use text::{InvalidToken, Token};
