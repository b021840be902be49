//! One end of a connection: rustls over a socket that never blocks, with every call of rustls on the meter.

use std::io::{ErrorKind, Read as _, Write as _};
use std::ops::DerefMut;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use fast_reauth::profile::xmpp::{Frame, Framer, StreamHeader};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::rustls::{ConnectionCommon, SideData};

use crate::Fault;
use crate::meter::{Meter, Part};

/// A connection, and what was read of it and not yet used.
pub(crate) struct Line<C> {
    tcp: TcpStream,
    pub(crate) tls: C,
    pub(crate) meter: Rc<Meter>,
    input: BytesMut,
    framer: Framer,
}

impl<C, D> Line<C>
where
    C: DerefMut<Target = ConnectionCommon<D>>,
    D: SideData,
{
    pub(crate) fn new(tcp: TcpStream, tls: C, meter: Rc<Meter>) -> Result<Self, Fault> {
        tcp.set_nodelay(true)?;
        Ok(Self { tcp, tls, meter, input: BytesMut::new(), framer: Framer::new() })
    }

    /// Until the handshake is finished. What this end has to send at its end goes along with what it says next.
    pub(crate) async fn handshake(&mut self) -> Result<(), Fault> {
        loop {
            if !self.tls.is_handshaking() {
                return Ok(());
            }
            self.flush().await?;
            if self.tls.is_handshaking() && !self.read().await? {
                return Err("the peer closed the connection in the handshake".into());
            }
        }
    }

    /// Sends octets, in one flight.
    pub(crate) async fn send(&mut self, octets: &[u8]) -> Result<(), Fault> {
        let Self { tls, meter, .. } = self;
        meter.time(Part::Tls, || tls.writer().write_all(octets))?;
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        let mut wire = Vec::new();
        let Self { tls, meter, .. } = self;
        meter.time(Part::Tls, || {
            while tls.wants_write() {
                tls.write_tls(&mut wire)?;
            }
            std::io::Result::Ok(())
        })?;
        if !wire.is_empty() {
            self.tcp.write_all(&wire).await?;
        }
        Ok(())
    }

    /// Reads more; false at the end.
    async fn read(&mut self) -> Result<bool, Fault> {
        loop {
            self.tcp.readable().await?;
            // On the stack, where it is nobody's for long: most connections of a server are idle.
            let mut wire = [0; 4096];
            match self.tcp.try_read(&mut wire) {
                Ok(0) => return Ok(false),
                Ok(octets) => {
                    let Self { tls, meter, input, .. } = self;
                    meter.time(Part::Tls, || received(tls, wire.get(..octets).unwrap_or_default(), input))?;
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // A peer in a hurry.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The peer's stream header.
    pub(crate) async fn header(&mut self) -> Result<StreamHeader, Fault> {
        match self.frame().await? {
            Frame::Header(header) => Ok(header),
            _ => Err("a stream begins with its header".into()),
        }
    }

    /// The next element; nothing at the end.
    pub(crate) async fn element(&mut self) -> Result<Option<Bytes>, Fault> {
        match self.frame().await? {
            Frame::Element(element) => Ok(Some(element)),
            _ => Ok(None),
        }
    }

    async fn frame(&mut self) -> Result<Frame, Fault> {
        loop {
            let Self { meter, framer, input, .. } = self;
            match meter.time(Part::Xmpp, || framer.receive(input))? {
                Frame::NeedMore if self.read().await? => {}
                Frame::NeedMore => return Ok(Frame::End),
                frame => return Ok(frame),
            }
        }
    }
}

/// Octets off the wire; what is in them is appended to `input`.
fn received<D: SideData>(tls: &mut ConnectionCommon<D>, mut wire: &[u8], input: &mut BytesMut) -> Result<(), Fault> {
    while !wire.is_empty() {
        tls.read_tls(&mut wire)?;
        tls.process_new_packets()?;
    }
    let mut octets = [0; 4096];
    loop {
        match tls.reader().read(&mut octets) {
            Ok(0) => return Ok(()),
            Ok(read) => input.extend_from_slice(octets.get(..read).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::UnexpectedEof) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
