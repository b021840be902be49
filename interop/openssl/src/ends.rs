//! One end of a connection, whichever stack it is of.

use std::sync::Arc;

use fast_reauth::assertion::AssertionId;
use fast_reauth::channel::{ChannelFacts, Exporter, Handle};
use fast_reauth::store::client::Predecessor;
use fast_reauth::{openssl as ossl, rustls as rtls};
use openssl::ssl::{ErrorCode, Ssl, SslStream};
use rustls::{ClientConfig, ClientConnection, ConnectionCommon, ServerConfig, ServerConnection, SideData};

use crate::Pipe;
use crate::rustls_support::login::Ends;

pub enum ClientEnd {
    Rustls(Box<ClientConnection>, rtls::ClientWatch),
    OpenSsl(SslStream<Pipe>, ossl::Sessions),
}

pub enum ServerEnd {
    Rustls(Box<ServerConnection>, rtls::Watch),
    OpenSsl(SslStream<Pipe>, ossl::Recognition),
}

/// One connection.
pub struct Link {
    pub client: ClientEnd,
    pub server: ServerEnd,
    pub handle: Handle,
    /// The server says nothing when it ends.
    pub rude: bool,
}

/// As the adapter asks of a server, also where the client is gone.
impl Drop for Link {
    fn drop(&mut self) {
        if let (ServerEnd::OpenSsl(stream, _), false) = (&mut self.server, self.rude) {
            stream.get_mut().broken = true;
            let _ = stream.ssl_read(&mut [0; 1]);
            let _ = stream.shutdown();
        }
    }
}

impl ClientEnd {
    pub(crate) fn rustls(config: Arc<ClientConfig>, host: &str, watch: rtls::ClientWatch) -> Self {
        Self::Rustls(Box::new(ClientConnection::new(config, host.to_owned().try_into().unwrap()).unwrap()), watch)
    }

    pub(crate) fn openssl(ssl: Ssl, sessions: ossl::Sessions) -> Self {
        Self::OpenSsl(SslStream::new(ssl, Pipe::default()).unwrap(), sessions)
    }

    fn take(&mut self, wire: &[u8]) -> Vec<u8> {
        match self {
            Self::Rustls(connection, _) => rustls_takes(connection, wire),
            Self::OpenSsl(stream, _) => openssl_takes(stream, wire, SslStream::connect),
        }
    }

    pub fn facts(&self) -> Option<ChannelFacts> {
        match self {
            Self::Rustls(connection, watch) => watch.facts(connection).ok(),
            Self::OpenSsl(stream, sessions) => sessions.facts(stream.ssl()).ok(),
        }
    }
}

impl ServerEnd {
    pub(crate) fn rustls(config: Arc<ServerConfig>, watch: rtls::Watch) -> Self {
        Self::Rustls(Box::new(ServerConnection::new(config).unwrap()), watch)
    }

    pub(crate) fn openssl(ssl: Ssl, recognition: ossl::Recognition) -> Self {
        Self::OpenSsl(SslStream::new(ssl, Pipe::default()).unwrap(), recognition)
    }

    fn take(&mut self, wire: &[u8]) -> Vec<u8> {
        match self {
            Self::Rustls(connection, _) => rustls_takes(connection, wire),
            Self::OpenSsl(stream, _) => openssl_takes(stream, wire, SslStream::accept),
        }
    }

    pub fn facts(&mut self) -> Option<ChannelFacts> {
        match self {
            Self::Rustls(connection, watch) => watch.facts(connection).ok(),
            Self::OpenSsl(stream, recognition) => recognition.facts(stream.ssl()).ok(),
        }
    }

    pub fn recognised(&self) -> Option<Handle> {
        match self {
            Self::Rustls(connection, watch) => watch.recognised(connection),
            Self::OpenSsl(stream, recognition) => recognition.recognised(stream.ssl()),
        }
    }
}

impl ClientEnd {
    /// The stream, of an OpenSSL client.
    pub fn stream(&mut self) -> &mut SslStream<Pipe> {
        match self {
            Self::OpenSsl(stream, _) => stream,
            Self::Rustls(..) => panic!("a client by rustls"),
        }
    }
}

impl ServerEnd {
    /// The stream, of an OpenSSL server.
    pub fn stream(&mut self) -> &mut SslStream<Pipe> {
        match self {
            Self::OpenSsl(stream, _) => stream,
            Self::Rustls(..) => panic!("a server by rustls"),
        }
    }
}

/// What comes out of an end when this goes in.
fn rustls_takes<Data: SideData>(end: &mut ConnectionCommon<Data>, mut wire: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while !wire.is_empty() {
        end.read_tls(&mut wire).unwrap();
        end.process_new_packets().unwrap();
    }
    while end.wants_write() {
        end.write_tls(&mut out).unwrap();
    }
    out
}

fn openssl_takes(
    stream: &mut SslStream<Pipe>,
    wire: &[u8],
    handshake: impl Fn(&mut SslStream<Pipe>) -> Result<(), openssl::ssl::Error>,
) -> Vec<u8> {
    stream.get_mut().input.extend(wire);
    let progress = match stream.ssl().is_init_finished() {
        false => handshake(stream),
        true => Ok(()),
    };
    // The client's tickets come with what it reads.
    match progress.and_then(|()| stream.ssl_read(&mut [0; 1])) {
        Err(error) => assert!(matches!(error.code(), ErrorCode::WANT_READ | ErrorCode::ZERO_RETURN), "{error}"),
        Ok(count) => panic!("{count} octets of application data"),
    }
    core::mem::take(&mut stream.get_mut().output)
}

impl Link {
    /// The client's next flight; how many octets that was.
    pub fn to_server(&mut self) -> usize {
        let wire = self.client.take(&[]);
        self.deliver(&wire)
    }

    fn deliver(&mut self, wire: &[u8]) -> usize {
        let answer = self.server.take(wire);
        match &mut self.client {
            // What it has to say to that waits for its turn.
            ClientEnd::Rustls(connection, _) => {
                let mut rest = answer.as_slice();
                while !rest.is_empty() {
                    connection.read_tls(&mut rest).unwrap();
                    connection.process_new_packets().unwrap();
                }
            }
            ClientEnd::OpenSsl(stream, _) => stream.get_mut().input.extend(&answer),
        }
        wire.len() + answer.len()
    }

    /// The whole handshake, and what the server has to say after it.
    pub fn pump(&mut self) {
        while self.to_server() > 0 {}
    }

    pub fn authenticated(&mut self, family: Option<AssertionId>) {
        Ends::authenticated(self, family);
    }

    pub fn facts(&mut self) -> ChannelFacts {
        self.server_facts()
    }

    pub fn is_resumed(&mut self) -> bool {
        assert_eq!(self.server_facts().is_resumed(), self.client_facts().is_resumed());
        self.server_facts().is_resumed()
    }
}

impl Ends for Link {
    fn server_facts(&mut self) -> ChannelFacts {
        self.server.facts().unwrap()
    }

    fn client_facts(&self) -> ChannelFacts {
        self.client.facts().unwrap()
    }

    fn predecessor(&self) -> Option<Predecessor> {
        match &self.client {
            ClientEnd::Rustls(connection, watch) => watch.predecessor(connection),
            ClientEnd::OpenSsl(stream, sessions) => sessions.predecessor(stream.ssl()),
        }
    }

    fn server_exporter(&self) -> Box<dyn Exporter + '_> {
        match &self.server {
            ServerEnd::Rustls(connection, _) => Box::new(rtls::exporter(&**connection)),
            ServerEnd::OpenSsl(stream, _) => Box::new(ossl::exporter(stream.ssl())),
        }
    }

    fn client_exporter(&self) -> Box<dyn Exporter + '_> {
        match &self.client {
            ClientEnd::Rustls(connection, _) => Box::new(rtls::exporter(&**connection)),
            ClientEnd::OpenSsl(stream, _) => Box::new(ossl::exporter(stream.ssl())),
        }
    }

    fn authenticated(&mut self, family: Option<AssertionId>) {
        let facts = self.client_facts();
        match &self.client {
            ClientEnd::Rustls(_, watch) => watch.authenticated(&facts, family),
            ClientEnd::OpenSsl(stream, sessions) => sessions.authenticated(stream.ssl(), &facts, family),
        }
    }

    fn recognition_failed(&self) {
        match &self.client {
            ClientEnd::Rustls(_, watch) => watch.forget(),
            ClientEnd::OpenSsl(stream, sessions) => sessions.recognition_failed(stream.ssl()),
        }
    }
}
