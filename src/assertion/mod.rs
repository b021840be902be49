//! "I know you": what both ends keep after a full authentication.
//!
//! The client keeps a [`ClientAssertion`], the server a [`Record`]; both come from one seed by one key schedule, and neither
//! end can be computed from the other's half. What may be kept, for how long and how strongly follows from the [`Origin`].
//!
//! Specified by the draft in "Assertions".

mod account;
mod client;
mod lineage_record;
mod origin;
mod pin;
mod policy;
mod record;
mod renewal;
mod schedule;
mod scope;
mod sealed;
mod serial;
mod stored;
mod token;

pub use account::{AccountSecret, AccountState, LoginId, Revocations, Spared};
pub use client::ClientAssertion;
pub use lineage_record::LineageRecord;
pub(crate) use origin::valid_login_name;
pub use origin::{BindingType, FullLogin, InvalidLogin, Origin};
pub use pin::{Binding, Pin};
pub use policy::{LineageRule, Policy};
pub use record::{DeviceId, Record};
pub(crate) use record::{Owner, stand_in};
pub use renewal::Renewal;
pub(crate) use schedule::signing_key;
pub use schedule::{AssertionId, CannotDerive};
pub use scope::{InvalidService, OfferHash, Scope, Service};
pub(crate) use sealed::{Bound, MAX_SEALED, Sealed, seal};
pub use serial::InvalidAssertion;
pub(crate) use serial::{body as serial_body, read_lp, read_str};
pub use token::{
    CannotIssue, CannotKeep, ClientToken, HtMechanism, HtVersion, InvalidKeys, InvalidToken, Issued, Salt, ServiceKeys,
    Token, TokenBinding, TokenHash, TokenId, TokenRecord, TokenRequest, TokenSlot,
};
pub(crate) use token::{OwnToken, TokenKey};

pub use crate::crypto::Hash;
