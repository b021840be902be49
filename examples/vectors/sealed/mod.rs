//! `sealed.json`: records that their client keeps, encrypted under the service's keys: the box, and attempts with it.

use ring::aead;
use serde_json::{Value, json};

use crate::file::{Edit, File};
use crate::formulas::*;
use crate::scene::{DAY, LOGIN, Record, Scene};
use crate::scene_json::{assertion_json, keys_json};

mod attempt;
mod exchange;
mod gcm;
mod refused;
mod seal;

use self::attempt::*;
use self::exchange::*;
use self::gcm::*;
use self::refused::*;
use self::seal::*;

const EXPR: &str = "IKY-SHA-256-EXPR";
const PINS: [&str; 4] = ["IKY-SHA-256-EXPR", "IKY-SHA-384-EXPR", "IKY-SHA-512-EXPR", "IKY-ED25519-EXPR"];
const LABEL: &[u8] = b"IKY sealed v1";
const HEADER: usize = 21;
const TAG: usize = 16;
/// The longest account beside a login name.
const MOST: usize = 44;

pub(crate) fn file() -> File {
    let source = "the draft's format over ring's AES-256-GCM, HMAC and Ed25519 (examples/vectors/sealed), not the library's; all secrets \
                  are SHA-256 of labels. aes-gcm: McGrew and Viega, The Galois/Counter Mode of Operation (GCM), test cases 13 to 16";
    let mut file = File::new("sealed.json", source);
    let f = &mut file;
    aes_gcm(f);
    seals(f);
    exchanges(f);
    renewals(f);
    refused(f);
    file
}
