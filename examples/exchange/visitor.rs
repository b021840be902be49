//! The client's side of the scene: one account, what is kept of it, and one connection.

use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::sync::Arc;

use fast_reauth::Timestamp;
use fast_reauth::assertion::{BindingType, ClientAssertion, ClientToken, FullLogin, HtMechanism, Pin, Scope, Service};
use fast_reauth::channel::{ChannelFacts, ServerName};
use fast_reauth::framework::Client;
use fast_reauth::mechanism::{NextStep, Outcome};
use fast_reauth::rustls::{ClientWatch, Sessions, exporter};
use fast_reauth::store::client::{Account, Accounts, Settled};
use rustls::{ClientConfig, ClientConnection};

use super::service::SCRAM;
use super::wire::{Wire, encoded};
use super::{Fault, HOST, now};

pub struct Visitor {
    pub user: &'static str,
    tls: Arc<ClientConfig>,
    account: Account,
    sessions: Sessions,
    accounts: Arc<Accounts>,
    /// Prefers tokens to assertions that are derived.
    token: bool,
}

impl Visitor {
    pub fn new(user: &'static str, tls: Arc<ClientConfig>, token: bool) -> Result<Self, Fault> {
        let account = Account::new(Scope::new(Service::IMAP, ServerName::parse(HOST)?), user);
        let accounts = Arc::new(Self::accounts(token));
        Ok(Self { user, tls, account, sessions: Sessions::new(NonZeroUsize::MIN), accounts, token })
    }

    fn accounts(token: bool) -> Accounts {
        Accounts::default().preferring((!token).then_some(Pin::SHA_256_EXPR))
    }

    /// Ends and starts again: TLS sessions are gone, the rest comes back from where the platform keeps its secrets.
    pub fn restart(&mut self) -> Result<(), Fault> {
        let keyring = self.accounts.assertions(&self.account).iter().map(ClientAssertion::to_bytes).collect::<Vec<_>>();
        let tokens = self.accounts.tokens(&self.account).iter().map(ClientToken::to_bytes).collect::<Vec<_>>();
        let accounts = Self::accounts(self.token);
        for octets in keyring {
            accounts.restore(&self.account, ClientAssertion::from_bytes(&octets)?, None);
        }
        for octets in tokens {
            accounts.restore_token(&self.account, ClientToken::from_bytes(&octets)?);
        }
        (self.accounts, self.sessions) = (Arc::new(accounts), Sessions::new(NonZeroUsize::MIN));
        Ok(())
    }

    /// A connection after its handshake, and after the server said what it offers.
    pub fn connect(&self, tcp: TcpStream) -> Result<Visit, Fault> {
        let (config, watch) = self.sessions.connection(&self.tls, &self.account);
        let mut wire = Wire::open(ClientConnection::new(config, HOST.try_into()?)?, tcp)?;
        let (facts, before) = (watch.facts(wire.tls())?, watch.predecessor(wire.tls()));
        // Tokens are listed apart, as in XEP-0484: what an assertion is compared with later is the list for full logins.
        let greeting = wire.receive()?;
        let [_, listed, _, fast] = &greeting[..] else { return Err("not a greeting".into()) };
        let connection = self.accounts.connect_shared(&self.account, facts.clone()).resumes(before);
        let client = Client::new(connection.offered(listed.split(',')).fast(fast.split(',')), now);
        let wants = if self.token { client.with(|connection| connection.wanted_token()) } else { None };
        let wanted = wants.map(|(mechanism, _)| mechanism);
        let offered = listed.split(',').chain(fast.split(',')).map(str::to_owned).collect();
        Ok(Visit { user: self.user, wire, client, facts, offered, watch, wanted })
    }
}

pub struct Visit {
    pub user: &'static str,
    pub wire: Wire<ClientConnection, rustls::client::ClientConnectionData>,
    pub client: Client,
    pub facts: ChannelFacts,
    pub offered: Vec<String>,
    watch: ClientWatch,
    wanted: Option<HtMechanism>,
}

impl Visit {
    /// Sends the command, with the name of the token that a full login asks for.
    pub fn authenticate(&mut self, mechanism: &str, message: &[u8]) -> Result<(), Fault> {
        let wanted = self.wanted.filter(|_| mechanism == SCRAM).map(HtMechanism::name);
        let message = encoded(message);
        let words: Vec<&str> = ["AUTH", mechanism, &message].into_iter().chain(wanted).collect();
        self.wire.send(&words)
    }

    /// The server's word in the end. What came of the login, and what to do next if it failed.
    pub fn completed(&mut self, words: &[String], binding: Option<BindingType>) -> Result<Settled, Fault> {
        let accepted = words.first().is_some_and(|word| word == "OK");
        let outcome = if accepted { Outcome::Accepted } else { Outcome::Stale };
        let settled = match self.client.finish(outcome) {
            Some(settled) => settled,
            None if accepted => self.logged_in(words, binding)?,
            None => return Err("the password is wrong".into()),
        };
        match settled {
            // Its TLS session may be resumed. This is when an application stores its assertions and tokens.
            Settled::LoggedIn => {
                self.client.with(|connection| self.watch.authenticated(connection.facts(), connection.family()));
            }
            Settled::Failed(NextStep::FullHandshake | NextStep::Abandon) => self.watch.forget(),
            Settled::Failed(_) => {}
        }
        Ok(settled)
    }

    /// After a full login: from now on the server knows this client.
    fn logged_in(&mut self, words: &[String], binding: Option<BindingType>) -> Result<Settled, Fault> {
        let full = FullLogin::new(SCRAM, self.user)?;
        let full = binding.into_iter().fold(full, FullLogin::bound_by);
        self.client.logged_in(&full, &exporter(&*self.wire.tls()), &[])?;
        if let ([_, _, text, expires], Some(mechanism)) = (words, self.wanted) {
            let expires = Timestamp::from_secs(expires.parse()?);
            self.client.with(|connection| connection.token_issued(&full, mechanism, text, expires, now()))?;
        }
        Ok(Settled::LoggedIn)
    }
}
