//! A man in the middle with a certificate that the client trusts.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};

use crate::{Args, Fault, NAME, certificates};

/// How long either side may be silent before the other is heard.
const TURN: Duration = Duration::from_millis(50);

/// How long both may be silent.
const PATIENCE: u32 = 100;

type Victim = StreamOwned<ServerConnection, TcpStream>;
type Target = StreamOwned<ClientConnection, TcpStream>;

struct Relay {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    port: u16,
}

/// Relays one connection after the other.
pub(crate) fn run(args: &Args) -> Result<(), Fault> {
    let server = certificates::server_of(&args.cert, &args.key)?;
    let mut client = ClientConfig::clone(&*certificates::client_of(&args.ca)?);
    client.resumption = Resumption::disabled();
    let relay = Relay { server, client: Arc::new(client), port: args.port };
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("port {}", listener.local_addr()?.port());
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    loop {
        match listener.accept() {
            Ok((tcp, _)) => {
                if let Err(fault) = relay.both(tcp) {
                    println!("closed {fault}");
                }
            }
            // As in the server: no reason to relay nobody any more.
            Err(error) => {
                println!("closed {error}");
                std::thread::sleep(TURN);
            }
        }
    }
}

impl Relay {
    /// One connection of the client, and then one of his own with what the client said.
    fn both(&self, tcp: TcpStream) -> Result<(), Fault> {
        let mut victim: Victim = StreamOwned::new(ServerConnection::new(Arc::clone(&self.server))?, ready(tcp)?);
        let mut target = self.target()?;
        let (mut said, mut silent) = (Vec::new(), 0);
        while silent < PATIENCE {
            let heard = hear(&mut target);
            let client = hear(&mut victim);
            if let Some(octets) = &heard {
                victim.write_all(octets)?;
            }
            match client {
                Some(octets) if octets.is_empty() => break,
                Some(octets) => {
                    said.extend_from_slice(&octets);
                    target.write_all(&octets)?;
                    silent = 0;
                }
                None => silent += 1,
            }
            if heard.is_some_and(|octets| octets.is_empty()) {
                break;
            }
        }
        drop((victim, target));

        let mut target = self.target()?;
        // In IMAP the greeting first, as the client had it.
        let mut waiting = !said.starts_with(b"<");
        if !waiting {
            target.write_all(&said)?;
        }
        let mut answer = String::new();
        for _ in 0..PATIENCE {
            match hear(&mut target) {
                Some(octets) if octets.is_empty() => break,
                Some(octets) => answer += &String::from_utf8_lossy(&octets),
                None => {}
            }
            if waiting && answer.contains("\r\n") {
                waiting = false;
                target.write_all(&said)?;
            }
            if ["a2 ", "</success>", "</failure>"].iter().any(|end| answer.contains(end)) {
                break;
            }
        }
        println!("replayed {}", completion(&answer));
        Ok(())
    }

    fn target(&self) -> Result<Target, Fault> {
        let tcp = ready(TcpStream::connect(("127.0.0.1", self.port))?)?;
        Ok(StreamOwned::new(ClientConnection::new(Arc::clone(&self.client), ServerName::try_from(NAME)?)?, tcp))
    }
}

/// What came of the login: OK or NO.
fn completion(answer: &str) -> &str {
    let imap = answer.lines().find(|line| line.starts_with("a1 ")).and_then(|line| line.split(' ').nth(1));
    match answer {
        answer if answer.contains("<success") => "OK",
        answer if answer.contains("<failure") => "NO",
        _ => imap.unwrap_or("nothing"),
    }
}

fn ready(tcp: TcpStream) -> Result<TcpStream, Fault> {
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(TURN))?;
    Ok(tcp)
}

/// What this side has to say; nothing at its end, `None` if it is silent.
fn hear(side: &mut impl std::io::Read) -> Option<Vec<u8>> {
    let mut octets = vec![0; 4096];
    match side.read(&mut octets) {
        Ok(read) => {
            octets.truncate(read);
            Some(octets)
        }
        Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => None,
        Err(_) => Some(Vec::new()),
    }
}
