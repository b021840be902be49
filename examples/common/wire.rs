//! One end of a connection: TLS, what was read and not yet used, and how often this end waited for the other.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{client, server};

use super::Fault;

pub(crate) type ClientStream = client::TlsStream<TcpStream>;
pub(crate) type ClientWire = Wire<ClientStream>;
pub(crate) type ServerWire = Wire<server::TlsStream<TcpStream>>;

/// A connection whose octets are read and written here.
pub(crate) struct Wire<S> {
    pub(crate) stream: Counted<S>,
    pub(crate) input: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream: Counted { stream, waits: Waits::default() }, input: BytesMut::new() }
    }

    /// Sends octets, in one flight.
    pub(crate) async fn send(&mut self, octets: &[u8]) -> Result<(), Fault> {
        self.stream.write_all(octets).await?;
        Ok(self.stream.flush().await?)
    }

    /// Reads more; false at the end.
    pub(crate) async fn read(&mut self) -> Result<bool, Fault> {
        // Nobody waits for a close_notify that a peer in a hurry leaves out.
        match self.stream.read_buf(&mut self.input).await {
            Ok(octets) => Ok(octets > 0),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads more, where the end would be too early.
    pub(crate) async fn need(&mut self) -> Result<(), Fault> {
        if self.read().await? { Ok(()) } else { Err("the peer closed the connection too early".into()) }
    }

    /// One line, with its CRLF; nothing at the end.
    pub(crate) async fn next_line(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            if let Some(at) = self.input.windows(2).position(|two| two == b"\r\n") {
                return Ok(Some(self.input.split_to(at + 2).freeze()));
            }
            if self.input.len() > 8192 {
                return Err("a line of more than 8192 octets".into());
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// One line, where the end would be too early.
    pub(crate) async fn line(&mut self) -> Result<Bytes, Fault> {
        self.next_line().await?.ok_or_else(|| "the peer closed the connection too early".into())
    }
}

/// How often an end sent something and then had to read: each is a round trip on a real network.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waits(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    sent: AtomicBool,
    count: AtomicU32,
}

impl Waits {
    pub(crate) fn count(&self) -> u32 {
        self.0.count.load(Ordering::Relaxed)
    }
}

/// A stream that counts them, whoever reads and writes it.
#[derive(Debug)]
pub(crate) struct Counted<S> {
    pub(crate) stream: S,
    pub(crate) waits: Waits,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_read(cx, out))?;
        if self.waits.0.sent.swap(false, Ordering::Relaxed) {
            self.waits.0.count.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.waits.0.sent.store(true, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
