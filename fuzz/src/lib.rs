//! The harnesses, one module a target: each takes any octets, and panics where a rule is broken.

pub mod dovecot_auth;
pub mod ht_login;
pub mod iky_grammar;
pub mod iky_login;
pub mod names_and_certificates;
pub mod operations;
pub mod profile_pair;
pub mod profile_streams;
pub mod proxy_header;
pub mod sealed_record;
pub mod seeds;
pub mod serialised;
pub mod xmpp_elements;

mod input;

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/grammar/mod.rs"]
mod grammar;
