//! Channel facts: names, end points, what makes a channel fit.

mod common;

use common::*;
use fast_reauth::channel::{ChannelFacts, EndPoint, EndPointUnavailable, ServerName, Tickets, Unsuitable};

#[test]
fn server_names_are_folded_and_bounded() {
    assert_eq!(ServerName::parse("IMAP.Example.COM"), ServerName::parse("imap.example.com"));
    assert_eq!(ServerName::parse("").unwrap(), ServerName::none());
    assert!(ServerName::parse(&"a".repeat(255)).is_ok());
    for bad in ["a b", "a,b", "a=b", "bücher.example", "a\0", "a\n", "a/b", &"a".repeat(256)] {
        assert!(ServerName::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn end_points_by_signature_algorithm() {
    let made = |algorithm: &'static rcgen::SignatureAlgorithm| {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["a.example".into()]).unwrap().self_signed(&key).unwrap();
        EndPoint::from_certificate(certificate.der()).map(|end_point| end_point.as_octets().len())
    };
    assert_eq!(made(&rcgen::PKCS_ECDSA_P256_SHA256), Ok(32));
    assert_eq!(made(&rcgen::PKCS_ECDSA_P384_SHA384), Ok(48));
    assert_eq!(made(&rcgen::PKCS_ED25519), Err(EndPointUnavailable::Undefined));
}

/// AlgorithmIdentifiers as they stand in certificates, in the smallest certificate-shaped thing around them.
#[test]
fn end_points_by_algorithm_identifier() {
    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let value = parts.concat();
        assert!(value.len() < 128);
        [&[tag, value.len() as u8][..], &value].concat()
    }
    let certificate = |algorithm: &[u8]| der(0x30, &[&der(0x30, &[]), &der(0x30, &[algorithm]), &der(0x03, &[&[0]])]);
    let of = |algorithm: &[u8]| EndPoint::from_certificate(&certificate(algorithm)).map(|e| e.as_octets().len());
    let oid = |octets: &[u8]| der(6, &[octets]);
    let rsa = |last: u8| oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, last]);
    assert_eq!([4, 5, 11, 12, 13].map(|last| of(&rsa(last)).unwrap()), [32, 32, 32, 48, 64]);
    assert_eq!(of(&rsa(14)), Err(EndPointUnavailable::UnsupportedHash));
    assert_eq!(of(&oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4])), Ok(64));
    assert_eq!(of(&oid(&[0x2b, 0x65, 0x71])), Err(EndPointUnavailable::Undefined), "Ed448");
    assert_eq!(of(&[]), Err(EndPointUnavailable::NotACertificate));

    // RSASSA-PSS says its hash, and that of its mask generation, in its parameters; both default to SHA-1.
    let sha2 = |last: u8| der(0x30, &[&oid(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, last])]);
    let mgf1 = |hash: &[u8]| der(0xa1, &[&der(0x30, &[&oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8]), hash])]);
    let pss = |parts: &[&[u8]]| of(&[&rsa(10)[..], &der(0x30, parts)].concat());
    for (last, len) in [(1, 32), (2, 48), (3, 64)] {
        assert_eq!(pss(&[&der(0xa0, &[&sha2(last)]), &mgf1(&sha2(last))]), Ok(len));
    }
    assert_eq!(pss(&[]), Ok(32), "SHA-1 by default, so SHA-256");
    assert_eq!(pss(&[&der(0xa0, &[&sha2(1)]), &mgf1(&sha2(2))]), Err(EndPointUnavailable::Undefined));
    assert_eq!(pss(&[&der(0xa0, &[&sha2(1)])]), Err(EndPointUnavailable::Undefined));
    assert_eq!(of(&rsa(10)), Err(EndPointUnavailable::NotACertificate), "PSS without parameters");

    // Lengths that are no DER.
    for bad in [&[0x30, 0x80][..], &[0x30, 0x81, 5], &[0x30, 0x84, 0, 0, 0, 1, 0], &[0x30, 0x82, 0, 0x80]] {
        assert_eq!(EndPoint::from_certificate(bad), Err(EndPointUnavailable::NotACertificate));
    }
}

#[test]
fn what_makes_a_channel_fit() {
    let exporter = Tls::full();
    let exporter = exporter.exporter();
    let with = |facts: ChannelFacts| facts.exporter(&exporter).unwrap();
    assert_eq!(ChannelFacts::tls13().exporter_is_private(), Err(Unsuitable::NoExporter));
    assert_eq!(with(ChannelFacts::tls13()).exporter_is_private(), Ok(()));
    assert_eq!(with(ChannelFacts::tls13().resumed()).exporter_is_private(), Ok(()), "tickets do not matter in TLS 1.3");
    let no_dhe = with(ChannelFacts::tls13().without_forward_secrecy());
    assert_eq!(no_dhe.exporter_is_private(), Err(Unsuitable::NoForwardSecrecy));
    let no_ems = with(ChannelFacts::tls12(false).tickets(Tickets::Stateful));
    assert_eq!(no_ems.exporter_is_private(), Err(Unsuitable::NoExtendedMasterSecret));
    let tickets = with(ChannelFacts::tls12(true));
    assert_eq!(tickets.exporter_is_private(), Err(Unsuitable::Tls12StatelessTickets), "unless said otherwise");
    assert_eq!(with(ChannelFacts::tls12(true).tickets(Tickets::Stateful)).exporter_is_private(), Ok(()));
}

#[test]
fn a_failing_exporter_is_an_error() {
    let tls = Tls { has_exporter: false, ..Tls::full() };
    assert!(ChannelFacts::tls13().exporter(&tls.exporter()).is_err());
}

/// A certificate-shaped thing whose length takes more than one octet.
#[test]
fn end_points_of_lengths_in_the_shortest_form_only() {
    let algorithm = [&[0x30, 10, 6, 8][..], &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]].concat();
    let certificate = |len: &[u8], content: usize| {
        let fixed = 2 + algorithm.len() + 3;
        let tbs = content - fixed;
        let (tbs_len, filler) = if tbs < 128 { (vec![tbs as u8], tbs) } else { (vec![0x81, (tbs - 1) as u8], tbs - 1) };
        [&[0x30][..], len, &[0x30], &tbs_len, &vec![0; filler], &algorithm, &[3, 1, 0]].concat()
    };
    let of = |len: &[u8], content| EndPoint::from_certificate(&certificate(len, content)).map(|_| ());
    let none = Err(EndPointUnavailable::NotACertificate);
    for (len, content, made) in [
        (&[0x7f][..], 127, Ok(())),
        (&[0x81, 0x7f], 127, none),
        (&[0x81, 0x80], 128, Ok(())),
        (&[0x82, 0x00, 0x80], 128, none),
        (&[0x81, 0xc8], 200, Ok(())),
        (&[0x82, 0x00, 0xc8], 200, none),
        (&[0x82, 0x01, 0x00], 256, Ok(())),
        (&[0x83, 0x00, 0x01, 0x00], 256, none),
        (&[0x84, 0x00, 0x00, 0x01, 0x00], 256, none),
    ] {
        assert_eq!(of(len, content), made, "{len:x?}");
    }
}

#[test]
fn end_points_of_algorithms_that_are_seldom_seen() {
    let of = |oid: &[u8]| {
        let algorithm = [&[0x30, oid.len() as u8 + 2, 6, oid.len() as u8][..], oid].concat();
        let parts = [&[0x30, 0][..], &algorithm, &[3, 1, 0]].concat();
        EndPoint::from_certificate(&[&[0x30, parts.len() as u8][..], &parts].concat())
            .map(|made| made.as_octets().len())
    };
    let (ecdsa, nist) =
        (|last| [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, last], |last| [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, last]);
    let (unsupported, undefined) = (Err(EndPointUnavailable::UnsupportedHash), Err(EndPointUnavailable::Undefined));
    assert_eq!(of(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1]), Ok(32), "ECDSA with SHA-1");
    assert_eq!([1, 2, 3, 4, 5].map(|last| of(&ecdsa(last))), [unsupported, Ok(32), Ok(48), Ok(64), undefined]);
    assert_eq!(of(&[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 3]), Ok(32), "DSA with SHA-1");
    assert_eq!(
        [0, 1, 2, 3, 5, 16, 17].map(|last| of(&nist(last))),
        [undefined, unsupported, Ok(32), undefined, unsupported, unsupported, undefined]
    );
}
