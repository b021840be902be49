//! AES-256-GCM, and what is published of it.

use super::*;

/// AES-256-GCM.
pub(super) fn gcm(key: &[u8], nonce: [u8; 12], ad: &[u8], plain: &[u8]) -> Vec<u8> {
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, key).expect("32 octets"));
    let mut octets = plain.to_vec();
    let nonce = aead::Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce, aead::Aad::from(ad), &mut octets).expect("not too long");
    octets
}

pub(super) fn gcm_open(key: &[u8], ad: &[u8], octets: &[u8]) -> Option<Vec<u8>> {
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, key).expect("32 octets"));
    let mut octets = octets.to_vec();
    let nonce = aead::Nonce::assume_unique_for_key([0; 12]);
    key.open_in_place(nonce, aead::Aad::from(ad), &mut octets).ok().map(|plain| plain.to_vec())
}

pub(super) fn aes_gcm(f: &mut File) {
    f.group("aes-gcm", "AES-256-GCM as published, and what has to be refused of it.");
    let key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
    let plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
    let sealed = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad";
    let (zero, iv) = ("00".repeat(32), "cafebabefacedbaddecaf888");
    let ad = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
    let published: [(&str, &str, &str, &str, String, &str); 4] = [
        (&zero, &zero[..24], "", "", "530f8afbc74536b9a963b4f1c4cb738b".into(), "test case 13"),
        (
            &zero,
            &zero[..24],
            "",
            &zero[..32],
            "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919".into(),
            "test case 14",
        ),
        (key, iv, "", plain, format!("{sealed}b094dac5d93471bdec1a502270e3cc6c"), "test case 15"),
        (key, iv, ad, &plain[..120], format!("{}76fc6ece0f4e1768cddf8853bb2d551b", &sealed[..120]), "test case 16"),
    ];
    let inputs =
        |key: &str, nonce: &str, ad: &str, plain: &str| json!({ "key": key, "nonce": nonce, "ad": ad, "plain": plain });
    for (key, nonce, ad, plain, expected, note) in &published {
        let octets = gcm(&unhex(key), unhex(nonce).try_into().expect("12 octets"), &unhex(ad), &unhex(plain));
        assert_eq!(hex(&octets), *expected, "{note}");
        f.case(true, note, inputs(key, nonce, ad, plain), json!({ "right": expected }), json!({ "sealed": expected }));
    }
    let (_, _, _, plain, expected, _) = &published[3];
    let right = unhex(expected);
    let last = right.len() - 1;
    for (at, bit, note) in [
        (0, 1, "one bit of the ciphertext: whoever knows the plaintext could write another"),
        (last - TAG, 0x80, "the last bit of the ciphertext, in a block that is not full"),
        (last - 15, 1, "the first bit of the tag: half a tag is easier to guess"),
        (last, 0x80, "the last bit of the tag: half a tag is easier to guess"),
    ] {
        let mut change = vec![0; right.len()];
        change[at] = bit;
        let mut inputs = inputs(key, iv, ad, plain);
        inputs["sealed_xor"] = json!(hex(&change));
        f.case(false, note, inputs, json!({ "right": expected }), json!({ "sealed": hex(&xor(&right, &change)) }));
    }
}
