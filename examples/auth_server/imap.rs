//! As much IMAP as a full login takes.

use std::net::TcpStream;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fast_reauth::channel::Handle;
use fast_reauth::mechanism::Connection;
use fast_reauth::profile::{Offer, imap};
use fast_reauth::rustls::{Recognition, exporter};
use tokio_rustls::rustls::ServerConnection;

use crate::service::Provider;
use crate::wire::Wire;
use crate::{Args, Fault, PASSWORD, USER, certificates, now, random};

pub(crate) struct Imap {
    recognition: Recognition,
    provider: Arc<Provider>,
}

impl Imap {
    pub(crate) fn new(args: &Args, provider: Arc<Provider>) -> Result<Self, Fault> {
        Ok(Self { recognition: Recognition::new(certificates::server_of(&args.cert, &args.key)?), provider })
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
