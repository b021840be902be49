//! What was stored, here or at the client, is read as it was written, or not at all.

use super::*;
use fast_reauth::assertion::{
    AccountSecret, AccountState, ClientAssertion, ClientToken, HtMechanism, InvalidAssertion, LineageRecord, Record,
    Revocations, ServiceKeys, TokenRecord, TokenRequest, TokenSlot,
};
use fast_reauth::store::Commit;
use fast_reauth::store::client::Accounts;

/// One of everything that is stored.
struct Kept {
    record: Record,
    lineage: LineageRecord,
    token: TokenRecord,
    slot: TokenSlot,
    account: AccountState,
    assertion: ClientAssertion,
    client_token: ClientToken,
}

fn kept() -> Kept {
    let mechanism = HtMechanism::HT_SHA_256_EXPR;
    let pair = Pair::new(server().fast([mechanism], ServiceKeys::new(1, &[1; 32])));
    let (full, tls, device) = (bound("alice"), Tls::full(), DeviceId::new(fresh()));
    pair.full_login("alice", &tls);
    let request = TokenRequest { mechanism, authcid: "alice", client: "phone", random: fresh() };
    let login = Login { full: &full, identity: "alice@example.com", device, now: pair.now };
    let (logged_in, issued) = pair.connection(&tls).logged_in_with_token(login, &tls.exporter(), &request);
    let Commit::Remember(mut remember) = logged_in.commit else { panic!("a login") };
    let (issued, token) = (issued.unwrap(), *remember.token.unwrap());
    let (policy, scope) = (Policy::default(), account("alice").scope);
    let text = issued.token.expose();
    let mut revoked = Revocations::default();
    let _ = revoked.revoke(device, pair.now, None);
    revoked.revoke_all(pair.now, None, Some(device));
    Kept {
        record: remember.records.remove(0),
        lineage: remember.link.unwrap().lineage,
        slot: token.new_token().unwrap().clone(),
        token,
        account: AccountState { identity: "alice".into(), secret: AccountSecret::new(fresh()), revoked },
        assertion: pair.client.assertions(&account("alice")).remove(0),
        client_token: ClientToken::issued(
            text,
            mechanism,
            &scope,
            "alice",
            full.origin(),
            issued.expires,
            &policy,
            START,
        )
        .unwrap(),
    }
}

/// Each of them, by the name of its type.
macro_rules! each {
    ($kept:expr, $check:ident, $($field:ident: $kind:ty),*) => {$(
        $check(stringify!($kind), &$kept.$field.to_bytes(), &|octets| <$kind>::from_bytes(octets).map(|read| read == $kept.$field));
    )*};
    ($kept:expr, $check:ident) => {
        each!($kept, $check, record: Record, lineage: LineageRecord, token: TokenRecord, slot: TokenSlot, account: AccountState,
            assertion: ClientAssertion, client_token: ClientToken)
    };
}

type Read<'r> = &'r dyn Fn(&[u8]) -> Result<bool, InvalidAssertion>;

#[test]
fn what_was_stored_is_read_as_it_was() {
    let check = |kind: &str, octets: &[u8], read: Read<'_>| assert_eq!(read(octets), Ok(true), "{kind}");
    let kept = kept();
    each!(kept, check);
}

#[test]
fn what_is_stored_says_whose_it_is_and_since_when() {
    let Kept { record, lineage, token, slot, assertion, .. } = kept();
    let (identity, login_name) = ("alice@example.com", "alice");
    assert_eq!((record.identity(), record.login_name()), (identity, login_name));
    assert_eq!(
        (record.pin(), record.scope(), record.device()),
        (Pin::SHA_256_EXPR, &account("alice").scope, token.device())
    );
    assert_eq!((record.origin(), record.issued(), record.full_login()), (Origin::Bound, START, START));
    assert_eq!((record.renews(), record.is_revoked()), (None, false));
    assert_eq!((lineage.identity(), lineage.login_name()), (identity, login_name));
    assert_eq!((lineage.scope(), lineage.device(), lineage.origin()), (record.scope(), record.device(), Origin::Bound));
    assert_eq!((lineage.full_login(), lineage.is_shared(), lineage.is_revoked()), (START, false, false));
    assert_eq!((token.identity(), token.authcid(), token.scope()), (identity, login_name, record.scope()));
    assert_eq!((token.is_revoked(), slot.mechanism()), (false, HtMechanism::HT_SHA_256_EXPR));
    assert_eq!((slot.origin(), slot.full_login()), (Origin::Bound, START));
    assert!(START < slot.expires() && START < record.expires() && START < lineage.expires());
    assert_eq!((assertion.login_name(), assertion.origin(), assertion.issued()), (login_name, Origin::Bound, START));
}

#[test]
fn what_was_stored_is_read_whole_or_not_at_all() {
    let check = |kind: &str, octets: &[u8], read: Read<'_>| {
        let magic = octets.iter().position(|&octet| octet == 1).expect("the version, behind the name");
        for end in 0..octets.len() {
            let expected = if end < magic { InvalidAssertion::NotAnAssertion } else { InvalidAssertion::Damaged };
            assert_eq!(read(&octets[..end]), Err(expected), "{kind}, cut at {end}");
        }
        assert_eq!(read(&[octets, b"\0"].concat()), Err(InvalidAssertion::Damaged), "{kind}, with an octet more");
    };
    let kept = kept();
    each!(kept, check);
}

#[test]
fn what_another_version_stored_is_not_guessed_at() {
    let check = |kind: &str, octets: &[u8], read: Read<'_>| {
        let at = octets.iter().position(|&octet| octet == 1).expect("the version, behind the name");
        let mut other = octets.to_vec();
        other[at] = 2;
        assert_eq!(read(&other), Err(InvalidAssertion::Version(2)), "{kind}");
        other[0] ^= 1;
        assert_eq!(read(&other), Err(InvalidAssertion::NotAnAssertion), "{kind}");
    };
    let kept = kept();
    each!(kept, check);
}

/// The octets with another value in the field of this number, counted from `start`.
fn with_field(octets: &[u8], start: usize, number: usize, value: &[u8]) -> Vec<u8> {
    let len = |at: usize| 4 + u32::from_be_bytes(octets[at..at + 4].try_into().unwrap()) as usize;
    let at = (0..number).fold(start, |at, _| at + len(at));
    [&octets[..at], &(value.len() as u32).to_be_bytes(), value, &octets[at + len(at)..]].concat()
}

#[test]
fn a_stored_key_has_the_length_of_its_mechanism() {
    let kept = kept();
    let record = kept.record.to_bytes();
    let start = b"IKYr".len() + 1 + 16;
    for key in [1, 2] {
        assert!(Record::from_bytes(&with_field(&record, start, key, &[7; 32])).is_ok());
        for len in [31, 33, 48] {
            let other = with_field(&record, start, key, &vec![7; len]);
            assert_eq!(Record::from_bytes(&other), Err(InvalidAssertion::Damaged), "{key}: {len}");
        }
    }
    let assertion = kept.assertion.to_bytes();
    let start = b"IKnowYou".len() + 1;
    for key in [7, 8] {
        assert!(ClientAssertion::from_bytes(&with_field(&assertion, start, key, &[7; 32])).is_ok());
        for len in [31, 33, 48] {
            let other = with_field(&assertion, start, key, &vec![7; len]);
            assert_eq!(ClientAssertion::from_bytes(&other), Err(InvalidAssertion::Damaged), "{key}: {len}");
        }
    }
}

#[test]
fn a_stored_name_is_one_that_can_be_said() {
    let kept = kept();
    let (record, lineage) = (kept.record.to_bytes(), kept.lineage.to_bytes());
    let (of_record, of_lineage) = (b"IKYr".len() + 1 + 16, b"IKYl".len() + 1);
    let token = kept.client_token.to_bytes();
    let of_token = b"IKYtoken".len() + 1;
    let long = "a".repeat(256);
    for name in ["a\0", &long] {
        for field in [3, 4] {
            let other = with_field(&record, of_record, field, name.as_bytes());
            assert_eq!(Record::from_bytes(&other), Err(InvalidAssertion::Damaged));
        }
        for field in [0, 1] {
            let other = with_field(&lineage, of_lineage, field, name.as_bytes());
            assert_eq!(LineageRecord::from_bytes(&other), Err(InvalidAssertion::Damaged));
        }
        let other = with_field(&token, of_token, 3, name.as_bytes());
        assert_eq!(ClientToken::from_bytes(&other), Err(InvalidAssertion::Damaged));
    }
    assert_eq!(
        Record::from_bytes(&with_field(&record, of_record, 3, b"")),
        Err(InvalidAssertion::Damaged),
        "no account"
    );
    assert_eq!(ClientToken::from_bytes(&with_field(&token, of_token, 3, b"")), Err(InvalidAssertion::Damaged));
    assert!(Record::from_bytes(&with_field(&record, of_record, 4, b"")).is_ok(), "a login name may be empty");
}

#[test]
fn a_record_that_succeeds_nothing_names_no_predecessor() {
    let mut octets = kept().record.to_bytes().to_vec();
    let last = octets.len() - 1;
    octets[last] = 1;
    assert_eq!(Record::from_bytes(&octets), Err(InvalidAssertion::Damaged));
}

#[test]
fn accounts_are_restored_whole_or_not_at_all() {
    let (pair, _) = logged_in(server());
    let saved = pair.client.to_bytes();
    let restored = |octets: &[u8]| Accounts::default().restore_all(octets);
    assert!(restored(&saved).is_ok());
    for bad in [&saved[..saved.len() - 1], &[&saved[..], b"\0"].concat()] {
        assert_eq!(restored(bad).err(), Some(InvalidAssertion::Damaged));
    }
}

#[test]
fn saved_accounts_have_one_spelling() {
    let (pair, _) = logged_in(server());
    let saved = pair.client.to_bytes();
    let (start, account) = saved.split_at(b"IKYaccounts\x01".len());
    let of = |name: &str, kinds: &str| {
        let part = |octets: &[u8]| [&u32::try_from(octets.len()).unwrap().to_be_bytes()[..], octets].concat();
        let name = ["imap", "imap.example.com", name].map(|text| part(text.as_bytes())).concat();
        let known = kinds.bytes().flat_map(|kind| [&[kind], &part(b"PLAIN")[..]].concat());
        [b"n", &part(&name)[..]].concat().into_iter().chain(known).collect::<Vec<_>>()
    };
    let restored = |parts: &[&[u8]]| {
        let accounts = Accounts::default();
        accounts.restore_all(&[start, &parts.concat()].concat()).map(|()| accounts.all().len())
    };
    assert_eq!(restored(&[account, &of("bob", "oof"), &of("carol", "f")]), Ok(3));
    assert_eq!(restored(&[&of("bob", "o"), account]), Ok(2), "accounts come in any order");
    for twice in [account, &of("alice", "o")] {
        assert_eq!(restored(&[account, twice]), Err(InvalidAssertion::Damaged), "the same account again");
    }
    for kind in ["a", "t", "o", "f"] {
        let of_nobody = &of("bob", kind)[of("bob", "").len()..];
        assert_eq!(restored(&[of_nobody, account]), Err(InvalidAssertion::Damaged), "{kind}");
    }
    for order in ["fo", "ofo", "ffof"] {
        assert_eq!(restored(&[&of("bob", order)]), Err(InvalidAssertion::Damaged), "{order}");
    }
}
