//! Strangers of every kind. Each is over when the server has answered it for good or dropped it, and says how long that took.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fast_reauth::channel::ChannelFacts;
use fast_reauth::mechanism::iky;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::common::tls::{self, Connected};
use crate::common::wire::ClientWire;
use crate::common::{Fault, random, scram};
use crate::report::Report;
use crate::returning::{self, Proofs};
use crate::server::{self, ServerProcess};

/// On top of the server's limits, for a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    JunkBeforeTls,
    Silent,
    HalfAHandshake,
    JunkLines,
    JunkProofs,
    AlteredProofs,
    RepeatedProofs,
    WrongPasswords,
    OneOctetAtATime,
    EndlessLine,
    NeverReads,
    HugeLiteral,
}

impl Kind {
    pub(crate) const ALL: [Self; 12] = [
        Self::JunkBeforeTls,
        Self::Silent,
        Self::HalfAHandshake,
        Self::JunkLines,
        Self::JunkProofs,
        Self::AlteredProofs,
        Self::RepeatedProofs,
        Self::WrongPasswords,
        Self::OneOctetAtATime,
        Self::EndlessLine,
        Self::NeverReads,
        Self::HugeLiteral,
    ];

    fn is_behind_tls(self) -> bool {
        !matches!(self, Self::JunkBeforeTls | Self::Silent | Self::HalfAHandshake)
    }

    /// How long the server may take to be done with one.
    fn limit(self) -> Duration {
        let limits = server::limits();
        if self.is_behind_tls() { limits.handshake + limits.login } else { limits.handshake }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::JunkBeforeTls => "junk before TLS",
            Self::Silent => "connects, says nothing",
            Self::HalfAHandshake => "half a TLS handshake",
            Self::JunkLines => "lines of junk",
            Self::JunkProofs => "messages of junk",
            Self::AlteredProofs => "a client's proof, altered",
            Self::RepeatedProofs => "a proof of another connection",
            Self::WrongPasswords => "wrong passwords",
            Self::OneOctetAtATime => "an octet at a time",
            Self::EndlessLine => "a line without an end",
            Self::NeverReads => "never reads an answer",
            Self::HugeLiteral => "a literal of a gigabyte",
        })
    }
}

/// What the server did in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// It answered all of it.
    Answered,
    /// It closed the connection.
    Dropped,
    /// Neither, within its limits.
    StillThere,
    /// It let a stranger in.
    LetIn,
}

/// Why one came to no end.
enum Failed {
    /// The server ended the connection.
    Dropped,
    /// Something went wrong on this side, or before anything was tried: that says nothing of what the server withstands.
    Here(Fault),
}

impl Failed {
    fn here(fault: impl Into<Fault>) -> Self {
        Self::Here(fault.into())
    }

    /// Of a connection that is there: whoever reads or writes is told so when the other end has closed it.
    fn on_the_wire(fault: impl Into<Fault>) -> Self {
        let fault = fault.into();
        match fault.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted) => Self::Dropped,
            Some(io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof) => Self::Dropped,
            _ => Self::Here(fault),
        }
    }
}

pub(crate) async fn keep_trying(
    server: Rc<ServerProcess>,
    kind: Kind,
    end: Instant,
    known: Proofs,
    report: Rc<RefCell<Report>>,
) {
    while Instant::now() < end {
        let (begin, inputs) = (Instant::now(), Cell::new(0));
        let ended = match timeout(kind.limit() + PATIENCE, one(&server, kind, &known, &inputs)).await {
            Ok(Ok(Some(ended))) => ended,
            // There is no client yet whose proof could be altered.
            Ok(Ok(None)) => {
                sleep(Duration::from_millis(100)).await;
                continue;
            }
            Ok(Err(Failed::Here(fault))) => {
                report.borrow_mut().fault(kind, &fault);
                sleep(Duration::from_millis(100)).await;
                continue;
            }
            Ok(Err(Failed::Dropped)) => End::Dropped,
            Err(_) => End::StillThere,
        };
        report.borrow_mut().stranger(kind, ended, inputs.get(), begin.elapsed());
    }
}

/// One of them; `inputs` counts what it tried.
async fn one(server: &ServerProcess, kind: Kind, known: &Proofs, inputs: &Cell<u64>) -> Result<Option<End>, Failed> {
    match kind {
        Kind::JunkBeforeTls => dropped(server, &random::<200>().map_err(Failed::here)?, inputs).await,
        Kind::Silent => dropped(server, b"", inputs).await,
        // The start of a record that would hold a ClientHello.
        Kind::HalfAHandshake => dropped(server, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", inputs).await,
        _ => behind_tls(server, kind, known, inputs).await,
    }
}

/// Sends these octets, or none, which is an input as well, and waits for the end.
async fn dropped(server: &ServerProcess, octets: &[u8], inputs: &Cell<u64>) -> Result<Option<End>, Failed> {
    let mut tcp = TcpStream::connect(&server.address).await.map_err(Failed::here)?;
    tcp.write_all(octets).await.map_err(Failed::on_the_wire)?;
    inputs.set(1);
    tcp.read_to_end(&mut Vec::new()).await.map_err(Failed::on_the_wire)?;
    Ok(Some(End::Dropped))
}

/// What one sends behind TLS.
struct Scene {
    wire: ClientWire,
    facts: ChannelFacts,
    /// For IKY.
    message: Vec<u8>,
}

async fn behind_tls(
    server: &ServerProcess,
    kind: Kind,
    known: &Proofs,
    inputs: &Cell<u64>,
) -> Result<Option<End>, Failed> {
    // TLS and the greeting are nobody's attack: whoever does not get them has tried nothing.
    match scene(server, kind, known).await.map_err(Failed::here)? {
        Some(scene) => attack(scene, kind, inputs).await.map_err(Failed::on_the_wire).map(Some),
        None => Ok(None),
    }
}

async fn scene(server: &ServerProcess, kind: Kind, known: &Proofs) -> Result<Option<Scene>, Fault> {
    let nowhere = std::env::temp_dir().join("fast-reauth-soak-stranger.state");
    let client = returning::client(server, "guess", &nowhere)?;
    let Connected { mut wire, facts, .. } = tls::connect(&client).await?;
    wire.line().await?;
    let mut message = match kind {
        Kind::AlteredProofs | Kind::RepeatedProofs => {
            let Some(assertion) = known.assertion() else { return Ok(None) };
            let facts = match kind {
                Kind::AlteredProofs => facts.clone(),
                _ => tls::connect(&client).await?.facts,
            };
            iky::Client::start(&assertion, &facts, None, None)?.message
        }
        _ => random::<64>()?.to_vec(),
    };
    if kind == Kind::AlteredProofs {
        let [at, to, ..] = random::<8>()?;
        let at = usize::from(at) % message.len();
        message[at] ^= to.max(1);
    }
    Ok(Some(Scene { wire, facts, message }))
}

/// A line, where the end would be too early.
async fn line(wire: &mut ClientWire) -> Result<Bytes, Fault> {
    wire.next_line().await?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof).into())
}

/// Whether the server lets in whoever says this, and answers its challenges so.
async fn lets_in(
    wire: &mut ClientWire,
    mechanism: &str,
    message: &[u8],
    mut answer: impl FnMut(&[u8]) -> Result<String, Fault>,
) -> Result<bool, Fault> {
    wire.send(format!("a1 AUTHENTICATE {mechanism} {}\r\n", STANDARD.encode(message)).as_bytes()).await?;
    loop {
        let line = line(wire).await?;
        if let Some(challenge) = line.strip_prefix(b"+") {
            wire.send(format!("{}\r\n", answer(challenge)?).as_bytes()).await?;
        } else if line.starts_with(b"a1 ") {
            return Ok(line.starts_with(b"a1 OK"));
        }
    }
}

async fn attack(scene: Scene, kind: Kind, inputs: &Cell<u64>) -> Result<End, Fault> {
    let Scene { mut wire, facts, message } = scene;
    let tried = || inputs.set(inputs.get() + 1);
    match kind {
        Kind::JunkLines => {
            for _ in 0..20 {
                wire.send(&[&random::<32>()?[..], b"\r\n"].concat()).await?;
                tried();
            }
            wire.send(b"z LOGOUT\r\n").await?;
        }
        Kind::WrongPasswords => {
            for _ in 0..5 {
                let (mut client, message) = scram::Client::start("alice", "guess", &facts)?;
                tried();
                let mut is_proved = false;
                let answer = |challenge: &[u8]| match client.step(&STANDARD.decode(challenge.trim_ascii())?) {
                    Ok(proof) => {
                        is_proved = true;
                        Ok(STANDARD.encode(proof))
                    }
                    // What the server says of the proof comes as a challenge, too.
                    Err(_) if is_proved => Ok("*".to_owned()),
                    Err(fault) => Err(fault),
                };
                if lets_in(&mut wire, scram::MECHANISM, &message, answer).await? {
                    return Ok(End::LetIn);
                }
            }
        }
        Kind::OneOctetAtATime => loop {
            for octet in b"a1 NOOP\r\n" {
                wire.send(&[*octet]).await?;
                tried();
                sleep(Duration::from_millis(100)).await;
            }
        },
        Kind::EndlessLine => loop {
            wire.send(&[b'a'; 4096]).await?;
            tried();
        },
        Kind::HugeLiteral => {
            wire.send(b"a1 LOGIN {1000000000}\r\n").await?;
            tried();
            line(&mut wire).await?;
            loop {
                wire.send(&[b'a'; 4096]).await?;
                tried();
            }
        }
        Kind::NeverReads => loop {
            wire.send(&b"a1 NOOP\r\n".repeat(1000)).await?;
            tried();
        },
        _ => {
            for _ in 0..5 {
                tried();
                // The responder message is answered by an empty one.
                if lets_in(&mut wire, "IKY-SHA-256-EXPR", &message, |_| Ok(String::new())).await? {
                    return Ok(End::LetIn);
                }
            }
        }
    }
    while let Some(line) = wire.next_line().await? {
        if line.starts_with(b"z ") {
            return Ok(End::Answered);
        }
    }
    Ok(End::Dropped)
}
