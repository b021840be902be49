//! A node's configuration: all that makes the difference between one process and a fleet.

use std::io::BufRead;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fast_reauth::assertion::ServiceKeys;

use crate::Fault;
use crate::tls::Certificate;

/// What a node is told when it starts, over its standard input: a command line is for everybody to read.
///
/// ```text
/// name = A
/// store = redis://:secret@127.0.0.1:6379      or memory, or redb:FILE
/// keys = 1:base64 2:base64
/// sealed = laptop                             or yes, or no
/// certificate = base64
/// private-key = base64
/// ```
///
/// An empty line ends it.
#[derive(Clone)]
pub(crate) struct Config {
    /// What the node is called.
    pub(crate) name: String,
    /// Where it keeps what it knows of its clients.
    pub(crate) store: String,
    /// The service's keys by their ids, the same on all nodes. The first one is the current one.
    pub(crate) keys: Vec<(u32, [u8; ServiceKeys::KEY_LEN])>,
    /// Whose records go into the clients' own hands.
    pub(crate) sealed: Sealed,
    /// All nodes have the same name, and one certificate for it.
    pub(crate) certificate: Certificate,
}

/// Whose records are sealed, so that the store keeps a row for each account instead.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Sealed {
    /// Nobody's.
    No,
    /// Everybody's.
    Yes,
    /// Those of one kind of device, as while a service changes from the one to the other.
    Device(String),
}

impl Config {
    pub(crate) fn to_text(&self) -> String {
        let Self { name, store, certificate, .. } = self;
        let keys: Vec<_> = self.keys.iter().map(|(id, key)| format!("{id}:{}", STANDARD.encode(key))).collect();
        let sealed = match &self.sealed {
            Sealed::No => "no",
            Sealed::Yes => "yes",
            Sealed::Device(device) => device,
        };
        let (chain, key) = (STANDARD.encode(&certificate.certificate), STANDARD.encode(&certificate.private_key));
        let settings = [
            ("name", name),
            ("store", store),
            ("keys", &keys.join(" ")),
            ("sealed", &sealed.to_owned()),
            ("certificate", &chain),
            ("private-key", &key),
        ];
        let lines: String = settings.iter().map(|(setting, value)| format!("{setting} = {value}\n")).collect();
        lines + "\n"
    }

    pub(crate) fn read(input: &mut impl BufRead) -> Result<Self, Fault> {
        let (name, store, certificate) = (String::new(), "memory".to_owned(), Certificate::default());
        let mut config = Self { name, store, keys: Vec::new(), sealed: Sealed::No, certificate };
        let mut line = String::new();
        while input.read_line(&mut line)? > 0 && !line.trim().is_empty() {
            let (setting, value) =
                line.trim().split_once(" = ").ok_or("a setting is a name, an equals sign, and a value")?;
            match setting {
                "name" => config.name = value.to_owned(),
                "store" => config.store = value.to_owned(),
                "keys" => config.keys = value.split(' ').map(key).collect::<Result<_, _>>()?,
                "sealed" => {
                    config.sealed = match value {
                        "no" => Sealed::No,
                        "yes" => Sealed::Yes,
                        device => Sealed::Device(device.to_owned()),
                    }
                }
                "certificate" => config.certificate.certificate = STANDARD.decode(value)?,
                "private-key" => config.certificate.private_key = STANDARD.decode(value)?,
                _ => return Err(format!("there is no setting {setting}").into()),
            }
            line.clear();
        }
        Ok(config)
    }

    /// The service's keys, of which the one of this id is the current one.
    pub(crate) fn service_keys(&self, current: u32) -> Result<ServiceKeys, Fault> {
        let mut keys = self.keys.iter();
        let (id, key) = keys.next().ok_or("a service needs a key")?;
        let all = keys.try_fold(ServiceKeys::new(*id, key), |all, (id, key)| all.and(*id, key))?;
        Ok(all.current(current).ok_or("there is no key of this id")?)
    }
}

fn key(text: &str) -> Result<(u32, [u8; ServiceKeys::KEY_LEN]), Fault> {
    let (id, key) = text.split_once(':').ok_or("a key has an id")?;
    let key = STANDARD.decode(key)?.try_into().map_err(|_| "a key has 32 octets")?;
    Ok((id.parse()?, key))
}
