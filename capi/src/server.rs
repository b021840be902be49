//! A server, and its view of one connection.
#![forbid(unsafe_code)]

use std::sync::{Arc, Mutex, MutexGuard};

use fast_reauth::Timestamp;
use fast_reauth::assertion::{
    DeviceId, FullLogin, HtMechanism, Issued, Pin, Scope, Service, ServiceKeys, TokenRequest,
};
use fast_reauth::channel::{ChannelFacts, Exporter, ServerName};
use fast_reauth::mechanism::ht::Request;
use fast_reauth::mechanism::{Connection, LoggedIn, Login, Server, Sibling, Verdict};
use fast_reauth::store::Commit;
use self_cell::self_cell;

use crate::names::{Listed, random, scope};
use crate::store::Opened;
use crate::values::present;
use crate::{fr_buf, fr_octets, fr_result, fr_store};

/// A service that recognises its clients: what is configured once. For many threads; connections go on with what was configured when they began.
pub struct fr_server {
    store: Arc<Opened>,
    settings: Mutex<Settings>,
}

struct Settings {
    scope: Scope,
    listed: Listed,
    keys: Option<ServiceKeys>,
    sealed: bool,
    siblings: Vec<Sibling>,
}

/// One connection of a server. For one thread at a time; another one that comes meanwhile waits.
pub struct fr_server_connection {
    store: Arc<Opened>,
    /// Whether EXTERNAL recognises sessions here, and is not the full SASL engine's.
    external: bool,
    cell: Mutex<Cell>,
    /// What is to be stored once a recognised client was told so.
    link: Mutex<Option<Commit>>,
}

self_cell!(
    struct Cell {
        owner: Arc<Server>,
        #[covariant]
        dependent: Connection,
    }
);

/// What a client sent.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct fr_request {
    /// The mechanism's name: one of IKY or HT, or EXTERNAL where fr_server_list() had it. Any other is FR_INVALID, and for the application's
    /// full SASL engine.
    pub mechanism: fr_octets,
    /// The initial response, decoded from whatever the protocol encodes it with.
    pub message: fr_octets,
    /// HT: which installation of the client it is (the id of XMPP's user-agent element), 1 to 255 octets. In protocols that do not say it, one that is
    /// agreed upon. Not used with IKY.
    pub client_id: fr_octets,
    /// HT: `count` of XMPP's fast element; 0 where there is none.
    pub count: u64,
}

/// What came of an attempt. Free it with fr_verdict_free().
#[repr(C)]
pub struct fr_verdict {
    /// FR_OK, or one of the outcomes up to FR_UNAVAILABLE. Anything from 100 on: it was not judged.
    pub outcome: fr_result,
    /// What goes to the client: IKY's whatever the outcome is; HT's with success.
    pub message: fr_buf,
    /// With FR_OK: the account, as the server called it at the full login. Empty otherwise.
    pub identity: fr_buf,
    /// With FR_OK: the name that the client logged in under.
    pub login_name: fr_buf,
    /// HT, with FR_OK: the token that the client is to have from now on; empty where it keeps the one that it has.
    pub token: fr_buf,
    /// When that token ends, in seconds since 1970.
    pub token_expires: u64,
    /// Not 0 where it counts as a failed login, against the peer's address.
    pub counts_as_failure: u8,
}

impl fr_server {
    pub(crate) fn new(store: &fr_store, service: &str, server_name: &str) -> Result<Self, fr_result> {
        let scope = scope(service, server_name)?;
        let settings = Settings { scope, listed: Listed::default(), keys: None, sealed: false, siblings: Vec::new() };
        Ok(Self { store: store.0.clone(), settings: Mutex::new(settings) })
    }

    fn change(&self, change: impl FnOnce(&mut Settings) -> Result<(), fr_result>) -> Result<(), fr_result> {
        change(&mut *self.settings.lock().map_err(|_| fr_result::FR_INTERNAL)?)
    }

    pub(crate) fn list(&self, mechanisms: &str) -> Result<(), fr_result> {
        let listed = Listed::parse(mechanisms)?;
        self.change(|settings| {
            settings.listed = listed;
            Ok(())
        })
    }

    pub(crate) fn key(&self, id: u32, key: &[u8]) -> Result<(), fr_result> {
        let key = <&[u8; ServiceKeys::KEY_LEN]>::try_from(key).map_err(|_| fr_result::FR_INVALID)?;
        self.change(|settings| {
            settings.keys = Some(match settings.keys.clone() {
                None => ServiceKeys::new(id, key),
                Some(keys) => keys.and(id, key).map_err(|_| fr_result::FR_INVALID)?,
            });
            Ok(())
        })
    }

    pub(crate) fn sibling(&self, scope: Scope, pin: Pin) -> Result<(), fr_result> {
        self.change(|settings| {
            settings.siblings.push(Sibling { scope, pin });
            Ok(())
        })
    }

    pub(crate) fn seal(&self) -> Result<(), fr_result> {
        self.change(|settings| {
            settings.sealed = true;
            Ok(())
        })
    }

    /// A store that does not answer costs the client EXTERNAL.
    pub(crate) fn connect(&self, facts: ChannelFacts, now: u64) -> Result<fr_server_connection, fr_result> {
        let (now, store) = (present(now)?, self.store.store()?);
        let (server, external) = {
            let settings = self.settings.lock().map_err(|_| fr_result::FR_INTERNAL)?;
            (Arc::new(settings.server()?), settings.listed.external)
        };
        let (grant, seal) = (random()?, random()?);
        let cell = Cell::new(server, |server| {
            let connection = Connection::new(server, facts).grant_with(grant).seal_with(seal);
            let found = connection.lookup().and_then(|lookup| store.lookup(&lookup, now).ok());
            connection.resumes(found.and_then(|found| found.lineage))
        });
        let (cell, link) = (Mutex::new(cell), Mutex::default());
        Ok(fr_server_connection { store: self.store.clone(), external, cell, link })
    }
}

impl Settings {
    fn server(&self) -> Result<Server, fr_result> {
        let Scope { service, server_name } = &self.scope;
        let names: [ServerName; 1] = [server_name.clone()];
        let full = self.listed.full.iter().map(|name| &**name);
        let server = Server::new(Service::clone(service), names, full).map_err(|_| fr_result::FR_INVALID)?;
        let mut server = server.pins(self.listed.iky.iter().copied());
        if !self.listed.external {
            server = server.without_external();
        }
        if self.sealed {
            server = server.sealed(self.keys.clone().ok_or(fr_result::FR_INVALID)?);
        }
        if !self.listed.ht.is_empty() {
            server = server.fast(self.listed.ht.iter().copied(), self.keys.clone().ok_or(fr_result::FR_INVALID)?);
        }
        Ok(self.siblings.iter().cloned().fold(server, Server::sibling))
    }
}

impl fr_server_connection {
    fn with<T>(&self, work: impl FnOnce(&mut Connection<'_>) -> Result<T, fr_result>) -> Result<T, fr_result> {
        let mut cell = self.cell.lock().map_err(|_| fr_result::FR_INTERNAL)?;
        cell.with_dependent_mut(|_, connection| work(connection))
    }

    pub(crate) fn mechanisms(&self, now: u64) -> Result<String, fr_result> {
        let now = present(now)?;
        self.with(|connection| {
            let names = connection.mechanisms(now).join(" ");
            let ht = connection.fast_mechanisms().into_iter().map(HtMechanism::name);
            Ok(ht.fold(names, |names, name| if names.is_empty() { name.to_owned() } else { names + " " + name }))
        })
    }

    pub(crate) fn receive(
        &self,
        mechanism: &str,
        message: &[u8],
        client_id: &str,
        count: u64,
        now: u64,
    ) -> Result<Verdict, fr_result> {
        let (now, store) = (present(now)?, self.store.store()?);
        self.with(|connection| {
            let received = match (Pin::from_name(mechanism), HtMechanism::from_name(mechanism)) {
                (Some(pin), _) => connection.iky(pin, message),
                (_, Some(mechanism)) => {
                    let request = Request::new(mechanism, message, client_id, random()?);
                    connection.ht(request.count((count > 0).then_some(count)))
                }
                _ if self.external && mechanism.eq_ignore_ascii_case("EXTERNAL") => connection.external(message),
                _ => return Err(fr_result::FR_INVALID),
            };
            let verdict = received.run(store, now);
            if let Some(client) = &verdict.recognised {
                *self.link()? = connection.recognised(client, now);
            }
            Ok(verdict)
        })
    }

    pub(crate) fn completed(&self, now: u64) -> Result<(), fr_result> {
        let (now, store) = (present(now)?, self.store.store()?);
        if let Some(link) = self.link()?.take() {
            store.commit(&link, now)?;
        }
        Ok(())
    }

    fn link(&self) -> Result<MutexGuard<'_, Option<Commit>>, fr_result> {
        self.link.lock().map_err(|_| fr_result::FR_INTERNAL)
    }

    pub(crate) fn logged_in(
        &self,
        full: &FullLogin,
        exporter: &dyn Exporter,
        identity: &str,
        now: u64,
    ) -> Result<(), fr_result> {
        let login = login(full, identity, now)?;
        let logged_in = self.with(|connection| Ok(connection.logged_in(login, exporter)))?;
        self.commit(&logged_in, login.now)?;
        logged_in.unknown.map_or(Ok(()), |_| Err(fr_result::FR_NOT_KNOWN))
    }

    pub(crate) fn issue(
        &self,
        full: &FullLogin,
        exporter: &dyn Exporter,
        identity: &str,
        (mechanism, client): (&str, &str),
        now: u64,
    ) -> Result<Issued, fr_result> {
        let mechanism = HtMechanism::from_name(mechanism).ok_or(fr_result::FR_INVALID)?;
        let request = TokenRequest { mechanism, authcid: full.login_name(), client, random: random()? };
        let login = login(full, identity, now)?;
        let (logged_in, issued) =
            self.with(|connection| Ok(connection.logged_in_with_token(login, exporter, &request)))?;
        self.commit(&logged_in, login.now)?;
        issued.map_err(|_| fr_result::FR_NOT_KNOWN)
    }

    fn commit(&self, logged_in: &LoggedIn, now: Timestamp) -> Result<(), fr_result> {
        let committed = self.store.store()?.commit(&logged_in.commit, now)?;
        committed.is_durable().then_some(()).ok_or(fr_result::FR_NOT_KNOWN)
    }
}

fn login<'l>(full: &'l FullLogin, identity: &'l str, now: u64) -> Result<Login<'l>, fr_result> {
    if identity.is_empty() {
        return Err(fr_result::FR_INVALID);
    }
    Ok(Login { full, identity, device: DeviceId::new(random()?), now: present(now)? })
}
