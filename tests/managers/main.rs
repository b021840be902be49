//! Connection managers: two users behind one TLS session, which is real and resumed, are never recognised as one another.
//! And a WebSocket that needs no manager.
#![cfg(all(feature = "rustls", feature = "xmpp"))]

mod bosh;
#[path = "../rustls_support/mod.rs"]
mod rustls_support;
mod site;
mod websocket;

use fast_reauth::Timestamp;
use fast_reauth::assertion::{FullLogin, Pin, Scope, Service};
use fast_reauth::channel::ServerName;
use fast_reauth::store::client::Account;
use rustls_support::{MODES, Mode, NAME};

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

/// The versions of TLS, with sessions in the server, so that only one rule is left to refuse a session.
const STATEFUL: [Mode; 2] = [MODES[0], MODES[2]];

/// Who comes first, and who second.
const ORDERS: [[&str; 2]; 2] = [["alice", "bob"], ["bob", "alice"]];

fn host() -> ServerName {
    ServerName::parse(NAME).unwrap()
}

fn account(name: &str) -> Account {
    Account::new(Scope::new(Service::XMPP, host()), name)
}

/// As `site` checks it: whoever knows a name knows the password.
fn plain(name: &str) -> (FullLogin, Vec<u8>) {
    (FullLogin::new("PLAIN", name).unwrap(), format!("\0{name}\0secret").into_bytes())
}
