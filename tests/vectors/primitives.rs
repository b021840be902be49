//! Published vectors, and Wycheproof's, through ring's primitives in the way that src/crypto.rs uses them.

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use ring::{hkdf as ring_hkdf, hmac as ring_hmac};
use wycheproof::TestResult;

use crate::case::*;

fn mac(hash: &str, key: &[u8], data: &[u8]) -> Vec<u8> {
    let algorithm = match hash {
        "SHA-256" => ring_hmac::HMAC_SHA256,
        "SHA-384" => ring_hmac::HMAC_SHA384,
        "SHA-512" => ring_hmac::HMAC_SHA512,
        other => panic!("no hash {other}"),
    };
    let mut context = ring_hmac::Context::with_key(&ring_hmac::Key::new(algorithm, key));
    context.update(data);
    context.sign().as_ref().to_vec()
}

/// `None` where RFC 5869 has no so long an output.
fn derive(hash: &str, salt: &[u8], ikm: &[u8], info: &[u8], length: usize) -> Option<Vec<u8>> {
    struct Len(usize);
    impl ring_hkdf::KeyType for Len {
        fn len(&self) -> usize {
            self.0
        }
    }
    let algorithm = match hash {
        "SHA-256" => ring_hkdf::HKDF_SHA256,
        "SHA-384" => ring_hkdf::HKDF_SHA384,
        "SHA-512" => ring_hkdf::HKDF_SHA512,
        other => panic!("no hash {other}"),
    };
    let mut okm = vec![0; length];
    let prk = ring_hkdf::Salt::new(algorithm, salt).extract(ikm);
    prk.expand(&[info], Len(length)).and_then(|output| output.fill(&mut okm)).ok().map(|()| okm)
}

pub(crate) fn hkdf(case: &Case<'_>) {
    let of = |name: &str| octets(&case.inputs()[name]);
    let hash = text(&case.inputs()["hash"]);
    assert_eq!(hex(&mac(hash, &of("salt"), &of("ikm"))), text(&case.between()["prk"]), "HKDF-Extract is HMAC");
    let okm = derive(hash, &of("salt"), &of("ikm"), &of("info"), number(&case.inputs()["length"]) as usize);
    assert_eq!(hex(&okm.expect("an output")), text(&case.outputs()["okm"]));
}

pub(crate) fn hmac(case: &Case<'_>) {
    let (inputs, claimed) = (case.inputs(), octets(&case.outputs()["tag"]));
    let right = mac(text(&inputs["hash"]), &octets(&inputs["key"]), &octets(&inputs["data"]));
    assert_eq!(hex(&right), text(&case.between()["right"]));
    assert_eq!(right == claimed, case.is_valid());
    if let Some(change) = inputs.get("tag_xor") {
        let changed: Vec<u8> = right.iter().zip(octets(change)).map(|(a, b)| a ^ b).collect();
        assert_eq!(changed[..number(&inputs["tag_length"]) as usize], claimed);
    }
}

pub(crate) fn ed25519(case: &Case<'_>) {
    let (inputs, claimed) = (case.inputs(), octets(&case.outputs()["signature"]));
    let pair = Ed25519KeyPair::from_seed_unchecked(&octets(&inputs["seed"])).expect("32 octets");
    let message = octets(&inputs["message"]);
    assert_eq!(hex(pair.public_key().as_ref()), text(&case.between()["public_key"]));
    let right = pair.sign(&message);
    assert_eq!(hex(right.as_ref()), text(&case.between()["right"]));
    let changed = inputs.get("signature_xor").map_or_else(|| vec![0; 64], octets);
    let changed: Vec<u8> = right.as_ref().iter().zip(changed).map(|(a, b)| a ^ b).collect();
    assert_eq!(changed, claimed);
    let key = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref());
    assert_eq!(key.verify(&message, &claimed).is_ok(), case.is_valid());
}

pub(crate) fn wycheproof() {
    use wycheproof::{eddsa, hkdf, mac as macs};
    let mut count = 0;
    for (hash, name) in [
        ("SHA-256", hkdf::TestName::HkdfSha256),
        ("SHA-384", hkdf::TestName::HkdfSha384),
        ("SHA-512", hkdf::TestName::HkdfSha512),
    ] {
        for test in hkdf::TestSet::load(name).expect("a set").test_groups.iter().flat_map(|group| &group.tests) {
            let okm = derive(hash, &test.salt, &test.ikm, &test.info, test.size);
            let right = okm.is_some_and(|okm| okm == test.okm.as_slice());
            assert_eq!(right, test.result == TestResult::Valid, "{hash} {}", test.tc_id);
            count += 1;
        }
    }
    for (hash, name) in [
        ("SHA-256", macs::TestName::HmacSha256),
        ("SHA-384", macs::TestName::HmacSha384),
        ("SHA-512", macs::TestName::HmacSha512),
    ] {
        for group in macs::TestSet::load(name).expect("a set").test_groups {
            for test in &group.tests {
                let right = mac(hash, &test.key, &test.msg);
                let valid = right[..group.tag_size / 8] == *test.tag;
                assert_eq!(valid, test.result == TestResult::Valid, "{hash} {}", test.tc_id);
                count += 1;
            }
        }
    }
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).expect("a set").test_groups {
        let key = UnparsedPublicKey::new(&ED25519, &*group.key.pk);
        for test in &group.tests {
            assert_eq!(
                key.verify(&test.msg, &test.sig).is_ok(),
                test.result == TestResult::Valid,
                "Ed25519 {}",
                test.tc_id
            );
            count += 1;
        }
    }
    assert!(count > 700, "{count}");
}
