//! The header of a front end: the start of one is one to be waited for, and what this library writes it reads.

use core::net::{IpAddr, Ipv4Addr};

use fast_reauth::channel::{ChannelFacts, Exporter, ExporterSecret, Handle, ServerName, Tickets};
use fast_reauth::proxy::{Header, HeaderError, Peer, Trusted, TrustedPeers, tlv};

use crate::input::split;

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The first octet chooses: a header of any octets, TLVs of any octets in a header, or facts to write and read.
pub fn run(data: &[u8]) {
    let Some(([kind], rest)) = split(data) else { return };
    let peers = TrustedPeers::new([ADDRESS.into()]);
    let Peer::Trusted(front_end) = peers.peer(ADDRESS) else { panic!("it is configured") };
    match kind % 3 {
        0 => header(&front_end, rest),
        1 => header(&front_end, &with_tlvs(&rest[..rest.len().min(4000)])),
        _ => facts(&front_end, rest),
    }
}

/// What is said of a start of it doesn't contradict what is said of the whole.
fn header(front_end: &Trusted<'_>, octets: &[u8]) {
    let whole = front_end.header(octets);
    if let Ok(Header::Forwarded { facts, .. }) = &whole {
        let channel = facts.channel();
        let _ = format!("{facts:?} {channel:?}");
        let _ = facts.export(b"EXPORTER-SASL-IKY", b"context", &mut [0; 32]);
    }
    let needed = match &whole {
        Ok(Header::Local { len } | Header::Forwarded { len, .. }) => Some(*len),
        Ok(Header::NeedMore) | Err(_) => None,
    };
    assert!(needed.is_none_or(|len| (16..=octets.len()).contains(&len)));
    // Not each of them: what matters is at the ends of the fixed part, and of the whole.
    let ends = (0..octets.len().min(24)).chain(needed.into_iter().flat_map(|len| len - 2..len + 2));
    for end in ends.filter(|&end| end <= octets.len()) {
        match (front_end.header(&octets[..end]), &whole) {
            (Ok(Header::NeedMore), Ok(Header::NeedMore) | Err(_)) => {}
            (Ok(Header::NeedMore), Ok(_)) => assert!(needed.is_some_and(|len| end < len), "{end} octets are enough"),
            (Ok(Header::Local { len } | Header::Forwarded { len, .. }), _) => assert_eq!(needed, Some(len)),
            (Err(early), Err(late)) => {
                assert!(early == *late || early == HeaderError::Missing || *late == HeaderError::Version1)
            }
            (Err(early), Ok(_)) => panic!("{end} octets were refused: {early}"),
        }
    }
}

/// A header for a TCP connection over IPv4, with these TLVs.
fn with_tlvs(tlvs: &[u8]) -> Vec<u8> {
    let len = u16::try_from(12 + tlvs.len()).expect("it is short").to_be_bytes();
    let addresses = [192, 0, 2, 1, 192, 0, 2, 2, 0x30, 0x39, 0, 143];
    [b"\r\n\r\n\0\r\nQUIT\n\x21\x11", &len[..], &addresses, tlvs].concat()
}

fn one(kind: u8, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(value.len()).expect("it is short").to_be_bytes();
    [&[kind], &len[..], value].concat()
}

/// What is written of a channel is what is read of it.
fn facts(front_end: &Trusted<'_>, octets: &[u8]) {
    let Some(([flags, more, fill], _)) = split::<3>(octets) else { return };
    let is = |bit: u8| flags & (1 << bit) != 0;
    let tls13 = is(0);
    let name = ServerName::parse("imap.example.com").expect("a name");
    let secret = ExporterSecret::new(&[fill; 48][..if more & 1 == 0 { 32 } else { 48 }]).expect("a length");
    let mut facts = if tls13 { ChannelFacts::tls13() } else { ChannelFacts::tls12(is(1)) };
    if is(2) {
        facts = facts.resumed();
        if is(3) {
            facts = facts.predecessor(Handle::new([fill; 16]));
        }
    }
    if is(4) {
        facts = facts.handle(Handle::new([fill ^ 1; 16]));
    }
    if is(5) {
        facts = facts.in_early_data();
    }
    if is(6) {
        facts = facts.without_forward_secrecy();
    }
    facts = facts.tickets(if is(7) { Tickets::Stateful } else { Tickets::Stateless });
    facts = facts.server_name(if more & 2 == 0 { name.clone() } else { ServerName::none() });
    let with_values = more & 4 != 0;
    if with_values {
        facts = facts.exporter(&secret).expect("a secret is an exporter");
    }
    let given = Some(&secret).filter(|_| tls13 && more & 8 != 0);

    let version: &[u8] = if tls13 { b"TLSv1.3" } else { b"TLSv1.2" };
    let ssl = [&[1, 0, 0, 0, 0][..], &one(0x21, version)].concat();
    let authority = if more & 2 == 0 { one(0x02, name.as_str().as_bytes()) } else { Vec::new() };
    let header = with_tlvs(&[one(0x20, &ssl), authority, one(0xe9, &tlv(&facts, given))].concat());
    let read = match front_end.header(&header) {
        Ok(Header::Forwarded { facts, .. }) => facts.channel(),
        other => panic!("{other:?}"),
    };
    let seen = |facts: &ChannelFacts| {
        let lineage = facts.lineage().cloned();
        (
            facts.version(),
            facts.is_resumed(),
            facts.is_early_data(),
            facts.name().clone(),
            lineage,
            facts.own_handle().copied(),
        )
    };
    let mut expected = facts;
    if given.is_some() && !with_values {
        expected = expected.exporter(&secret).expect("a secret is an exporter");
    }
    assert_eq!(seen(&read), seen(&expected));
}
