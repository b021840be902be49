//! The stream that lettre gets: the TLS connection, of which this end keeps hold.
//!
//! lettre takes a stream for good, and tells of EHLO only the mechanisms that it has itself. The TLS exporter is needed after that,
//! and so is the list.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::common::wire::{ClientStream, Counted};

/// A connection with two holders: lettre, and this example.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    stream: Counted<ClientStream>,
    heard: Vec<u8>,
    listening: bool,
}

impl Shared {
    pub(crate) fn new(stream: Counted<ClientStream>) -> Self {
        Self(Arc::new(Mutex::new(Inner { stream, heard: Vec::new(), listening: true })))
    }

    /// What the server has said so far. From now on nobody listens.
    pub(crate) fn heard(&self) -> Vec<u8> {
        let mut inner = self.lock();
        inner.listening = false;
        std::mem::take(&mut inner.heard)
    }

    /// Does something with TLS.
    pub(crate) fn with_tls<T>(&self, what: impl FnOnce(&ClientStream) -> T) -> T {
        what(&self.lock().stream.stream)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for Shared {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *self.lock();
        let before = out.filled().len();
        let polled = Pin::new(&mut inner.stream).poll_read(cx, out);
        if inner.listening {
            inner.heard.extend_from_slice(out.filled().get(before..).unwrap_or_default());
        }
        polled
    }
}

impl AsyncWrite for Shared {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.lock().stream).poll_write(cx, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.lock().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.lock().stream).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Shared {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.with_tls(|tls| tls.get_ref().0.peer_addr())
    }
}
