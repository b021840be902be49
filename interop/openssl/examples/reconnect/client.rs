//! One visit of the client.

use std::fs;
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fast_reauth::assertion::{ClientAssertion, FullLogin, Policy, Scope, Service};
use fast_reauth::channel::ServerName;
use fast_reauth::openssl::{Sessions, exporter};
use fast_reauth::profile::{Event, MechanismName, Tag, imap};
use fast_reauth::store::client::{Account, Accounts, Plan, Settled};
use openssl::ssl::{SslConnector, SslMethod, SslStream};
use openssl::x509::X509;

use super::{Fault, NAME, PASSWORD, USER, Wire, now};

pub(crate) fn visit(folder: &Path, port: u16) -> Result<(), Fault> {
    let mut connector = SslConnector::builder(SslMethod::tls_client())?;
    connector.cert_store_mut().add_cert(X509::from_der(&fs::read(folder.join("certificate"))?)?)?;
    let sessions = Sessions::new(connector, NonZeroUsize::MIN)?;
    let accounts = Accounts::new(Policy::default());
    let account = Account::new(Scope::new(Service::IMAP, ServerName::parse(NAME)?), USER);
    if let (Ok(assertion), Ok(offered)) =
        (fs::read(folder.join("assertion")), fs::read_to_string(folder.join("offered")))
    {
        accounts.restore(&account, ClientAssertion::from_bytes(&assertion)?, offered.split(' '));
    }
    if let Ok(saved) = fs::read(folder.join("sessions")) {
        sessions.restore(&account, &saved)?;
    }

    let (mut ssl, session) = sessions.connection(NAME, &account)?;
    if let Some(session) = session {
        openssl_and_rustls::offer(&mut ssl, &session);
    }
    let tcp = TcpStream::connect(("127.0.0.1", port))?;
    tcp.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut wire = Wire::new(SslStream::new(ssl, tcp)?);
    wire.stream.connect()?;
    let facts = sessions.facts(wire.stream.ssl())?;
    println!("   {:?} handshake, {:?}", facts.handshake(), facts.version());
    let offer = imap::offer(wire.line()?.as_bytes());
    let listed = offer.mechanisms().iter().map(|name| name.as_str());
    let predecessor = sessions.predecessor(wire.stream.ssl());
    let mut connection = accounts.connect(&account, facts).resumes(predecessor).offered(listed);
    match connection.plan(now()?) {
        Plan::Known(attempt) => {
            let mechanism = MechanismName::parse(attempt.mechanism())?;
            let (flight, mut exchange) = imap::authenticate(Tag::parse("a1")?, &offer, mechanism, attempt.message());
            let noop: &[u8] = b"a2 NOOP\r\n";
            wire.send(&[&flight.bytes[..], noop].concat())?;
            println!("C: a1 AUTHENTICATE {} …\nC: a2 NOOP", attempt.mechanism());
            let completion = loop {
                match exchange.receive(&mut wire.input)? {
                    Event::NeedMore if wire.read()? => {}
                    Event::NeedMore => return Err("the server left".into()),
                    Event::Pass(_) => {}
                    Event::Send(flight) => wire.send(&flight.bytes)?,
                    Event::Done(completion) => break completion,
                }
            };
            match connection.settle(attempt, completion.verdict.into(), completion.data.as_deref(), now()?) {
                Settled::LoggedIn => print!("S: a1 OK\nS: {}", wire.line()?),
                Settled::Failed(next) => return Err(format!("not known, and next {next:?}").into()),
            }
        }
        Plan::FullLogin => {
            let message = STANDARD.encode(format!("\0{USER}\0{PASSWORD}"));
            wire.send(format!("a1 AUTHENTICATE PLAIN {message}\r\n").as_bytes())?;
            print!("C: a1 AUTHENTICATE PLAIN …\nS: {}", wire.line()?);
            connection.logged_in(&FullLogin::new("PLAIN", USER)?, &exporter(wire.stream.ssl()), &[], now()?)?;
            wire.send(b"a2 NOOP\r\n")?;
            print!("C: a2 NOOP\nS: {}", wire.line()?);
        }
        plan => return Err(format!("{plan:?} has no place here").into()),
    }
    sessions.authenticated(wire.stream.ssl(), connection.facts(), connection.family());

    // Secrets all: an application puts them where it has its passwords.
    for assertion in accounts.assertions(&account) {
        fs::write(folder.join("assertion"), assertion.to_bytes())?;
    }
    fs::write(folder.join("offered"), accounts.last_offer(&account).join(" "))?;
    fs::write(folder.join("sessions"), sessions.saved(&account))?;
    wire.stream.shutdown()?;
    Ok(())
}
