//! Facts that a front end forwards: what is believed, of whom, and what is refused.

#[path = "../common/mod.rs"]
mod common;
mod exporter;
mod login;
mod refusals;

use common::*;
use fast_reauth::channel::{ChannelFacts, ExporterSecret, Handle, Lineage, ServerName};
use fast_reauth::proxy::{ForwardedFacts, Header, HeaderError, Peer, Trusted, TrustedPeers, tlv};
use proxy_header::{ProxiedAddress, ProxyHeader, SslInfo, Tlv};

const FRONT_END: &str = "192.0.2.10";

fn peers() -> TrustedPeers {
    TrustedPeers::new([FRONT_END.parse().unwrap()]).without_early_data()
}

fn trusted(peers: &TrustedPeers) -> Trusted<'_> {
    match peers.peer(FRONT_END.parse().unwrap()) {
        Peer::Trusted(trusted) => trusted,
        Peer::Other(_) => panic!("it was configured"),
    }
}

/// PP2_TYPE_SSL of a connection with this version.
fn ssl(version: &str, cipher: Option<&str>) -> Tlv<'static> {
    let mut ssl = SslInfo::new(true, false, false, 0);
    ssl.append_tlv(Tlv::SslVersion(version.into()));
    if let Some(cipher) = cipher {
        ssl.append_tlv(Tlv::SslCipher(cipher.into()));
    }
    Tlv::Ssl(ssl).into_owned()
}

fn header<'a>(tlvs: impl IntoIterator<Item = Tlv<'a>>) -> Vec<u8> {
    let address = ProxiedAddress::stream("198.51.100.7:40000".parse().unwrap(), "203.0.113.1:993".parse().unwrap());
    let mut out = Vec::new();
    ProxyHeader::with_tlvs(Some(address), tlvs).encode_v2(&mut out).unwrap();
    out
}

/// A header with TLS 1.3, the usual server name, and our TLV with this value.
fn with_value(value: &[u8]) -> Vec<u8> {
    header([ssl("TLSv1.3", None), Tlv::Authority(NAME.into()), Tlv::Custom(0xE9, value.into())])
}

/// The same with the text in the unique id, as HAProxy sends it.
fn with_text(text: &str) -> Vec<u8> {
    header([Tlv::Authority(NAME.into()), Tlv::UniqueId(text.as_bytes().into()), ssl("TLSv1.3", None)])
}

fn read_by(peers: &TrustedPeers, octets: &[u8]) -> Result<ForwardedFacts, HeaderError> {
    match trusted(peers).header(octets)? {
        Header::Forwarded { facts, len } => {
            assert_eq!(len, octets.len());
            Ok(*facts)
        }
        other => panic!("{other:?}"),
    }
}

fn read(octets: &[u8]) -> Result<ForwardedFacts, HeaderError> {
    read_by(&peers(), octets)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A TLS 1.3 connection with a client at one end and a front end at the other.
struct Tls13 {
    secret: [u8; 32],
    handle: Handle,
    before: Option<Handle>,
}

impl Tls13 {
    fn full() -> Self {
        Self { secret: fresh(), handle: Handle::new(fresh()), before: None }
    }

    fn resuming(before: &Self) -> Self {
        Self { before: Some(before.handle), ..Self::full() }
    }

    fn exporter(&self) -> ExporterSecret {
        ExporterSecret::new(&self.secret).unwrap()
    }

    fn client(&self) -> ChannelFacts {
        let facts = ChannelFacts::tls13().server_name(ServerName::parse(NAME).unwrap());
        let facts = if self.before.is_some() { facts.resumed() } else { facts };
        facts.exporter(&self.exporter()).unwrap()
    }

    fn lineage(&self) -> Lineage {
        self.client().lineage().unwrap().clone()
    }

    /// What a front end with this library forwards: everything, and the handles of its sessions.
    fn forwarded(&self) -> Vec<u8> {
        let facts = self.client().handle(self.handle);
        let facts = match self.before {
            Some(before) => facts.predecessor(before),
            None => facts,
        };
        with_value(&tlv(&facts, Some(&self.exporter())))
    }

    /// What HAProxy forwards.
    fn text(&self) -> String {
        format!("iky1:r={},e=0,n=1,s={}", u8::from(self.before.is_some()), hex(&self.secret))
    }
}
