//! An IMAP client that ends after each visit, and is known when it comes back: OpenSSL at both ends, over loopback.
//!
//!     cargo run --manifest-path interop/openssl/Cargo.toml --example reconnect
//!
//! Each visit is a process of its own. What it leaves to the next is in three files: the assertion, what the server offered, and
//! the TLS sessions.

mod client;
mod server;

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs};

use bytes::BytesMut;
use fast_reauth::Timestamp;
use openssl_and_rustls::rustls_support::identity;

type Fault = Box<dyn std::error::Error>;

const NAME: &str = "mail.example";
const USER: &str = "alice";
const PASSWORD: &str = "secret";

fn main() -> Result<(), Fault> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments[..] {
        [folder, port] => client::visit(Path::new(folder), port.parse()?),
        _ => visits(),
    }
}

fn visits() -> Result<(), Fault> {
    let folder = env::temp_dir().join(format!("fast-reauth-reconnect-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let identity = identity(&rcgen::PKCS_ECDSA_P256_SHA256);
    fs::write(folder.join("certificate"), &identity.certificate)?;
    let port = server::start(identity)?;
    for (what, lost) in [
        ("the first visit", None),
        ("a new process", None),
        ("another, which lost its TLS sessions", Some("sessions")),
        ("and another", None),
    ] {
        if let Some(lost) = lost {
            fs::remove_file(folder.join(lost))?;
        }
        println!("\n{what}");
        let visit = Command::new(env::current_exe()?).arg(&folder).arg(port.to_string()).status()?;
        if !visit.success() {
            return Err("the client failed".into());
        }
    }
    fs::remove_dir_all(&folder)?;
    Ok(())
}

/// What was read of a stream and not yet used, beside it.
struct Wire<S> {
    stream: S,
    input: BytesMut,
}

impl<S: Read + Write> Wire<S> {
    fn new(stream: S) -> Self {
        Self { stream, input: BytesMut::new() }
    }

    fn send(&mut self, octets: &[u8]) -> Result<(), Fault> {
        Ok(self.stream.write_all(octets)?)
    }

    /// Reads more; false at the end.
    fn read(&mut self) -> Result<bool, Fault> {
        let mut octets = [0; 4096];
        let read = self.stream.read(&mut octets)?;
        self.input.extend_from_slice(octets.get(..read).unwrap_or_default());
        Ok(read > 0)
    }

    /// Reads on until there is a line; false at the end.
    fn has_line(&mut self) -> Result<bool, Fault> {
        while !self.input.contains(&b'\n') {
            if self.input.len() > 8192 {
                return Err("a line of more than 8192 octets".into());
            }
            if !self.read()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// One line, with its CRLF.
    fn line(&mut self) -> Result<String, Fault> {
        if !self.has_line()? {
            return Err("the peer closed the connection too early".into());
        }
        let end = self.input.iter().position(|octet| *octet == b'\n').map_or(0, |at| at + 1);
        Ok(String::from_utf8_lossy(&self.input.split_to(end)).into_owned())
    }
}

fn now() -> Result<Timestamp, Fault> {
    Ok(Timestamp::from_secs(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs()))
}

fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut octets = [0; N];
    openssl::rand::rand_bytes(&mut octets)?;
    Ok(octets)
}
