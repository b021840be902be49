//! What is refused, of whom, and that nothing panics.

use super::*;
use fast_reauth::proxy::{ForgedHeader, InvalidPrefix, InvalidTlvType, MAX_HEADER, Prefix};

fn refused(octets: &[u8]) -> HeaderError {
    read(octets).expect_err("to be refused")
}

#[test]
fn nobody_but_the_configured_peers_may_forward() {
    let peers = TrustedPeers::new(["127.0.0.1", "10.1.0.0/16", "2001:db8::/33"].map(|text| text.parse().unwrap()));
    let is_trusted = |address: &str| matches!(peers.peer(address.parse().unwrap()), Peer::Trusted(_));
    for address in ["127.0.0.1", "::ffff:127.0.0.1", "10.1.0.0", "10.1.255.255", "2001:db8::", "2001:db8:7fff::1"] {
        assert!(is_trusted(address), "{address}");
    }
    for address in ["127.0.0.2", "10.2.0.0", "10.0.255.255", "::1", "::127.0.0.1", "2001:db8:8000::", "0.0.0.0"] {
        assert!(!is_trusted(address), "{address}");
    }
    assert!(matches!(TrustedPeers::new([]).peer([127, 0, 0, 1].into()), Peer::Other(_)));
}

#[test]
fn the_header_of_another_peer_is_forged() {
    let peers = peers();
    let Peer::Other(other) = peers.peer("192.0.2.11".parse().unwrap()) else { panic!("it was not configured") };
    let header = Tls13::full().forwarded();
    assert_eq!(other.refuse_header(&header), Err(ForgedHeader));
    assert_eq!(other.refuse_header(&header[..16]), Err(ForgedHeader));
    assert_eq!(other.refuse_header(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), Err(ForgedHeader));
    for first in [&b""[..], b"\x16\x03\x01", b"a1 NOOP\r\n", b"\r\n", b"PRO", b"PROXIMITY"] {
        assert_eq!(other.refuse_header(first), Ok(()));
    }
}

#[test]
fn prefixes_are_read_strictly() {
    for text in [
        "",
        "/",
        "10.0.0.0/",
        "10.0.0.0/0",
        "::/0",
        "10.0.0.0/33",
        "::1/129",
        "10.0.0.1/8",
        "10.0.0.0/+8",
        "10.0.0.0/8/8",
        "10.0.0.0/256",
        "::ffff:10.0.0.0/104",
        "10.0.0/24",
        "localhost",
        " 10.0.0.1",
        "10.0.0.0/ 8",
    ] {
        assert_eq!(text.parse::<Prefix>(), Err(InvalidPrefix), "{text}");
    }
    for text in ["10.0.0.1/32", "10.0.0.0/8", "128.0.0.0/1", "::1", "::1/128", "8000::/1", "::ffff:10.0.0.1"] {
        assert!(text.parse::<Prefix>().is_ok(), "{text}");
    }
    for kind in [0, 0x20, 0xDF, 0xF0, 0xFF] {
        assert_eq!(peers().tlv_type(kind).err(), Some(InvalidTlvType));
    }
}

#[test]
fn a_front_end_must_send_a_header_of_version_2() {
    for first in [&b"a1 NOOP\r\n"[..], b"\x16\x03\x01\x02\x00", b"\r\n\r\n\0\r\nQUIT\r", b"P\r\n", b"\0"] {
        assert_eq!(trusted(&peers()).header(first).err(), Some(HeaderError::Missing), "{first:?}");
    }
    assert_eq!(refused(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), HeaderError::Version1);
    assert_eq!(refused(b"PROXY UNKNOWN\r\n"), HeaderError::Version1);
    let mut version3 = Tls13::full().forwarded();
    version3[12] = 0x31;
    assert_eq!(refused(&version3), HeaderError::Malformed);
    let mut datagram = Tls13::full().forwarded();
    datagram[13] = 0x12;
    assert_eq!(refused(&datagram), HeaderError::NotAStream);
}

#[test]
fn a_header_comes_in_pieces_and_ends_where_it_ends() {
    let peers = peers();
    let header = Tls13::full().forwarded();
    for end in 0..header.len() {
        assert!(matches!(trusted(&peers).header(&header[..end]), Ok(Header::NeedMore)), "{end}");
    }
    // A second one is the client's.
    let two = [&header[..], &Tls13::full().forwarded()].concat();
    let Ok(Header::Forwarded { facts, len }) = trusted(&peers).header(&two) else { panic!("a whole header") };
    assert_eq!((len, facts.source().unwrap().to_string().as_str()), (header.len(), "198.51.100.7:40000"));
}

#[test]
fn a_health_check_is_nobodys_connection() {
    let mut local = Vec::new();
    ProxyHeader::with_tlvs(None, [ssl("TLSv1.3", None)]).encode_v2(&mut local).unwrap();
    assert!(matches!(trusted(&peers()).header(&local), Ok(Header::Local { len }) if len == local.len()));
    // What a LOCAL header says of TLS is not looked at, whatever it is.
    let mut command = Tls13::full().forwarded();
    command[12] = 0x20;
    assert!(matches!(trusted(&peers()).header(&command), Ok(Header::Local { .. })));
}

#[test]
fn more_than_there_may_be() {
    let pad = |len: usize| header([ssl("TLSv1.3", None), Tlv::Noop(len)]);
    let rest = pad(0).len();
    assert!(read(&pad(MAX_HEADER - rest)).is_ok());
    assert_eq!(refused(&pad(MAX_HEADER - rest + 1)), HeaderError::TooLong);
    // Already by its length, before it is all there.
    assert_eq!(refused(&pad(MAX_HEADER)[..16]), HeaderError::TooLong);
    let id = |len: usize| header([ssl("TLSv1.3", None), Tlv::UniqueId(vec![b'x'; len].into())]);
    assert!(read(&id(128)).is_ok());
    assert_eq!(refused(&id(129)), HeaderError::UniqueIdTooLong);
}

#[test]
fn tls_must_be_there_and_be_1_2_or_1_3() {
    let authority = || Tlv::Authority(NAME.into());
    assert_eq!(refused(&header([])), HeaderError::NotTls);
    assert_eq!(refused(&header([authority()])), HeaderError::NotTls);
    let mut none = SslInfo::new(false, false, false, 0);
    none.append_tlv(Tlv::SslVersion("TLSv1.3".into()));
    assert_eq!(refused(&header([Tlv::Ssl(none)])), HeaderError::NotTls);
    assert_eq!(refused(&header([Tlv::Ssl(SslInfo::new(true, false, false, 0))])), HeaderError::TlsVersion);
    for version in ["TLSv1.1", "TLSv1", "SSLv3", "", "TLSv1.3 ", "tlsv1.3", "TLSv1.4", "QUICv1"] {
        assert_eq!(refused(&header([ssl(version, None)])), HeaderError::TlsVersion, "{version}");
    }
    assert_eq!(refused(&header([ssl("TLSv1.3", None), Tlv::Authority("".into())])), HeaderError::Details);
    let odd = header([ssl("TLSv1.3", None), Tlv::Authority("imap example".into())]);
    assert!(matches!(refused(&odd), HeaderError::ServerName(_)));
}

#[test]
fn two_of_a_kind() {
    let value = tlv(&Tls13::full().client(), None);
    let own = || Tlv::Custom(0xE9, value.clone().into());
    let name = || Tlv::Authority(NAME.into());
    let id = || Tlv::UniqueId(b"x"[..].into());
    for (twice, kind) in [
        (vec![ssl("TLSv1.3", None), name(), name()], 0x02),
        (vec![ssl("TLSv1.3", None), id(), id()], 0x05),
        (vec![ssl("TLSv1.3", None), ssl("TLSv1.3", None)], 0x20),
        (vec![ssl("TLSv1.3", None), name(), own(), own()], 0xE9),
    ] {
        assert_eq!(refused(&header(twice)), HeaderError::Duplicate(kind));
    }
    for (tlv, kind) in [(Tlv::SslVersion("TLSv1.3".into()), 0x21), (Tlv::SslCipher("x".into()), 0x23)] {
        let Tlv::Ssl(mut twice) = ssl("TLSv1.3", Some("x")) else { unreachable!() };
        twice.append_tlv(tlv);
        assert_eq!(refused(&header([Tlv::Ssl(twice)])), HeaderError::Duplicate(kind));
    }
    // The same facts in both places.
    let text = Tls13::full().text();
    let both = header([ssl("TLSv1.3", None), name(), own(), Tlv::UniqueId(text.as_bytes().into())]);
    assert_eq!(refused(&both), HeaderError::Contradiction);
    // What is not relied upon may be there as often as it likes.
    assert!(
        read(&header([ssl("TLSv1.3", None), Tlv::Noop(3), Tlv::Noop(3), Tlv::Custom(0xE8, b"x"[..].into())])).is_ok()
    );
}

#[test]
fn octets_that_are_no_facts() {
    let good = tlv(&Tls13::full().client(), None);
    assert!(read(&with_value(&good)).is_ok());
    let (secret, item) =
        ([&[1, 32][..], &[7; 32]].concat(), |kind: u8, len: u8| [vec![kind, len], vec![7; len.into()]].concat());
    let values = [item(2, 32), item(3, 32), item(4, 32)].concat();
    for (bad, why) in [
        (vec![], "nothing"),
        (vec![1], "no flags"),
        ([&[2][..], &good[1..]].concat(), "another version"),
        (vec![1, 4 | 64], "a flag that has no name"),
        ([&good[..], &[0]].concat(), "a type without a length"),
        ([&good[..], &[7, 0]].concat(), "an unknown item"),
        ([&good[..], &[5, 16, 1]].concat(), "an item cut short"),
        ([&[1, 4][..], &item(0, 0)].concat(), "type 0"),
        ([&[1, 4][..], &item(1, 31)].concat(), "a short secret"),
        ([&[1, 4][..], &item(1, 64)].concat(), "a secret of SHA-512"),
        ([&[1, 4][..], &secret, &secret].concat(), "two secrets"),
        ([&[1, 4][..], &secret, &values].concat(), "a secret and values"),
        ([&[1, 4][..], &item(2, 32), &item(4, 32)].concat(), "some of the values"),
        ([&[1, 4][..], &item(2, 32), &item(3, 32), &item(4, 33)].concat(), "a long value"),
        ([&[1, 4][..], &item(3, 32), &item(2, 32), &item(4, 32)].concat(), "another order"),
        ([&[1, 4][..], &item(5, 15)].concat(), "a short handle"),
        ([&[1, 4][..], &item(5, 16), &item(6, 16)].concat(), "a predecessor of a full handshake"),
    ] {
        assert_eq!(refused(&with_value(&bad)), HeaderError::Details, "{why}");
    }
    for end in 0..good.len() {
        assert!(end == 2 || read(&with_value(&good[..end])).is_err(), "{end}");
    }
    // At another type they are somebody else's.
    let other = peers().tlv_type(0xE0).unwrap();
    assert!(read_by(&other, &with_value(&good)).unwrap().channel().tls_exporter().is_none());
}

#[test]
fn texts_that_are_no_facts() {
    let good = Tls13::full().text();
    assert!(read(&with_text(&good)).is_ok());
    assert!(read(&with_text("iky1:r=0,e=0,n=1,s=")).is_ok());
    for bad in [
        "iky",
        "iky1",
        "iky1:",
        "iky2:r=0,e=0,n=1,s=",
        "iky1:r=0,e=0,n=1",
        "iky1:r=2,e=0,n=1,s=",
        "iky1:r=,e=,n=,s=",
        "iky1:e=0,r=0,n=1,s=",
        "iky1:r=0,e=0,n=1,s=,",
        "iky1:r=0,e=0,n=1,s=-",
        "iky1:r=0, e=0,n=1,s=",
    ] {
        assert_eq!(refused(&with_text(bad)), HeaderError::Details, "{bad}");
    }
    for end in 4..good.len() {
        assert!(good[..end].ends_with("s=") || read(&with_text(&good[..end])).is_err(), "{end}");
    }
    let secret = |digits: &str| with_text(&format!("iky1:r=0,e=0,n=1,s={digits}"));
    for digits in ["0".repeat(62), "0".repeat(65), "0".repeat(98), "A".repeat(64), "g".repeat(64), "0x".repeat(32)] {
        assert_eq!(refused(&secret(&digits)), HeaderError::Details, "{digits}");
    }
    assert!(read(&secret(&"0".repeat(96))).is_ok());
}

#[test]
fn facts_that_contradict_each_other() {
    let text = Tls13::full().text();
    let id = |text: &str| Tlv::UniqueId(text.as_bytes().to_vec().into());
    let with = |cipher: &str, name: Option<&'static str>, text: &str| {
        read(&header(
            [ssl("TLSv1.3", Some(cipher)), id(text)].into_iter().chain(name.map(|name| Tlv::Authority(name.into()))),
        ))
    };
    assert!(with("TLS_AES_128_GCM_SHA256", Some(NAME), &text).is_ok());
    assert!(with("TLS_CHACHA20_POLY1305_SHA256", Some(NAME), &text).is_ok());
    let long = format!("{text}{}", "0".repeat(32));
    assert!(with("TLS_AES_256_GCM_SHA384", Some(NAME), &long).is_ok());
    for (cipher, name, text) in [
        ("TLS_AES_256_GCM_SHA384", Some(NAME), &text),
        ("TLS_AES_128_GCM_SHA256", Some(NAME), &long),
        ("TLS_SM4_GCM_SM3", Some(NAME), &text),
        ("ECDHE-RSA-AES128-GCM-SHA256", Some(NAME), &text),
        ("TLS_AES_128_GCM_SHA256", None, &text),
        ("TLS_AES_128_GCM_SHA256", Some(NAME), &text.replace("n=1", "n=0")),
    ] {
        assert_eq!(with(cipher, name, text).err(), Some(HeaderError::Contradiction), "{cipher} {name:?} {text}");
    }
}

/// Deterministic, so that a failure comes again.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

#[test]
fn no_octets_make_it_panic() {
    let mut random = Random(5);
    let peers = peers();
    let own = Tls13::resuming(&Tls13::full());
    let text = own.text();
    let haproxy = header([
        Tlv::Crc32c(1),
        Tlv::Authority(NAME.into()),
        Tlv::UniqueId(text.as_bytes().into()),
        ssl("TLSv1.3", Some("TLS_AES_128_GCM_SHA256")),
    ]);
    for good in [own.forwarded(), haproxy, with_value(&tlv(&own.client(), None))] {
        for _ in 0..100_000 {
            let mut octets = good.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(octets.len());
                match random.below(5) {
                    0 => octets.truncate(at),
                    1 if at < octets.len() => octets[at] = random.below(256) as u8,
                    2 if at < octets.len() => octets[at] ^= 1 << random.below(8),
                    3 => octets.insert(at, random.below(256) as u8),
                    _ if at < octets.len() => _ = octets.remove(at),
                    _ => {}
                }
            }
            if random.below(2) == 0 && octets.len() >= 16 {
                // So that what is behind the length is read too.
                let len = (octets.len() - 16) as u16;
                octets[14..16].copy_from_slice(&len.to_be_bytes());
            }
            if let Ok(Header::Forwarded { facts, len }) = trusted(&peers).header(&octets) {
                assert!(len <= octets.len());
                let channel = facts.channel();
                // What nobody said is not there, whatever happened to the header.
                assert!(channel.resumed_handle().is_none() || channel.is_resumed());
                assert!(channel.name().as_str().is_empty() || channel.name_was_seen());
                let _ = format!("{facts:?}");
            }
            if let Peer::Other(other) = peers.peer([192, 0, 2, random.below(256) as u8].into()) {
                let _ = other.refuse_header(&octets);
            }
        }
    }
}

#[test]
fn no_secret_is_printed() {
    let tls = Tls13::full();
    let shown = format!("{:?} {:#?}", read(&tls.forwarded()).unwrap(), read(&with_text(&tls.text())).unwrap());
    for piece in tls.secret.chunks(4) {
        assert!(!shown.contains(&hex(piece)) && !shown.contains(format!("{piece:?}").trim_matches(['[', ']'])));
    }
}
