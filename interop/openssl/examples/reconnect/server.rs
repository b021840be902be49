//! The server: one account, a password, and this library.

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fast_reauth::assertion::{DeviceId, FullLogin, Pin, Service};
use fast_reauth::channel::{Handle, ServerName};
use fast_reauth::mechanism::{Connection, Login, Recognised, Server};
use fast_reauth::openssl::{Recognition, exporter};
use fast_reauth::profile::{Offer, ServerEvent, imap};
use fast_reauth::store::{MemoryStore, Store as _};
use openssl::ssl::SslStream;
use openssl_and_rustls::acceptor;
use openssl_and_rustls::rustls_support::{Identity, MODES};

use super::{Fault, NAME, PASSWORD, USER, Wire, now, random};

struct Mail {
    server: Server,
    recognition: Recognition,
    store: MemoryStore,
}

/// Serves one connection after the other, on the port that it says.
pub(crate) fn start(identity: Identity) -> Result<u16, Fault> {
    let service = Mail {
        server: Server::new(Service::IMAP, [ServerName::parse(NAME)?], ["PLAIN"])?.pins([Pin::SHA_256_EXPR]),
        recognition: Recognition::new(acceptor(MODES[0], &identity)?)?,
        store: MemoryStore::default(),
    };
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for tcp in listener.incoming() {
            if let Err(fault) = tcp.map_err(Fault::from).and_then(|tcp| service.serve(tcp)) {
                println!("server: {fault}");
            }
        }
    });
    Ok(port)
}

impl Mail {
    fn serve(&self, tcp: TcpStream) -> Result<(), Fault> {
        tcp.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut wire = Wire::new(SslStream::new(self.recognition.connection(Handle::new(random()?))?, tcp)?);
        wire.stream.accept()?;
        let served = self.speak(&mut wire);
        // Or OpenSSL takes the connection for one that failed, and its newest session with it.
        let _ = wire.stream.shutdown();
        served
    }

    fn speak(&self, wire: &mut Wire<SslStream<TcpStream>>) -> Result<(), Fault> {
        let connection = Connection::new(&self.server, self.recognition.facts(wire.stream.ssl())?);
        let lineage = match connection.lookup() {
            Some(lookup) => self.store.lookup(&lookup, now()?)?.lineage,
            None => None,
        };
        let mut connection = connection.resumes(lineage);
        let offer = Offer::of(connection.mechanisms(now()?))?;
        wire.send(format!("* OK [CAPABILITY IMAP4rev2 {}] ready\r\n", imap::capabilities(&offer)).as_bytes())?;
        while wire.has_line()? {
            let line = String::from_utf8_lossy(&wire.input).lines().next().unwrap_or_default().to_owned();
            match line.split(' ').collect::<Vec<_>>()[..] {
                [tag, "AUTHENTICATE", "PLAIN", message] => {
                    wire.line()?;
                    self.full_login(wire, &mut connection, message)?;
                    wire.send(format!("{tag} OK Logged in\r\n").as_bytes())?;
                }
                [_, "AUTHENTICATE", ..] => self.recognise(wire, &mut connection, &offer)?,
                [tag, ..] => {
                    wire.line()?;
                    wire.send(format!("{tag} OK done\r\n").as_bytes())?;
                }
                [] => return Err("an empty line".into()),
            }
        }
        Ok(())
    }

    fn full_login(
        &self,
        wire: &Wire<SslStream<TcpStream>>,
        connection: &mut Connection<'_>,
        message: &str,
    ) -> Result<(), Fault> {
        if STANDARD.decode(message)? != format!("\0{USER}\0{PASSWORD}").as_bytes() {
            return Err("a wrong password".into());
        }
        let full = FullLogin::new("PLAIN", USER)?;
        let login = Login { full: &full, identity: USER, device: DeviceId::new(random()?), now: now()? };
        let known = connection.logged_in(login, &exporter(wire.stream.ssl()));
        self.store.commit(&known.commit, now()?)?;
        Ok(())
    }

    /// An attempt with EXTERNAL or IKY.
    fn recognise(
        &self,
        wire: &mut Wire<SslStream<TcpStream>>,
        connection: &mut Connection<'_>,
        offer: &Offer,
    ) -> Result<(), Fault> {
        let mut exchange = imap::server(offer);
        let mut client: Option<Recognised> = None;
        loop {
            let mut event = exchange.receive(&mut wire.input)?;
            if let ServerEvent::Verify(request) = event {
                let message = request.initial_response.unwrap_or_default();
                let attempt = connection.receive(request.mechanism.as_str(), &message).ok_or("another mechanism")?;
                let verdict = attempt.run(&self.store, now()?);
                client = verdict.recognised;
                event = exchange.finish(verdict.outcome, verdict.message.as_deref())?;
            }
            match event {
                ServerEvent::Send(octets) => wire.send(&octets)?,
                ServerEvent::NeedMore if wire.read()? => {}
                ServerEvent::Done { bytes, .. } => {
                    let now = now()?;
                    if let Some(link) = client.and_then(|client| connection.recognised(&client, now)) {
                        self.store.commit(&link, now)?;
                    }
                    return wire.send(&bytes);
                }
                _ => return Err("something else in the middle of a login".into()),
            }
        }
    }
}
