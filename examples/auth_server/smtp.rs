//! The client's half of SMTP submission.

use std::net::TcpStream;
use std::sync::Arc;

use fast_reauth::profile::{Completion, Event, MechanismName, NextCommand, Offer, smtp};
use tokio_rustls::rustls::client::ClientConnectionData;
use tokio_rustls::rustls::pki_types::ServerName as DnsName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection};

use crate::wire::Wire;
use crate::{Fault, SMTP};

/// A connection to Postfix, behind its answer to EHLO.
pub(crate) struct Submission {
    pub(crate) wire: Wire<ClientConnection, ClientConnectionData>,
    pub(crate) offer: Offer,
    pub(crate) ehlo: String,
}

impl Submission {
    pub(crate) fn connect(config: Arc<ClientConfig>, port: u16) -> Result<Self, Fault> {
        let tls = ClientConnection::new(config, DnsName::try_from(SMTP)?)?;
        let wire = Wire::new(tls, TcpStream::connect(("127.0.0.1", port))?)?;
        let mut submission = Self { wire, offer: Offer::default(), ehlo: String::new() };
        submission.expect(220)?;
        submission.ehlo = submission.command("EHLO client.example.com", 250)?;
        submission.offer = smtp::offer(submission.ehlo.as_bytes());
        Ok(submission)
    }

    /// Begins a login and goes on until the one challenge, or to the end where there is none.
    pub(crate) fn begin(&mut self, mechanism: &str, message: &[u8]) -> Result<Halfway, Fault> {
        let (flight, exchange) = smtp::authenticate(&self.offer, MechanismName::parse(mechanism)?, message);
        if flight.rides_along.permits(NextCommand::Changes) {
            return Err("Postfix does not say IKNOWYOU, so nothing rides along".into());
        }
        self.wire.send(&flight.bytes)?;
        let mut halfway = Halfway { exchange, next: Event::NeedMore };
        self.step(&mut halfway)?;
        Ok(halfway)
    }

    /// Answers the challenge, and goes on to the end.
    pub(crate) fn end(&mut self, mut halfway: Halfway) -> Result<Completion, Fault> {
        loop {
            match halfway.next {
                Event::Done(completion) => return Ok(completion),
                Event::Send(ref flight) => self.wire.send(&flight.bytes)?,
                Event::NeedMore | Event::Pass(_) => {}
            }
            halfway.next = Event::NeedMore;
            self.step(&mut halfway)?;
        }
    }

    pub(crate) fn log_in(&mut self, mechanism: &str, message: &[u8]) -> Result<Completion, Fault> {
        let halfway = self.begin(mechanism, message)?;
        self.end(halfway)
    }

    fn step(&mut self, halfway: &mut Halfway) -> Result<(), Fault> {
        while matches!(halfway.next, Event::NeedMore | Event::Pass(_)) {
            halfway.next = halfway.exchange.receive(&mut self.wire.input)?;
            if halfway.next == Event::NeedMore {
                self.wire.need()?;
            }
        }
        Ok(())
    }

    /// A mail, to somebody that this Postfix delivers nothing to; the id that the queue has it under.
    pub(crate) fn mail(&mut self) -> Result<String, Fault> {
        self.command("MAIL FROM:<alice@example.com>", 250)?;
        self.command("RCPT TO:<bob@elsewhere.example>", 250)?;
        self.command("DATA", 354)?;
        let reply = self.command("Subject: hello\r\n\r\nI know you.\r\n.", 250)?;
        Ok(reply.trim_end().rsplit(' ').next().unwrap_or_default().to_owned())
    }

    /// What becomes of a mail by somebody who is not logged in: the code for its first recipient.
    pub(crate) fn no_mail(&mut self) -> Result<String, Fault> {
        self.command("MAIL FROM:<alice@example.com>", 250)?;
        self.wire.send(b"RCPT TO:<bob@elsewhere.example>\r\n")?;
        let reply = self.reply()?;
        self.command("RSET", 250)?;
        Ok(reply.chars().take(3).collect())
    }

    pub(crate) fn command(&mut self, command: &str, code: u16) -> Result<String, Fault> {
        self.wire.send(format!("{command}\r\n").as_bytes())?;
        self.expect(code).map_err(|fault| format!("{command}: {fault}").into())
    }

    fn expect(&mut self, code: u16) -> Result<String, Fault> {
        let reply = self.reply()?;
        if reply.starts_with(&code.to_string()) { Ok(reply) } else { Err(reply.into()) }
    }

    /// A reply, with all its lines.
    pub(crate) fn reply(&mut self) -> Result<String, Fault> {
        let mut reply = String::new();
        loop {
            let line = self.wire.text()?;
            let more = line.as_bytes().get(3) == Some(&b'-');
            reply += &line;
            reply += "\r\n";
            if !more {
                return Ok(reply);
            }
        }
    }

    pub(crate) fn close(mut self) -> Result<(), Fault> {
        self.command("QUIT", 221)?;
        Ok(())
    }
}

/// A login at its challenge, or over.
pub(crate) struct Halfway {
    exchange: fast_reauth::profile::ClientExchange,
    next: Event,
}

impl Halfway {
    /// Whether the challenge is there, and its answer is due.
    pub(crate) fn is_challenged(&self) -> bool {
        matches!(self.next, Event::Send(_))
    }
}
