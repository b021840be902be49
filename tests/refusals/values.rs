//! What can't be made at all: names, logins, keys and bindings that are out of their range.

use super::*;
use fast_reauth::assertion::{CannotDerive, ClientAssertion, HtMechanism, InvalidLogin, InvalidService};
use fast_reauth::channel::{
    ChannelFacts, EndPoint, EndPointUnavailable, Exporter, ExporterSecret, ExporterUnavailable, InvalidExporterSecret,
    Unsuitable,
};
use fast_reauth::mechanism::InvalidServer;

#[test]
fn a_full_login_has_a_mechanism_name_of_rfc_4422() {
    for name in ["", "SCRAM-SHA-256-PLUS-OR-", "SCRAM SHA-1", "PLAIN\0", "PLÄIN", "GS2.KRB5"] {
        assert_eq!(FullLogin::new(name, "alice").err(), Some(InvalidLogin::Mechanism), "{name:?}");
    }
    assert!(FullLogin::new("scram-sha-256_plus_1", "alice").is_ok(), "20 octets, in any case of letters");
}

#[test]
fn a_login_name_has_255_octets_at_most_and_no_nul() {
    for name in ["alice\0", &"a".repeat(256)] {
        assert_eq!(FullLogin::new("PLAIN", name).err(), Some(InvalidLogin::LoginName));
        assert_eq!(FullLogin::client_certificate(name).err(), Some(InvalidLogin::LoginName));
    }
    assert!(FullLogin::new("PLAIN", &"a".repeat(255)).is_ok());
}

#[test]
fn logins_are_counted_from_1() {
    assert_eq!(bound("alice").ordinal(0).err(), Some(InvalidLogin::Ordinal));
    assert!(bound("alice").ordinal(1).is_ok());
}

#[test]
fn a_session_key_has_1_to_64_octets() {
    for len in [0, 65] {
        assert_eq!(bound("alice").keyed(&vec![1; len]).err(), Some(InvalidLogin::SessionKey), "{len}");
    }
    assert!(bound("alice").keyed(&[1; 64]).is_ok());
}

#[test]
fn a_service_name_is_of_its_alphabet() {
    for name in ["", "IMAP", "imap ", "im_ap", "imáp", &"a".repeat(64)] {
        assert_eq!(Service::parse(name), Err(InvalidService), "{name:?}");
    }
    assert_eq!(Service::parse("imap"), Ok(Service::IMAP));
    assert!(Service::parse(&"a".repeat(63)).is_ok());
}

#[test]
fn a_server_has_a_name() {
    assert_eq!(Server::new(Service::IMAP, [], FULL).err(), Some(InvalidServer::NoName));
}

#[test]
fn an_end_point_has_28_to_64_octets() {
    for len in [0, 27, 65] {
        assert_eq!(EndPoint::from_octets(&vec![1; len]), Err(EndPointUnavailable::BadLength), "{len}");
    }
    assert!([28, 64].iter().all(|&len| EndPoint::from_octets(&vec![1; len]).is_ok()));
}

fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    assert!(value.len() < 128);
    [&[tag, value.len() as u8][..], &value].concat()
}

/// The smallest thing that is shaped like a certificate, signed with this algorithm.
fn certificate(algorithm: &[u8]) -> Vec<u8> {
    der(0x30, &[&der(0x30, &[]), &der(0x30, &[algorithm]), &der(0x03, &[&[0]])])
}

#[test]
fn an_end_point_is_of_a_signature_whose_hash_function_is_known() {
    let of = |algorithm: &[u8]| EndPoint::from_certificate(&certificate(algorithm)).map(|e| e.as_octets().len());
    let oid = |octets: &[u8]| der(6, &[octets]);
    let rsa = |last: u8| oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, last]);
    let ecdsa = |last: u8| oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, last]);
    let nist = |last: u8| oid(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, last]);
    assert_eq!(of(&rsa(1)), Err(EndPointUnavailable::Undefined), "a key, and no signature");
    assert_eq!([of(&rsa(14)), of(&ecdsa(1))], [Err(EndPointUnavailable::UnsupportedHash); 2], "SHA-224");
    for last in [1, 5, 16] {
        assert_eq!(of(&nist(last)), Err(EndPointUnavailable::UnsupportedHash), "SHA-224 and SHA-3: {last}");
    }
    assert_eq!(of(&nist(17)), Err(EndPointUnavailable::Undefined));
    let dsa_with_sha1 = oid(&[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 3]);
    assert_eq!([of(&dsa_with_sha1), of(&nist(2))], [Ok(32), Ok(32)], "DSA");

    // RSASSA-PSS with SHA3-256, also for its mask.
    let sha3 = der(0x30, &[&oid(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 8])]);
    let mgf1 = der(0x30, &[&oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8]), &sha3]);
    let pss = der(0x30, &[&der(0xa0, &[&sha3]), &der(0xa1, &[&mgf1])]);
    assert_eq!(of(&[rsa(10), pss].concat()), Err(EndPointUnavailable::UnsupportedHash));
}

#[test]
fn an_end_point_is_of_a_whole_certificate_and_nothing_more() {
    let good = certificate(&der(6, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]]));
    assert!(EndPoint::from_certificate(&good).is_ok());
    let set = [&[0x31][..], &good[1..]].concat();
    // The same length in a longer form, which DER does not allow.
    let long = [&[0x30, 0x81, good.len() as u8 - 2][..], &good[2..]].concat();
    for bad in [[&good[..], b"\0"].concat(), good[..good.len() - 1].to_vec(), set, long] {
        assert_eq!(EndPoint::from_certificate(&bad), Err(EndPointUnavailable::NotACertificate), "{bad:x?}");
    }
}

#[test]
fn an_exporter_secret_has_32_or_48_octets() {
    for len in [0, 31, 33, 47, 49, 64] {
        assert_eq!(ExporterSecret::new(&vec![1; len]).err(), Some(InvalidExporterSecret), "{len}");
    }
    assert!([32, 48].iter().all(|&len| ExporterSecret::new(&vec![1; len]).is_ok()));
}

/// RFC 8446 section 7.1: a label of 249 octets at most; RFC 5869 section 2.3: 255 blocks at most.
#[test]
fn an_exporter_secret_exports_what_hkdf_can_give() {
    for (secret, hash) in [(&[1; 32][..], 32), (&[1; 48], 48)] {
        let secret = ExporterSecret::new(secret).unwrap();
        assert_eq!(secret.export(&[b'a'; 250], b"", &mut [0; 32]), Err(ExporterUnavailable), "a long label");
        assert_eq!(
            secret.export(b"label", b"", &mut vec![0; 255 * hash + 1]),
            Err(ExporterUnavailable),
            "a long value"
        );
        assert_eq!(secret.export(b"label", b"", &mut vec![0; 1 << 16]), Err(ExporterUnavailable), "a longer one");
        assert_eq!(secret.export(&[b'a'; 249], b"", &mut vec![0; 255 * hash]), Ok(()));
    }
}

#[test]
fn the_channel_of_a_token_has_what_it_is_bound_to() {
    let check = |mechanism: HtMechanism, facts: &ChannelFacts| mechanism.check_channel(facts);
    let tls12 = ChannelFacts::tls12(true).tickets(Tickets::Stateful);
    assert_eq!(check(HtMechanism::HT_SHA_256_UNIQ, &tls12), Err(Unsuitable::NoUnique), "not every stack gives it");
    assert_eq!(check(HtMechanism::HT_SHA_256_UNIQ, &tls12.clone().unique(&[1; 12])), Ok(()));
    assert_eq!(check(HtMechanism::HT_SHA_256_ENDP, &tls12), Err(Unsuitable::NoEndPoint));
    assert_eq!(check(HtMechanism::HT_SHA_256_EXPR, &tls12), Err(Unsuitable::NoExporter));
    assert_eq!(check(HtMechanism::HT_SHA_256_NONE, &tls12), Ok(()));
}

#[test]
fn a_client_makes_no_assertion_of_an_origin_that_its_policy_refuses() {
    let facts = Tls::full().client();
    let granted = |full: &FullLogin, policy: &Policy| {
        ClientAssertion::granted(Pin::SHA_256_NONE, &Service::IMAP, full, &facts, &[7; 32], policy, START)
    };
    let unbound = FullLogin::new("SCRAM-SHA-256", "alice").unwrap();
    assert_eq!(granted(&unbound, &Policy::default()).err(), Some(CannotDerive::Origin));
    let mut policy = Policy::default();
    policy.unbound_lifetime = Some(policy.lifetime);
    assert!(granted(&unbound, &policy).is_ok());
}
