//! What the three clients share: one account, what is kept of it, and how this library is asked.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fast_reauth::Timestamp;
use fast_reauth::assertion::{ClientAssertion, HtMechanism, Policy, Scope};
use fast_reauth::channel::ServerName;
use fast_reauth::profile::{Answer, ClientExchange, Completion, Event, Offer};
use fast_reauth::rustls::{ClientWatch, Sessions, exporter};
use fast_reauth::store::client::{Account, Accounts, Attempt, Connection, Plan, Settled};
use tokio::net::TcpStream;
use tokio_rustls::rustls::ClientConfig;

use crate::link::{Count, Link};
use crate::service::{decoded, now};
use crate::tls::{self, ClientWire, Connected};
use crate::{Fault, Protocol, Way, digest_md5, scram};

/// A client, with one account.
pub(crate) struct Visitor {
    pub(crate) base: Arc<ClientConfig>,
    pub(crate) account: Account,
    pub(crate) sessions: Sessions,
    pub(crate) accounts: Accounts,
    password: String,
    digest: RefCell<digest_md5::Client>,
}

impl Visitor {
    /// A client that was never here before.
    pub(crate) fn new(
        protocol: Protocol,
        base: Arc<ClientConfig>,
        (name, password): (&str, &str),
    ) -> Result<Self, Fault> {
        let scope = Scope::new(protocol.service(), ServerName::parse(protocol.host())?);
        Ok(Self {
            base,
            account: Account::new(scope, name),
            sessions: Sessions::new(NonZeroUsize::MIN),
            accounts: Accounts::new(Policy::default()).preferring_tokens([HtMechanism::HT_SHA_256_EXPR]),
            password: password.to_owned(),
            digest: RefCell::new(digest_md5::Client::new(protocol.digest_account((name, password)), "OA6MHXh6VqTrRk")),
        })
    }

    /// Ends and starts again: TLS sessions are gone, assertions come back from where the platform keeps its secrets.
    pub(crate) fn restart(&mut self) -> Result<(), Fault> {
        let keyring: Vec<_> = self.accounts.assertions(&self.account).iter().map(ClientAssertion::to_bytes).collect();
        let offered = self.accounts.last_offer(&self.account);
        self.sessions = Sessions::new(NonZeroUsize::MIN);
        self.accounts = Accounts::new(Policy::default());
        for octets in keyring {
            let assertion = ClientAssertion::from_bytes(&octets)?;
            self.accounts.restore(&self.account, assertion, offered.iter().map(|name| &**name));
        }
        Ok(())
    }
}

/// One connection of a client, in the way that is to be measured; `None` where no login is asked for.
pub(crate) struct Visit<'v> {
    pub(crate) wire: ClientWire,
    pub(crate) way: Option<Way>,
    visitor: &'v Visitor,
    connection: Connection<'v>,
    watch: ClientWatch,
}

impl<'v> Visit<'v> {
    pub(crate) async fn start(
        visitor: &'v Visitor,
        way: Option<Way>,
        tcp: TcpStream,
        link: &Link,
    ) -> Result<Self, Fault> {
        let Connected { wire, facts, predecessor, watch } = tls::connect(visitor, tcp, link).await?;
        let resumes = matches!(way, Some(Way::ExternalResumed | Way::IkyResumed | Way::Ht));
        match facts.is_resumed() {
            false if resumes => return Err("TLS made a full handshake, where it was to resume a session".into()),
            true if !resumes => return Err("TLS resumed a session, where it was to make a full handshake".into()),
            _ => {}
        }
        let connection = visitor.accounts.connect(&visitor.account, facts).resumes(predecessor);
        // The library prefers its own, so to measure tokens it is kept from knowing of anything else.
        let tokens = (way == Some(Way::Ht)).then(|| HtMechanism::HT_SHA_256_EXPR.name());
        let connection = if tokens.is_some() { connection.fast(tokens) } else { connection };
        Ok(Self { wire, way, visitor, connection, watch })
    }

    /// The name that the client logs in under.
    pub(crate) fn name(&self) -> &str {
        &self.visitor.account.login_name
    }

    /// What the server lists here.
    pub(crate) fn offered(self, offer: &Offer) -> Self {
        self.offered_names(offer.mechanisms().iter().map(|name| name.as_str()))
    }

    /// What the server lists here, after the login: for next time.
    pub(crate) fn remember(&mut self, offer: &Offer) {
        self.connection.saw_offer(offer.mechanisms().iter().map(|name| name.as_str()));
    }

    /// Where the client speaks first: what the server listed last time.
    pub(crate) fn offered_last_time(self) -> Self {
        let offered = self.visitor.accounts.last_offer(&self.visitor.account);
        self.offered_names(offered.iter().map(|name| &**name))
    }

    /// The library prefers EXTERNAL where it is listed, so to measure IKY on the same session it is kept from knowing.
    fn offered_names<'o>(self, names: impl Iterator<Item = &'o str>) -> Self {
        let way = self.way;
        let names = names.filter(|name| match way {
            Some(Way::IkyResumed) => *name != "EXTERNAL",
            Some(Way::Ht) => false,
            _ => true,
        });
        Self { connection: self.connection.offered(names), ..self }
    }

    /// How to log in: by an attempt to be recognised, or fully.
    pub(crate) fn plan(&mut self) -> Result<Option<Attempt>, Fault> {
        match (self.way, self.connection.plan(now())) {
            (Some(Way::Full), Plan::FullLogin) => Ok(None),
            (Some(Way::ExternalResumed), Plan::Known(attempt)) if attempt.mechanism() == "EXTERNAL" => {
                Ok(Some(attempt))
            }
            (Some(Way::IkyResumed | Way::IkyFresh), Plan::Known(attempt))
                if attempt.mechanism().starts_with("IKY-") =>
            {
                Ok(Some(attempt))
            }
            (Some(Way::Ht), Plan::Known(attempt)) if attempt.uses_token() => Ok(Some(attempt)),
            (_, plan) => Err(format!("the client would log in otherwise: {plan:?}").into()),
        }
    }

    /// The server's answer to an attempt. An accepted one counts only if the server showed that it is the server.
    pub(crate) fn settle(&mut self, attempt: Attempt, verdict: Answer, message: Option<&[u8]>) -> Result<(), Fault> {
        settled(self.connection.settle(attempt, verdict.into(), message, now()), verdict)?;
        self.authenticated();
        Ok(())
    }

    /// A full login succeeded: from now on the client can be recognised.
    pub(crate) fn logged_in(&mut self) -> Result<(), Fault> {
        let full = scram::full_login(self.name(), self.connection.facts())?;
        if !self.connection.logged_in(&full, &exporter(self.wire.tls.get_ref().1), &[], now())? {
            return Err("the server lists no mechanism to be recognised by".into());
        }
        self.authenticated();
        Ok(())
    }

    /// The mechanism to ask for a token for, if the server lists one.
    pub(crate) fn wants_token(&mut self, offer: &Offer) -> Option<HtMechanism> {
        self.connection.saw_fast(offer.mechanisms().iter().map(|name| name.as_str()));
        Some(self.connection.wanted_token()?.0)
    }

    /// A token came with the success of the full login.
    pub(crate) fn token_issued(&mut self, mechanism: HtMechanism, text: &str, expiry: Timestamp) -> Result<(), Fault> {
        let full = scram::full_login(self.name(), self.connection.facts())?;
        Ok(self.connection.token_issued(&full, mechanism, text, expiry, now())?)
    }

    /// This connection's TLS session may be resumed.
    fn authenticated(&self) {
        self.watch.authenticated(self.connection.facts(), self.connection.family());
    }

    /// An attempt as IMAP and SMTP carry it, behind its first flight.
    pub(crate) async fn follow(&mut self, exchange: &mut ClientExchange) -> Result<Completion, Fault> {
        loop {
            match exchange.receive(&mut self.wire.input)? {
                Event::NeedMore => self.wire.need().await?,
                Event::Pass(_) => {}
                Event::Send(flight) => self.wire.send("answer", &flight.bytes).await?,
                Event::Done(completion) => return Ok(completion),
            }
        }
    }

    pub(crate) fn scram(&self) -> Result<(scram::Client, Vec<u8>), Fault> {
        scram::Client::start(self.name(), &self.visitor.password, self.connection.facts())
    }

    /// A full login as IMAP and SMTP carry it: a command with the first message, then two challenges that begin so. The completion
    /// is still to be read.
    pub(crate) async fn full_login(
        &mut self,
        command: impl Fn(&[u8]) -> Vec<u8>,
        challenge: &[u8],
    ) -> Result<(), Fault> {
        let (mut scram, message) = self.scram()?;
        self.wire.send(format!("{} (client first)", scram::MECHANISM), &command(&message)).await?;
        for what in ["answer (client final)", "empty answer"] {
            let line = self.wire.line().await?;
            let message = line.strip_prefix(challenge).ok_or_else(|| unexpected(&line))?;
            let answer = scram.step(&decoded(message)?)?;
            self.wire.send(what, format!("{}\r\n", STANDARD.encode(answer)).as_bytes()).await?;
        }
        scram.end()
    }

    /// DIGEST-MD5 as IMAP and SMTP carry it: with a response at once if there is a nonce from last time, else behind a challenge.
    /// The completion is still to be read.
    pub(crate) async fn digest_login(
        &mut self,
        command: impl Fn(Option<&[u8]>) -> Vec<u8>,
        challenge: &[u8],
    ) -> Result<(), Fault> {
        let mut response = self.digest_response();
        self.wire.send("DIGEST-MD5", &command(response.as_deref())).await?;
        loop {
            let line = self.wire.line().await?;
            let message = decoded(line.strip_prefix(challenge).ok_or_else(|| unexpected(&line))?)?;
            if response.is_some() {
                self.is_digest_server(&message)?;
                return self.wire.send("empty answer", b"\r\n").await;
            }
            let answer = self.digest_answer(&message)?;
            self.wire.send("response", format!("{}\r\n", STANDARD.encode(&answer)).as_bytes()).await?;
            response = Some(answer);
        }
    }

    /// The initial response of DIGEST-MD5, if the client was here before.
    pub(crate) fn digest_response(&self) -> Option<Vec<u8>> {
        self.visitor.digest.borrow_mut().subsequent()
    }

    pub(crate) fn digest_answer(&self, challenge: &[u8]) -> Result<Vec<u8>, Fault> {
        let answer = self.visitor.digest.borrow_mut().first(challenge);
        answer.ok_or_else(|| "a challenge without nonce".into())
    }

    pub(crate) fn is_digest_server(&self, rspauth: &[u8]) -> Result<(), Fault> {
        match self.visitor.digest.borrow().is_server(rspauth) {
            true => Ok(()),
            false => Err("whoever answered does not know the password".into()),
        }
    }

    /// What the client waited for until now.
    pub(crate) fn count(&self) -> Count {
        self.wire.link.count()
    }
}

/// An attempt that failed is an error here, where each has to work.
pub(crate) fn settled(settled: Settled, verdict: Answer) -> Result<(), Fault> {
    match settled {
        Settled::LoggedIn => Ok(()),
        Settled::Failed(next) => Err(format!("not logged in (the code says {verdict:?}); next: {next}").into()),
    }
}

/// The error for a line from the server that nobody expected.
pub(crate) fn unexpected(line: &[u8]) -> Fault {
    format!("the server answered {:?}", String::from_utf8_lossy(line).trim_end()).into()
}
