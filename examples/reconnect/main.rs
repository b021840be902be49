//! What a reconnect costs: IMAP, SMTP submission and XMPP, over real TCP and TLS 1.3 on loopback, behind a link that adds latency.
//!
//! `cargo run --example reconnect` logs in to each of them in full, and then comes back in three ways: by EXTERNAL on the resumed
//! TLS session, by IKY on the resumed session, and by IKY on a fresh one, as after a restart. The link counts the round trips.
//!
//! To read how the library is embedded, begin with `imap.rs`, `smtp.rs` or `xmpp.rs`: each is a server and a client. What the
//! servers share is in `service.rs`, what the clients share in `visitor.rs`; `tls.rs` is where the adapter sits.

mod args;
mod digest_md5;
mod early;
mod imap;
mod link;
mod loss;
mod report;
#[path = "../common/scram.rs"]
mod scram;
mod service;
mod smtp;
mod table;
mod tls;
mod visitor;
mod waterfall;
mod xmpp;

use std::process::ExitCode;
use std::time::Duration;

use fast_reauth::assertion;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::args::Args;
use crate::link::{Count, Flight, Link};
use crate::service::Service;
use crate::visitor::{Visit, Visitor};

/// Whatever goes wrong ends the program, with a message.
pub(crate) type Fault = Box<dyn std::error::Error>;

/// The protocols to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Imap,
    Smtp,
    Xmpp,
}

impl Protocol {
    pub(crate) const ALL: [Self; 3] = [Self::Imap, Self::Smtp, Self::Xmpp];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Smtp => "smtp",
            Self::Xmpp => "xmpp",
        }
    }

    pub(crate) const fn host(self) -> &'static str {
        match self {
            Self::Imap => "imap.example.org",
            Self::Smtp => "smtp.example.org",
            Self::Xmpp => "example.org",
        }
    }

    pub(crate) const fn service(self) -> assertion::Service {
        match self {
            Self::Imap => assertion::Service::IMAP,
            Self::Smtp => assertion::Service::SMTP,
            Self::Xmpp => assertion::Service::XMPP,
        }
    }

    /// What both ends of DIGEST-MD5 know.
    fn digest_account(self, (name, password): (&str, &str)) -> digest_md5::Account {
        let (realm, uri) = (self.host().to_owned(), format!("{}/{}", self.name(), self.host()));
        digest_md5::Account { name: name.to_owned(), password: password.to_owned(), realm, uri }
    }
}

/// The ways to log in, as they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Full,
    ExternalResumed,
    IkyResumed,
    IkyFresh,
    /// To compare with: a second login with DIGEST-MD5, by the nonce of the first.
    DigestMd5,
    /// To compare with: the token of XEP-0484 (FAST).
    Ht,
    /// In the client's first flight, which TLS 1.3 calls early data.
    Early,
}

impl Way {
    pub(crate) const ALL: [Self; 4] = [Self::Full, Self::ExternalResumed, Self::IkyResumed, Self::IkyFresh];

    /// As they are measured. An XMPP client learns only by a reconnect that its server lists EXTERNAL on a session that it knows,
    /// so that one comes second; a restart loses the sessions, so it comes last.
    const MEASURED: [Self; 4] = [Self::Full, Self::IkyResumed, Self::ExternalResumed, Self::IkyFresh];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::ExternalResumed => "external-resumed",
            Self::IkyResumed => "iky-resumed",
            Self::IkyFresh => "iky-fresh",
            Self::DigestMd5 => "digest-md5-subsequent",
            Self::Ht => "ht",
            Self::Early => "iky-early-data",
        }
    }
}

/// One connection, as the link saw it.
pub(crate) struct Run {
    pub(crate) count: Count,
    pub(crate) flights: Vec<Flight>,
}

/// All connections of one protocol.
pub(crate) struct Measured {
    pub(crate) protocol: Protocol,
    /// The same commands where no login is asked for.
    pub(crate) without_login: Run,
    /// In the order of [`Way::ALL`].
    pub(crate) ways: Vec<(Way, Run)>,
}

impl Measured {
    /// How many round trips the login made the client wait for.
    pub(crate) fn waited(&self, run: &Run) -> i64 {
        i64::from(run.count.round_trips) - i64::from(self.without_login.count.round_trips)
    }
}

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => {
            print!("{}", args::HELP);
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("reconnect: {message}\n\n{}", args::HELP);
            return ExitCode::from(2);
        }
    };
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("reconnect: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Fault> {
    if let Some(check) = &args.table {
        return table::run(check.as_deref());
    }
    let all = runtime()?.block_on(async {
        let mut all = Vec::new();
        for protocol in Protocol::ALL {
            all.push(measure(protocol, args.rtt).await?);
        }
        Ok::<_, Fault>(all)
    })?;
    let text = if args.json { report::json(&all)? } else { report::text(&all, args.rtt) };
    report::print(&text)
}

/// One thread: what is sent for what reason is then as certain as the order of events. See `link::settle`.
fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// A name and a password; the same for all, as nothing here depends on them.
const CREDENTIALS: (&str, &str) = ("juliet", "wherefore art thou");

async fn measure(protocol: Protocol, rtt: Duration) -> Result<Measured, Fault> {
    let (server_tls, client_tls) = tls::configurations()?;
    let open = Service::new(protocol, server_tls.clone(), CREDENTIALS, false)?;
    let stranger = Visitor::new(protocol, client_tls.clone(), CREDENTIALS)?;
    let without_login = connection(&open, &stranger, None, rtt).await?;

    let service = Service::new(protocol, server_tls, CREDENTIALS, true)?;
    let mut visitor = Visitor::new(protocol, client_tls, CREDENTIALS)?;
    let mut ways = Vec::new();
    for way in Way::MEASURED {
        if way == Way::IkyFresh {
            visitor.restart()?;
        }
        ways.push((way, connection(&service, &visitor, Some(way), rtt).await?));
    }
    ways.sort_by_key(|(way, _)| Way::ALL.iter().position(|shown| shown == way));
    Ok(Measured { protocol, without_login, ways })
}

/// One connection of the client, through a link of its own.
async fn connection(service: &Service, visitor: &Visitor, way: Option<Way>, rtt: Duration) -> Result<Run, Fault> {
    let what = format!("{}, {}", service.protocol.name(), way.map_or("no login", Way::name));
    // Far more round trips than any of this takes, and some time for a slow computer.
    let limit = Duration::from_secs(10) + 20 * rtt;
    match timeout(limit, converse(service, visitor, way, rtt)).await {
        Ok(Ok(run)) => Ok(run),
        Ok(Err(fault)) => Err(format!("{what}: {fault}").into()),
        Err(_) => Err(format!("{what}: no reply within {limit:?}").into()),
    }
}

async fn converse(service: &Service, visitor: &Visitor, way: Option<Way>, rtt: Duration) -> Result<Run, Fault> {
    let link = Link::new(rtt);
    let far = TcpListener::bind("127.0.0.1:0").await?;
    let near = TcpListener::bind("127.0.0.1:0").await?;
    let (far_address, near_address) = (far.local_addr()?, near.local_addr()?);

    let server = async {
        let (tcp, _) = far.accept().await?;
        match service.protocol {
            Protocol::Imap => imap::serve(service, tcp, &link).await,
            Protocol::Smtp => smtp::serve(service, tcp, &link).await,
            Protocol::Xmpp => xmpp::serve(service, tcp, &link).await,
        }
    };
    let client = async {
        let tcp = TcpStream::connect(near_address).await?;
        let visit = Visit::start(visitor, way, tcp, &link).await?;
        match service.protocol {
            Protocol::Imap => imap::visit(visit).await,
            Protocol::Smtp => smtp::visit(visit).await,
            Protocol::Xmpp => xmpp::visit(visit).await,
        }
    };
    // Whoever fails first has the better story, so the other end's complaint about it is not heard. When the client has what it
    // came for, the rest is dropped.
    let count: Result<Count, Fault> = tokio::select! {
        biased;
        Err(fault) = server => Err(format!("the server: {fault}").into()),
        Err(fault) = link.carry(&near, far_address) => Err(format!("the link: {fault}").into()),
        count = client => count.map_err(|fault| format!("the client: {fault}").into()),
    };
    Ok(Run { count: count?, flights: link.flights() })
}
