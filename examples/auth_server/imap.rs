//! As much IMAP as a full login takes.

use std::net::TcpStream;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fast_reauth::channel::Handle;
use fast_reauth::mechanism::Connection;
use fast_reauth::profile::{Offer, imap};
use fast_reauth::rustls::{Recognition, exporter};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::ServerSessionMemoryCache;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ServerConfig, ServerConnection};

use crate::service::Provider;
use crate::wire::Wire;
use crate::{Args, Fault, PASSWORD, USER, now, random};

pub(crate) struct Imap {
    recognition: Recognition,
    provider: Arc<Provider>,
}

impl Imap {
    pub(crate) fn new(args: &Args, provider: Arc<Provider>) -> Result<Self, Fault> {
        let chain = CertificateDer::pem_file_iter(&args.cert)?.collect::<Result<Vec<_>, _>>()?;
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13])?
            .with_no_client_auth();
        let mut config = config.with_single_cert(chain, PrivateKeyDer::from_pem_file(&args.key)?)?;
        config.session_storage = ServerSessionMemoryCache::new(1024);
        Ok(Self { recognition: Recognition::new(Arc::new(config)), provider })
    }

    pub(crate) fn serve(&self, tcp: TcpStream) -> Result<(), Fault> {
        let (config, watch) = self.recognition.connection(Handle::new(random()?));
        let mut wire = Wire::new(ServerConnection::new(config)?, tcp)?;
        let facts = watch.facts(&mut wire.tls.conn)?;
        let mut connection = Connection::new(&self.provider.imap, facts);
        let offer = Offer::of(connection.mechanisms(now()))?;
        wire.send(format!("* OK [CAPABILITY IMAP4rev1 {}] ready\r\n", imap::capabilities(&offer)).as_bytes())?;
        while wire.has_line()? {
            let line = wire.text()?;
            let reply = match line.split(' ').collect::<Vec<_>>()[..] {
                [tag, "AUTHENTICATE", "PLAIN", message] => {
                    let good = STANDARD.decode(message)? == format!("\0{USER}\0{PASSWORD}").as_bytes();
                    if good {
                        let token = self.provider.logged_in(&mut connection, &exporter(&wire.tls.conn))?;
                        // The control channel: an operator's own protocol would carry this.
                        println!("token {} {}", token.token.expose(), token.expires.as_secs());
                        println!("login IMAP PLAIN {USER}");
                    }
                    format!("{tag} {}\r\n", if good { "OK Logged in" } else { "NO Wrong" })
                }
                [tag, ..] => format!("{tag} BAD This server is for logging in\r\n"),
                [] => return Err("an empty line where a command was due".into()),
            };
            wire.send(reply.as_bytes())?;
        }
        Ok(())
    }
}
