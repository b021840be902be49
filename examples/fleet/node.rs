//! A node: a process that serves connections, and takes commands from its operator.

use std::io::BufRead as _;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use fast_reauth::assertion::{DeviceId, HtMechanism, Service, ServiceKeys};
use fast_reauth::channel::ServerName;
use fast_reauth::mechanism::Server;
use fast_reauth::rustls::Recognition;
use fast_reauth::store::{Revoke, Store as _};

use crate::config::{Config, Sealed};
use crate::scram::{self, StoredPassword};
use crate::store::{self, Counted};
use crate::{ACCOUNTS, DOMAIN, Fault, now, random};

/// What all connections of a node share.
pub(crate) struct Node {
    pub(crate) recognition: Recognition,
    pub(crate) store: Counted,
    config: Config,
    server: Mutex<Arc<Server>>,
    passwords: Vec<(&'static str, StoredPassword)>,
}

/// Serves until standard input ends. It prints the port, and one line for every command.
pub(crate) fn run() -> Result<(), Fault> {
    let mut input = std::io::stdin().lock();
    let config = Config::read(&mut input)?;
    let node = Arc::new(Node::new(config)?);
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("port {}", listener.local_addr()?.port());
    let serving = node.clone();
    std::thread::spawn(move || {
        loop {
            let Ok((tcp, _)) = listener.accept() else { continue };
            let node = serving.clone();
            std::thread::spawn(move || {
                // A client that goes away in the middle is nobody's fault.
                let _ = node.serve(tcp);
            });
        }
    });
    for line in input.lines() {
        match node.command(&line?) {
            Ok(answer) => println!("{answer}"),
            Err(fault) => println!("error: {fault}"),
        }
    }
    Ok(())
}

impl Node {
    /// The service, the same whatever its store is.
    fn new(config: Config) -> Result<Self, Fault> {
        let current = config.keys.first().ok_or("a service needs a key")?.0;
        let mut passwords = Vec::new();
        for (name, password) in ACCOUNTS {
            passwords.push((name, StoredPassword::new(name, password, random()?)));
        }
        Ok(Self {
            recognition: config.certificate.recognition()?,
            store: Counted::new(store::open(&config.store)?),
            server: Mutex::new(Arc::new(service(&config, current)?)),
            config,
            passwords,
        })
    }

    /// The service's rules and keys as they are now.
    pub(crate) fn server(&self) -> Arc<Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is kept of the password of this account.
    pub(crate) fn password(&self, name: &str) -> Option<&StoredPassword> {
        self.passwords.iter().find(|(known, _)| *known == name).map(|(_, password)| password)
    }

    /// Whether a client on this kind of device gets its record sealed.
    pub(crate) fn seals_for(&self, device: Option<&str>) -> bool {
        match &self.config.sealed {
            Sealed::No => false,
            Sealed::Yes => true,
            Sealed::Device(kind) => device == Some(kind),
        }
    }

    fn command(&self, line: &str) -> Result<String, Fault> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let revoke = |who: &str, which| Ok(format!("{} revoked", self.store.revoke(who, which, now())?));
        match words[..] {
            ["revoke", who, device] => revoke(who, Revoke::Device(from_hex(device)?)),
            ["revoke-all-but", who, device] => revoke(who, Revoke::AllBut(from_hex(device)?)),
            ["revoke-all", who] => revoke(who, Revoke::All),
            ["devices", who] => {
                let devices = self.store.devices(who, None, now())?;
                let devices: Vec<_> = devices.iter().map(|device| to_hex(device.id)).collect();
                Ok(devices.join(" "))
            }
            // All nodes have it already, so that none meets what it can't read.
            ["current-key", id] => {
                let server = Arc::new(service(&self.config, id.parse()?)?);
                *self.server.lock().unwrap_or_else(PoisonError::into_inner) = server;
                Ok(format!("key {id}"))
            }
            ["asked"] => {
                let (lookups, commits) = self.store.count();
                Ok(format!("{lookups} {commits}"))
            }
            _ => Err("there is no such command".into()),
        }
    }
}

fn service(config: &Config, current: u32) -> Result<Server, Fault> {
    let keys: ServiceKeys = config.service_keys(current)?;
    let server = Server::new(Service::XMPP, [ServerName::parse(DOMAIN)?], [scram::MECHANISM])?;
    let server = server.fast([HtMechanism::HT_SHA_256_EXPR, HtMechanism::HT_SHA_256_NONE], keys.clone());
    Ok(if config.sealed == Sealed::No { server } else { server.sealed(keys) })
}

/// A client's id as its user sees it.
pub(crate) fn to_hex(device: DeviceId) -> String {
    device.as_octets().iter().map(|octet| format!("{octet:02x}")).collect()
}

fn from_hex(text: &str) -> Result<DeviceId, Fault> {
    Ok(DeviceId::new(u64::from_str_radix(text, 16)?.to_be_bytes()))
}
