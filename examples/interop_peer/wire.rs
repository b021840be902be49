//! TLS over a blocking socket that gives up after some seconds, read line by line.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::ops::DerefMut;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio_rustls::rustls::{ConnectionCommon, SideData, StreamOwned};

use crate::Fault;

/// For every read and write.
const PATIENCE: Duration = Duration::from_secs(10);

/// One end of a connection, and what was read and not yet used.
pub(crate) struct Wire<C, D>
where
    C: DerefMut<Target = ConnectionCommon<D>>,
    D: SideData,
{
    pub(crate) tls: StreamOwned<C, TcpStream>,
    pub(crate) input: BytesMut,
}

impl<C, D> Wire<C, D>
where
    C: DerefMut<Target = ConnectionCommon<D>>,
    D: SideData,
{
    /// After the handshake.
    pub(crate) fn new(connection: C, tcp: TcpStream) -> Result<Self, Fault> {
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_write_timeout(Some(PATIENCE))?;
        let mut tls = StreamOwned::new(connection, tcp);
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock)?;
        }
        Ok(Self { tls, input: BytesMut::new() })
    }

    /// Sends octets.
    pub(crate) fn send(&mut self, octets: &[u8]) -> Result<(), Fault> {
        self.tls.write_all(octets)?;
        Ok(self.tls.flush()?)
    }

    /// Reads more; false at the end.
    pub(crate) fn read(&mut self) -> Result<bool, Fault> {
        let mut octets = [0; 4096];
        match self.tls.read(&mut octets) {
            Ok(read) => {
                self.input.extend_from_slice(octets.get(..read).unwrap_or_default());
                Ok(read > 0)
            }
            // Nobody waits for a close_notify that a peer in a hurry leaves out.
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads more, where the end would be too early.
    pub(crate) fn need(&mut self) -> Result<(), Fault> {
        if self.read()? { Ok(()) } else { Err("the peer closed the connection too early".into()) }
    }

    /// Reads on until there is a line; false at the end.
    pub(crate) fn has_line(&mut self) -> Result<bool, Fault> {
        while !self.input.windows(2).any(|two| two == b"\r\n") {
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
    pub(crate) fn line(&mut self) -> Result<Bytes, Fault> {
        if !self.has_line()? {
            return Err("the peer closed the connection too early".into());
        }
        let at = self.input.windows(2).position(|two| two == b"\r\n").unwrap_or_default();
        Ok(self.input.split_to(at + 2).freeze())
    }

    /// The same as text, without its CRLF.
    pub(crate) fn text(&mut self) -> Result<String, Fault> {
        Ok(String::from_utf8_lossy(&self.line()?).trim_end().to_owned())
    }
}
