//! Both ends of a login, over whatever TLS stacks made the connection.

use fast_reauth::Timestamp;
use fast_reauth::assertion::{AssertionId, BindingType, DeviceId, FullLogin, Pin, Policy, Service};
use fast_reauth::channel::{ChannelFacts, Exporter, ServerName};
use fast_reauth::mechanism::{Connection, Login, NextStep, Outcome, Server};
use fast_reauth::store::client::{Accounts, Plan, Predecessor, Settled};
use fast_reauth::store::{MemoryStore, Store};

use super::{NAME, account, handle};

pub const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
const FULL: [&str; 1] = ["SCRAM-SHA-256-PLUS"];

/// What the adapters say of one connection.
pub trait Ends {
    fn server_facts(&mut self) -> ChannelFacts;
    fn client_facts(&self) -> ChannelFacts;
    fn predecessor(&self) -> Option<Predecessor>;
    fn server_exporter(&self) -> Box<dyn Exporter + '_>;
    fn client_exporter(&self) -> Box<dyn Exporter + '_>;
    fn authenticated(&mut self, family: Option<AssertionId>);
    fn recognition_failed(&self);
}

/// A service and its store, and a client.
pub struct Logins {
    pub service: Server,
    pub store: MemoryStore,
    pub accounts: Accounts,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Came {
    In(&'static str),
    Fully,
    ToNothing(Outcome, NextStep),
}

impl Logins {
    pub fn new(policy: Policy, pins: &[Pin]) -> Self {
        let names = [ServerName::parse(NAME).unwrap()];
        let service =
            Server::new(Service::IMAP, names, FULL).unwrap().pins(pins.iter().copied()).policy(policy.clone());
        Self { service, store: MemoryStore::default(), accounts: Accounts::new(policy) }
    }

    /// Does what the plan of `name` says; `without` is not offered.
    pub fn log_in_on(&self, link: &mut impl Ends, name: &str, without: &str) -> Came {
        let mut server = Connection::new(&self.service, link.server_facts());
        let lineage = server.lookup().and_then(|lookup| self.store.lookup(&lookup, NOW).unwrap().lineage);
        server = server.resumes(lineage);
        let offered = server.mechanisms(NOW).into_iter().filter(|name| *name != without);
        let mut client = self.accounts.connect(&account(name), link.client_facts());
        client = client.resumes(link.predecessor()).offered(offered);
        let came = match client.plan(NOW) {
            Plan::Known(attempt) => {
                let mechanism = attempt.mechanism();
                let received = match Pin::from_name(mechanism) {
                    Some(pin) => server.iky(pin, attempt.message()),
                    None => server.external(attempt.message()),
                };
                let verdict = received.run(&self.store, NOW);
                match client.settle(attempt, verdict.outcome, verdict.message.as_deref(), NOW) {
                    Settled::Failed(next) => Came::ToNothing(verdict.outcome, next),
                    Settled::LoggedIn => {
                        let known = verdict.recognised.expect("both ends agree");
                        assert_eq!(known.identity(), name);
                        if let Some(link) = server.recognised(&known, NOW) {
                            self.store.commit(&link, NOW).unwrap();
                        }
                        Came::In(mechanism)
                    }
                }
            }
            Plan::FullLogin => {
                let full = FullLogin::new(FULL[0], name).unwrap().bound_by(BindingType::Exporter);
                let login = Login { full: &full, identity: name, device: device(), now: NOW };
                let commit = server.logged_in(login, &*link.server_exporter()).commit;
                self.store.commit(&commit, NOW).unwrap();
                client.logged_in(&full, &*link.client_exporter(), &[], NOW).unwrap();
                Came::Fully
            }
            Plan::FullHandshake | Plan::Abandon => panic!("nothing was tried yet"),
        };
        if matches!(came, Came::ToNothing(..)) {
            link.recognition_failed();
        } else {
            link.authenticated(client.family());
        }
        came
    }
}

fn device() -> DeviceId {
    let handle = handle();
    DeviceId::new(handle.as_octets()[8..].try_into().unwrap())
}
