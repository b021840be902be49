//! TLS 1.3 from the first octet, at both ends, with the library's adapter in between: every connection is made from a configuration
//! of its own, and what is known of it comes back as channel facts.

use std::io::Write as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use fast_reauth::channel::{ChannelFacts, Handle};
use fast_reauth::mechanism::Connection;
use fast_reauth::rustls::{ClientWatch, Watch};
use fast_reauth::store::client::Predecessor;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName as DnsName};
use tokio_rustls::rustls::server::{Acceptor, ServerSessionMemoryCache};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection};
use tokio_rustls::{LazyConfigAcceptor, TlsConnector, client, server};

use crate::link::{End, Link};
use crate::service::{Service, now, random};
use crate::visitor::Visitor;
use crate::{Fault, Protocol};

/// The TLS configurations of a server and of the clients that trust it, with a certificate made on the spot.
pub(crate) fn configurations() -> Result<(Arc<ServerConfig>, Arc<ClientConfig>), Fault> {
    let names: Vec<String> = Protocol::ALL.iter().map(|protocol| protocol.host().to_owned()).collect();
    let CertifiedKey { cert, key_pair } = generate_simple_self_signed(names)?;
    let key = PrivateKeyDer::try_from(key_pair.serialize_der())?;
    let provider = Arc::new(default_provider());

    let server = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[&TLS13])?;
    let mut server = server.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key)?;
    // The greeting travels with the server's first flight, before the client has finished the handshake.
    server.send_half_rtt_data = true;
    // Sessions stay in the server, so that a stolen ticket key logs nobody in: EXTERNAL is offered without further ado.
    server.session_storage = ServerSessionMemoryCache::new(1024);

    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone())?;
    let client = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13])?;
    let client = client.with_root_certificates(roots).with_no_client_auth();
    Ok((Arc::new(server), Arc::new(client)))
}

/// One end of a connection: TLS, what was read and not yet used, and the link to tell what is sent.
pub(crate) struct Wire<S> {
    pub(crate) tls: S,
    pub(crate) input: BytesMut,
    pub(crate) link: Link,
    end: End,
}

pub(crate) type ServerWire = Wire<server::TlsStream<TcpStream>>;
pub(crate) type ClientWire = Wire<client::TlsStream<TcpStream>>;

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Sends octets; `what` is for the waterfall.
    pub(crate) async fn send(&mut self, what: impl Into<String>, octets: &[u8]) -> Result<(), Fault> {
        self.link.announce(self.end, what);
        self.tls.write_all(octets).await?;
        Ok(self.tls.flush().await?)
    }

    /// Reads more; false at the end.
    pub(crate) async fn read(&mut self) -> Result<bool, Fault> {
        // Nobody waits for a close_notify that a peer in a hurry leaves out.
        match self.tls.read_buf(&mut self.input).await {
            Ok(octets) => Ok(octets > 0),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads more, where the end would be too early.
    pub(crate) async fn need(&mut self) -> Result<(), Fault> {
        let peer = if self.end == End::Client { "the server" } else { "the client" };
        if self.read().await? { Ok(()) } else { Err(format!("{peer} closed the connection too early").into()) }
    }

    /// One line, with its CRLF.
    pub(crate) async fn line(&mut self) -> Result<Bytes, Fault> {
        loop {
            if let Some(at) = self.input.windows(2).position(|two| two == b"\r\n") {
                return Ok(self.input.split_to(at + 2).freeze());
            }
            if self.input.len() > 8192 {
                return Err("a line of more than 8192 octets".into());
            }
            self.need().await?;
        }
    }
}

/// What a server says first, and what the waterfall calls it.
pub(crate) type Greeting = (String, Vec<u8>);

/// Takes a connection, and greets with what `greet` makes of it before the handshake is over.
pub(crate) async fn accept<'s>(
    service: &'s Service,
    tcp: TcpStream,
    link: &Link,
    greet: impl FnOnce(&Connection<'_>) -> Result<Option<Greeting>, Fault>,
) -> Result<(ServerWire, Connection<'s>), Fault> {
    tcp.set_nodelay(true)?;
    let hello = LazyConfigAcceptor::new(Acceptor::default(), tcp).await?;
    let (config, watch) = service.recognition.connection(Handle::new(random()?));
    let mut met = None;
    let handshake = hello.into_stream_with(config, |tls| {
        met = Some(meet(service, &watch, tls).and_then(|connection| {
            let resumed = if connection.facts().is_resumed() { " (resumed)" } else { " with certificate" };
            link.announce(End::Server, format!("ServerHello to Finished{resumed}"));
            if let Some((what, octets)) = greet(&connection)? {
                link.announce(End::Server, what);
                tls.writer().write_all(&octets)?;
            }
            Ok(connection)
        }));
    });
    let mut tls = handshake.await?;
    link.announce(End::Server, "session tickets");
    let mut connection = met.ok_or("rustls made no connection of a ClientHello")??;
    connection.update_facts(watch.facts(tls.get_mut().1)?);
    Ok((Wire { tls, input: BytesMut::new(), link: link.clone(), end: End::Server }, connection))
}

/// What the server knows as soon as it has the ClientHello: who this was, if TLS resumes, and that there will be an exporter.
pub(crate) fn meet<'s>(service: &'s Service, watch: &Watch, tls: &ServerConnection) -> Result<Connection<'s>, Fault> {
    let connection = Connection::new(&service.server, watch.facts_at_greeting(tls)?);
    let lineage = match connection.lookup() {
        Some(lookup) => service.lookup(&lookup, now())?.lineage,
        None => None,
    };
    Ok(connection.resumes(lineage))
}

/// A client's connection after the handshake.
pub(crate) struct Connected {
    pub(crate) wire: ClientWire,
    pub(crate) facts: ChannelFacts,
    pub(crate) predecessor: Option<Predecessor>,
    pub(crate) watch: ClientWatch,
}

/// Makes a connection of this client's account.
pub(crate) async fn connect(visitor: &Visitor, tcp: TcpStream, link: &Link) -> Result<Connected, Fault> {
    tcp.set_nodelay(true)?;
    let (config, watch) = visitor.sessions.connection(&visitor.base, &visitor.account);
    let name = DnsName::try_from(visitor.account.scope.server_name.as_str().to_owned())?;
    link.announce(End::Client, "ClientHello");
    let tls = TlsConnector::from(config).connect(name, tcp).await?;
    link.announce(End::Client, "Finished");
    let facts = watch.facts(tls.get_ref().1)?;
    let predecessor = watch.predecessor(tls.get_ref().1);
    Ok(Connected {
        wire: Wire { tls, input: BytesMut::new(), link: link.clone(), end: End::Client },
        facts,
        predecessor,
        watch,
    })
}
