//! An XMPP stream over TLS on a blocking socket that gives up after some seconds, cut into its elements.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fast_reauth::profile::xmpp::{Frame, Framer, StreamHeader};

use crate::Fault;

/// For every read and write.
const PATIENCE: Duration = Duration::from_secs(10);

/// One end of a stream, and what was read of it and not yet used.
pub(crate) struct Wire<S> {
    pub(crate) tls: S,
    input: BytesMut,
    framer: Framer,
    /// Round trips of a real network: how often this end sent something and then had to read.
    pub(crate) waited: u32,
    sent: bool,
}

/// A socket that waits for no more octets to send, nor for ever.
pub(crate) fn patient(tcp: TcpStream) -> Result<TcpStream, Fault> {
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    tcp.set_write_timeout(Some(PATIENCE))?;
    Ok(tcp)
}

impl<S: Read + Write> Wire<S> {
    /// After the handshake.
    pub(crate) fn new(tls: S) -> Self {
        Self { tls, input: BytesMut::new(), framer: Framer::new(), waited: 0, sent: false }
    }

    /// Sends octets, in one write.
    pub(crate) fn send(&mut self, octets: &[u8]) -> Result<(), Fault> {
        self.sent = true;
        self.tls.write_all(octets)?;
        Ok(self.tls.flush()?)
    }

    /// The peer's stream header.
    pub(crate) fn header(&mut self) -> Result<StreamHeader, Fault> {
        match self.frame()? {
            Frame::Header(header) => Ok(header),
            frame => Err(format!("a stream header was due, not {frame:?}").into()),
        }
    }

    /// The next element, where the end would be too early.
    pub(crate) fn element(&mut self) -> Result<Bytes, Fault> {
        self.next()?.ok_or_else(|| "the peer ended the stream too early".into())
    }

    /// The next element; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        match self.frame()? {
            Frame::Element(element) => Ok(Some(element)),
            Frame::End => Ok(None),
            frame => Err(format!("an element was due, not {frame:?}").into()),
        }
    }

    fn frame(&mut self) -> Result<Frame, Fault> {
        loop {
            match self.framer.receive(&mut self.input)? {
                Frame::NeedMore if self.read()? => {}
                Frame::NeedMore => return Ok(Frame::End),
                frame => return Ok(frame),
            }
        }
    }

    fn read(&mut self) -> Result<bool, Fault> {
        self.waited += u32::from(std::mem::take(&mut self.sent));
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
}
