//! The server's side of the scene: one service, and one connection of it.

use std::net::TcpStream;
use std::sync::Arc;

use fast_reauth::assertion::{
    BindingType, DeviceId, FullLogin, HtMechanism, Service as Name, ServiceKeys, TokenRequest,
};
use fast_reauth::channel::{Handle, ServerName};
use fast_reauth::framework::Server;
use fast_reauth::mechanism::ht::Beside;
use fast_reauth::mechanism::{self, Login, SharedConnection};
use fast_reauth::rustls::{Recognition, exporter};
use fast_reauth::store::{MemoryStore, Revoke, Store};
use rustls::{ServerConfig, ServerConnection};

use super::wire::{Wire, decoded, encoded};
use super::{Fault, HOST, INSTALLATION, now, random};

/// The mechanism for full logins.
pub const SCRAM: &str = "SCRAM-SHA-256-PLUS";

pub struct Service {
    server: Arc<mechanism::Server>,
    store: Arc<MemoryStore>,
    recognition: Recognition,
}

impl Service {
    pub fn new(tls: Arc<ServerConfig>) -> Result<Self, Fault> {
        let server = mechanism::Server::new(Name::IMAP, [ServerName::parse(HOST)?], [SCRAM])?;
        let server = server.fast([HtMechanism::HT_SHA_256_EXPR], ServiceKeys::new(1, &random()?));
        let (server, store) = (Arc::new(server), Arc::new(MemoryStore::default()));
        Ok(Self { server, store, recognition: Recognition::new(tls) })
    }

    /// The operator ends all that is known of an account's clients.
    pub fn revoke(&self, user: &str) -> Result<(), Fault> {
        self.store.revoke(user, Revoke::All, now())?;
        Ok(())
    }

    /// A connection after its handshake.
    pub fn accept(&self, tcp: TcpStream) -> Result<Guest, Fault> {
        let (config, watch) = self.recognition.connection(Handle::new(random()?));
        let mut wire = Wire::open(ServerConnection::new(config)?, tcp)?;
        let connection = SharedConnection::new(self.server.clone(), watch.facts(wire.tls())?);
        let store: Arc<dyn Store> = self.store.clone();
        let server = Server::new(connection, store, now);
        let (listed, fast) = (server.mechanisms(), server.with(|connection| connection.fast_mechanisms()));
        let fast: Vec<&str> = fast.into_iter().map(HtMechanism::name).collect();
        wire.send(&["SASL", &listed.join(","), "FAST", &fast.join(",")])?;
        Ok(Guest { wire, server, token: None })
    }
}

/// A client on one connection.
pub struct Guest {
    pub wire: Wire<ServerConnection, rustls::server::ServerConnectionData>,
    pub server: Server,
    token: Option<HtMechanism>,
}

impl Guest {
    /// The client's first line: its mechanism and its message. `None` when it has gone.
    pub fn attempt(&mut self) -> Result<Option<(String, Vec<u8>)>, Fault> {
        let Ok(words) = self.wire.receive() else { return Ok(None) };
        let [auth, mechanism, message, wanted @ ..] = &words[..] else { return Err("not a login".into()) };
        if auth != "AUTH" {
            return Err("not a login".into());
        }
        self.token = wanted.first().and_then(|name| HtMechanism::from_name(name));
        // HT-…-EXPR can't be replayed, so nobody counts.
        let (client, random) = (INSTALLATION.to_owned(), random()?);
        self.server.beside(Beside { client, random, count: None, invalidate: false, wants: None });
        Ok(Some((mechanism.clone(), decoded(message)?)))
    }

    /// Tells the client that it is logged in, with this message of the mechanism. A full login is remembered first.
    pub fn accepted(&mut self, user: &str, binding: Option<BindingType>, data: &[u8]) -> Result<(), Fault> {
        let data = encoded(data);
        if self.server.verdict().is_some() {
            self.wire.send(&["OK", &data])?;
            return Ok(self.server.completed()?);
        }
        let full = FullLogin::new(SCRAM, user)?;
        let full = binding.into_iter().fold(full, FullLogin::bound_by);
        let login = Login { full: &full, identity: user, device: DeviceId::new(random()?), now: now() };
        let issued = match self.token {
            Some(mechanism) => {
                let request = TokenRequest { mechanism, authcid: user, client: INSTALLATION, random: random()? };
                self.server.logged_in_with_token(login, &exporter(&*self.wire.tls()), &request)?
            }
            None => {
                self.server.logged_in(login, &exporter(&*self.wire.tls()))?;
                None
            }
        };
        match issued {
            Some(issued) => {
                self.wire.send(&["OK", &data, issued.token.expose(), &issued.expires.as_secs().to_string()])
            }
            None => self.wire.send(&["OK", &data]),
        }
    }

    /// Tells the client that it is not.
    pub fn refused(&mut self) -> Result<(), Fault> {
        self.wire.send(&["NO"])
    }
}
