//! An XML stream of tokio-xmpp over a connection that the application made, so that the exporter of its TLS stays at hand.
//!
//! tokio-xmpp waits for the peer's header before it lets anything else be sent. [`Ahead`] is how a login leaves with the header all
//! the same: it sends what it is given behind the first octets that are flushed, in one write.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, BufStream, ReadBuf};
use tokio_xmpp::xmlstream::{ReadError, StreamHeader, Timeouts, XmlStream, initiate_stream};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::ns;
use xmpp_parsers::ping::Ping;
use xmpp_parsers::stream_features::StreamFeatures;

use crate::common::Fault;

/// A stream whose elements are those of minidom, as xmpp-parsers' own have no place for what the draft adds, nor for FAST without count.
pub(crate) type Xml<S> = XmlStream<Ahead<S>, Element>;

/// For every answer, and once more as long before the connection is given up.
pub(crate) const PATIENCE: Timeouts =
    Timeouts { read_timeout: Duration::from_secs(10), response_timeout: Duration::from_secs(10) };

/// Opens a stream to this host, with more octets in the same flight. What the server offers comes back with it.
pub(crate) async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    (user, host): (&str, &str),
    ahead: Bytes,
) -> Result<(StreamFeatures, Xml<S>), Fault> {
    let from = format!("{user}@{host}");
    let header = StreamHeader { from: Some(from.into()), to: Some(host.to_owned().into()), id: None };
    let pending = initiate_stream(Ahead::new(stream, ahead), ns::JABBER_CLIENT, header, PATIENCE).await;
    let pending = pending.map_err(|error| format!("no XMPP stream: {error}"))?;
    pending.recv_features().await.map_err(|error| format!("no XMPP stream: {error}").into())
}

/// The next element; none at the end.
pub(crate) async fn next<S: AsyncRead + AsyncWrite + Unpin>(xml: &mut Xml<S>) -> Result<Option<Element>, Fault> {
    match xml.next().await {
        Some(Ok(element)) => Ok(Some(element)),
        None | Some(Err(ReadError::StreamFooterReceived)) => Ok(None),
        // Nobody waits for the close_notify that a peer in a hurry leaves out.
        Some(Err(ReadError::HardError(error)))
            if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) =>
        {
            Ok(None)
        }
        Some(Err(ReadError::SoftTimeout)) => Err("the peer says nothing any more".into()),
        Some(Err(error)) => Err(error.into()),
    }
}

/// The next element, where the end would be too early.
pub(crate) async fn need<S: AsyncRead + AsyncWrite + Unpin>(xml: &mut Xml<S>) -> Result<Element, Fault> {
    next(xml).await?.ok_or_else(|| "the peer ended the stream too early".into())
}

/// An element of xmpp-rs as octets, which is what the library reads.
pub(crate) fn octets(element: &Element) -> Vec<u8> {
    String::from(element).into_bytes()
}

/// And the other way.
pub(crate) fn element(octets: &[u8]) -> Result<Element, Fault> {
    Ok(std::str::from_utf8(octets)?.parse()?)
}

/// A command whose answer shows that the stream has a resource, and that stanzas flow.
pub(crate) fn ping_request() -> Iq {
    Iq::Get { from: None, to: None, id: "ping".to_owned(), payload: Ping.into() }
}

/// Sends a ping, if it isn't under way, and says of which type the answer is; `closed` where the stream ends instead.
pub(crate) async fn ping<S>(xml: &mut Xml<S>, send: bool) -> Result<&'static str, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if send {
        xml.send(&ping_request()).await?;
    }
    while let Some(element) = next(xml).await? {
        match Iq::try_from(element) {
            Ok(Iq::Result { .. }) => return Ok("result"),
            Ok(Iq::Error { .. }) => return Ok("error"),
            _ => {}
        }
    }
    Ok("closed")
}

/// A stream with octets that leave behind the first that are flushed.
#[derive(Debug)]
pub(crate) struct Ahead<S> {
    stream: BufStream<S>,
    octets: Bytes,
}

impl<S: AsyncRead + AsyncWrite> Ahead<S> {
    pub(crate) fn new(stream: S, octets: Bytes) -> Self {
        Self { stream: BufStream::new(stream), octets }
    }

    pub(crate) fn get_ref(&self) -> &S {
        self.stream.get_ref()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Ahead<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, out)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncBufRead for Ahead<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        Pin::new(&mut self.get_mut().stream).poll_fill_buf(cx)
    }

    fn consume(mut self: Pin<&mut Self>, octets: usize) {
        Pin::new(&mut self.stream).consume(octets);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Ahead<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, octets } = self.get_mut();
        while octets.has_remaining() {
            match ready!(Pin::new(&mut *stream).poll_write(cx, octets))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                written => octets.advance(written),
            }
        }
        Pin::new(stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
