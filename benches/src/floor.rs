//! The floor: the bare calls of ring that a server can't do without, in the formulas of the draft.
//!
//! Everything around them is missing: no text is parsed or written, nothing is looked up or wiped, and what is hashed lies ready in one
//! piece. That the results are right is compared once, before anything is measured.

use std::hint::black_box;

use fast_reauth::assertion::{HtMechanism, HtVersion};
use ring::{aead, digest, hkdf, hmac};

use crate::scene::{ALICE, CLIENT, Iky, NAME, Returning, SERVICE_KEY};
use crate::{Fault, Run};

fn lp(out: &mut Vec<u8>, x: &[u8]) {
    out.extend_from_slice(&(x.len() as u32).to_be_bytes());
    out.extend_from_slice(x);
}

fn lps(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    parts.iter().for_each(|part| lp(&mut out, part));
    out
}

/// Equal, in a time that depends on the lengths alone.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |all, (x, y)| black_box(all | (x ^ y))) == 0
}

fn unbase64(text: &[u8]) -> Vec<u8> {
    let digit = |octet: &u8| match octet {
        b'A'..=b'Z' => octet - b'A',
        b'a'..=b'z' => octet - b'a' + 26,
        b'0'..=b'9' => octet - b'0' + 52,
        b'+' | b'-' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.iter().filter(|&&octet| octet != b'=').map(digit).collect();
    let mut out = Vec::new();
    for group in digits.chunks(4) {
        let all = group.iter().enumerate().fold(0u32, |all, (at, &digit)| all | u32::from(digit) << (18 - 6 * at));
        out.extend_from_slice(&all.to_be_bytes()[1..group.len()]);
    }
    out
}

fn last(message: &[u8], mark: &[u8]) -> Result<(usize, Vec<u8>), Fault> {
    let at = message.windows(mark.len()).rposition(|part| part == mark).ok_or("the message ends otherwise")?;
    Ok((at, unbase64(&message[at + mark.len()..])))
}

/// The two keys of a stored record: what its octets have behind the id and the name.
fn stored_keys(octets: &[u8]) -> Option<Keys> {
    let mut rest = octets.get(5 + 16..)?;
    let mut next = || {
        let (len, behind) = rest.split_first_chunk::<4>()?;
        let (value, behind) = behind.split_at_checked(u32::from_be_bytes(*len) as usize)?;
        rest = behind;
        Some(value)
    };
    next()?;
    Some((next()?.try_into().ok()?, next()?.try_into().ok()?))
}

/// IKY with SHA-256: `H(T)`, `HMAC(StoredKey, T)`, `H(ClientKey)`, and the responder's HMAC. Each record has keys of its own, so their
/// schedules are part of it.
pub fn iky(how: Iky, client: &Returning<impl Sized>) -> Result<Run, Fault> {
    let record = client.found.record.get().ok_or("no record")?;
    let keys = stored_keys(&record.to_bytes()).ok_or("not a record")?;
    let mut verify = proof(how, client)?;
    Ok(Box::new(move || verify(black_box(keys))))
}

/// The two keys of a record.
type Keys = ([u8; 32], [u8; 32]);

fn proof(how: Iky, client: &Returning<impl Sized>) -> Result<Box<dyn FnMut(Keys)>, Fault> {
    let (at, proof) = last(&client.message, b",p=")?;
    let (end, signature) = last(&client.answer, b"v=")?;
    let binding = client.facts.tls_exporter().filter(|_| !how.pin.needs_counter()).unwrap_or_default();
    let flags = u8::from(how.resumed && !how.pin.needs_counter());
    let lineage = client.lineage.as_ref().map_or(&b""[..], |lineage| lineage.expose());
    let name = how.pin.name().as_bytes();
    let t = lps(&[b"IKY initiator", name, b"imap", &[flags], binding, lineage, &client.message[..at]]);
    // The hash of the transcript is filled in where it belongs.
    let mut responder = lps(&[b"IKY responder", &[0; 32], &proof, &client.answer[..end]]);
    let hash_at = 4 + b"IKY responder".len() + 4;
    Ok(Box::new(move |(stored, server): Keys| {
        let transcript = digest::digest(&digest::SHA256, black_box(&t));
        let mut client_key = [0; 32];
        client_key.copy_from_slice(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &stored), &t).as_ref());
        client_key.iter_mut().zip(&proof).for_each(|(a, b)| *a ^= b);
        let candidate = digest::digest(&digest::SHA256, &client_key);
        assert!(equal(candidate.as_ref(), &stored), "the floor is another formula");
        responder[hash_at..hash_at + 32].copy_from_slice(transcript.as_ref());
        let answer = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &server), black_box(&responder));
        assert!(equal(answer.as_ref(), &signature), "the floor is another formula");
    }))
}

/// A sealed assertion: the box key (HKDF), the AEAD, and what [`iky`] needs. By which id the account is found
/// is the store's affair, in the floor and in the step.
pub fn sealed(how: Iky, client: &Returning<impl Sized>) -> Result<Run, Fault> {
    let account = client.found.account.get().ok_or("no account")?;
    let from = client.message.windows(3).position(|part| part == b",t=").ok_or("nothing sealed")? + 3;
    let text = client.message[from..].split(|&octet| octet == b',').next().unwrap_or_default();
    let octets = unbase64(text);
    let (header, boxed) = octets.split_at(21);
    let (header, boxed, salt) = (header.to_vec(), boxed.to_vec(), header[5..].to_vec());
    let input = lps(&[&SERVICE_KEY, account.secret.expose()]);
    let name = how.pin.name().as_bytes();
    let ad = lps(&[b"IKY sealed v1", &header, name, b"imap", NAME.as_bytes(), ALICE.as_bytes()]);
    let open = move || {
        let mut key = [0; 32];
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &salt).extract(&input);
        prk.expand(&[b"IKY sealed v1"], hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut key)).expect("32 octets");
        let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, &key).expect("32 octets"));
        let (nonce, mut plain) = (aead::Nonce::assume_unique_for_key([0; 12]), [0; 384]);
        let plain = &mut plain[..boxed.len()];
        plain.copy_from_slice(&boxed);
        let opened = key.open_in_place(nonce, aead::Aad::from(&ad), plain).expect("the floor is another formula");
        let (stored, server) = (&opened[..32], &opened[32..64]);
        (<[u8; 32]>::try_from(stored).expect("32 octets"), <[u8; 32]>::try_from(server).expect("32 octets"))
    };
    let mut verify = proof(how, client)?;
    Ok(Box::new(move || verify(black_box(open()))))
}

/// HT and HT2 with SHA-256: the name of the client's tokens, both tokens, what a message with each of them says, and the answer with the
/// one that is right. The service key is scheduled once.
pub fn ht(mechanism: HtMechanism, client: &Returning<impl Sized>) -> Result<Run, Fault> {
    let service = hmac::Key::new(hmac::HMAC_SHA256, &SERVICE_KEY);
    let named = lps(&[b"FAST client v1", b"xmpp", NAME.as_bytes(), ALICE.as_bytes(), CLIENT.as_bytes()]);
    let binding = client.facts.tls_exporter().filter(|_| !mechanism.is_replayable()).unwrap_or_default().to_vec();
    let (initiator, responder) = ([b"Initiator", &binding[..]].concat(), [b"Responder", &binding[..]].concat());
    let salt_at = lps(&[b"FAST token v1", &[0; 16], mechanism.name().as_bytes()]).len() + 4;
    let mut input = lps(&[b"FAST token v1", &[0; 16], mechanism.name().as_bytes(), &[8; 32]]);
    let id_at = 4 + b"FAST token v1".len() + 4;
    let proof = client.message[client.message.len() - 32..].to_vec();
    let skip = if mechanism.version() == HtVersion::Ht2 { 2 } else { 0 };
    let answer = client.answer[skip..].to_vec();
    Ok(Box::new(move || {
        let id = digest::digest(&digest::SHA256, black_box(&named));
        input[id_at..id_at + 16].copy_from_slice(&id.as_ref()[..16]);
        for salt in [[0; 32], [8; 32]] {
            input[salt_at..].copy_from_slice(&salt);
            let octets = hmac::sign(&service, &input);
            let token = hmac::Key::new(hmac::HMAC_SHA256, &text(octets.as_ref()));
            let right = equal(hmac::sign(&token, black_box(&initiator)).as_ref(), &proof);
            assert!(right == (salt == [8; 32]), "the floor is another formula");
            if right {
                assert!(equal(hmac::sign(&token, &responder).as_ref(), &answer), "the floor is another formula");
            }
        }
    }))
}

/// base64url without padding.
fn text(octets: &[u8]) -> [u8; 43] {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = [0; 43];
    for (group, out) in octets.chunks(3).zip(out.chunks_mut(4)) {
        let all = group.iter().enumerate().fold(0u32, |all, (at, &octet)| all | u32::from(octet) << (16 - 8 * at));
        out.iter_mut().enumerate().for_each(|(at, out)| *out = DIGITS[(all >> (18 - 6 * at)) as usize & 63]);
    }
    out
}
