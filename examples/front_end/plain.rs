//! A connection from a front end: the header first, then lines.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fast_reauth::proxy::{ForwardedFacts, Header, Peer, TrustedPeers};

use crate::Fault;

/// How long anybody has to send what is due.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a front end has for its header, and anybody else until the connection is closed.
const PATIENCE_FOR_HEADER: Duration = Duration::from_secs(1);

/// A TCP connection, and what was read and not yet used.
pub(crate) struct Plain {
    tcp: TcpStream,
    pub(crate) input: BytesMut,
}

impl Plain {
    /// What the front end says of the client's TLS; `None` on a connection of the front end's own. Nothing is sent
    /// before.
    pub(crate) fn accept(tcp: TcpStream, peers: &TrustedPeers) -> Result<Option<(Self, ForwardedFacts)>, Fault> {
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE_FOR_HEADER))?;
        tcp.set_write_timeout(Some(PATIENCE))?;
        let peer = tcp.peer_addr()?.ip();
        let mut wire = Self { tcp, input: BytesMut::new() };
        let front_end = match peers.peer(peer) {
            Peer::Trusted(front_end) => front_end,
            Peer::Other(other) => {
                while wire.input.len() < 16 && wire.read()? {}
                other.refuse_header(&wire.input)?;
                return Err("not a front end".into());
            }
        };
        loop {
            match front_end.header(&wire.input)? {
                Header::NeedMore if wire.read()? => {}
                Header::NeedMore => return Err("a front end sent no PROXY protocol header".into()),
                Header::Local { .. } => return Ok(None),
                Header::Forwarded { facts, len } => {
                    // The exporter secret is in it.
                    wire.input.split_to(len).fill(0);
                    wire.tcp.set_read_timeout(Some(PATIENCE))?;
                    return Ok(Some((wire, *facts)));
                }
            }
        }
    }

    pub(crate) fn send(&mut self, octets: &[u8]) -> Result<(), Fault> {
        Ok(self.tcp.write_all(octets)?)
    }

    /// Reads more; false at the end, and where nothing came for too long.
    pub(crate) fn read(&mut self) -> Result<bool, Fault> {
        let mut octets = [0; 4096];
        match self.tcp.read(&mut octets) {
            Ok(read) => {
                self.input.extend_from_slice(octets.get(..read).unwrap_or_default());
                octets.fill(0);
                Ok(read > 0)
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
            {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads more, where the end would be too early.
    pub(crate) fn need(&mut self) -> Result<(), Fault> {
        if self.read()? { Ok(()) } else { Err("the client closed the connection too early".into()) }
    }

    /// The next line, without its CRLF, which stays in the buffer; `None` at the end.
    pub(crate) fn peek(&mut self) -> Result<Option<String>, Fault> {
        loop {
            if let Some(end) = self.input.windows(2).position(|two| two == b"\r\n") {
                return Ok(Some(String::from_utf8_lossy(&self.input[..end]).into_owned()));
            }
            if self.input.len() > 8192 {
                return Err("a line of more than 8192 octets".into());
            }
            if !self.read()? {
                return Ok(None);
            }
        }
    }

    /// Takes the line that was looked at.
    pub(crate) fn take(&mut self, line: &str) -> Bytes {
        let len = (line.len() + 2).min(self.input.len());
        self.input.split_to(len).freeze()
    }
}
