//! Lines over TLS over TCP: SASL as IMAP carries it, without the rest of IMAP.
//!
//! ```text
//! S: SASL IKY-SHA-256-EXPR,SCRAM-SHA-256-PLUS FAST HT-SHA-256-EXPR
//! C: AUTH IKY-SHA-256-EXPR …                     `…` is base64
//! S: + …
//! C: (an empty line, or the answer)
//! S: OK …, with a token's text and expiry where the client asked for one; or NO
//! ```

use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::DerefMut;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::{ConnectionCommon, SideData, StreamOwned};

use super::Fault;

pub struct Wire<C, S>
where
    C: DerefMut<Target = ConnectionCommon<S>>,
    S: SideData,
{
    tls: StreamOwned<C, TcpStream>,
}

impl<C, S> Wire<C, S>
where
    C: DerefMut<Target = ConnectionCommon<S>>,
    S: SideData,
{
    /// Makes the handshake.
    pub fn open(mut tls: C, mut tcp: TcpStream) -> Result<Self, Fault> {
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(Duration::from_secs(30)))?;
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        Ok(Self { tls: StreamOwned::new(tls, tcp) })
    }

    pub fn tls(&mut self) -> &mut C {
        &mut self.tls.conn
    }

    pub fn send(&mut self, words: &[&str]) -> Result<(), Fault> {
        self.tls.write_all(format!("{}\n", words.join(" ")).as_bytes())?;
        Ok(self.tls.flush()?)
    }

    pub fn receive(&mut self) -> Result<Vec<String>, Fault> {
        let (mut line, mut octet) = (Vec::new(), [0]);
        while self.tls.read_exact(&mut octet).map(|()| octet[0] != b'\n')? {
            if line.len() == 8192 {
                return Err("a line of more than 8192 octets".into());
            }
            line.push(octet[0]);
        }
        Ok(String::from_utf8(line)?.split(' ').map(str::to_owned).collect())
    }

    /// A server's message; the client's answer to it.
    pub fn challenge(&mut self, message: &[u8]) -> Result<Vec<u8>, Fault> {
        self.send(&["+", &STANDARD.encode(message)])?;
        decoded(&self.receive()?[0])
    }
}

pub fn encoded(message: &[u8]) -> String {
    STANDARD.encode(message)
}

/// The message behind a line's first word.
pub fn message_of(words: &[String]) -> Result<Vec<u8>, Fault> {
    decoded(words.get(1).map_or("", String::as_str))
}

pub fn decoded(word: &str) -> Result<Vec<u8>, Fault> {
    Ok(STANDARD.decode(word)?)
}
