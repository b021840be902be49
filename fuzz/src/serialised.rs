//! What either end keeps, as octets: whatever can be read is written again as it was.

use std::collections::BTreeMap;

use fast_reauth::assertion::{
    AccountState, ClientAssertion, ClientToken, LineageRecord, Record, TokenRecord, TokenSlot,
};
use fast_reauth::store::Window;
use fast_reauth::store::client::{Accounts, Plan};

use crate::common::{START, Tls, account};
use crate::input::split;

macro_rules! again {
    ($kind:ty, $octets:expr) => {
        if let Ok(read) = <$kind>::from_bytes($octets) {
            let written = read.to_bytes();
            assert!(written[..] == $octets[..], "{} has two spellings", stringify!($kind));
            for end in [0, $octets.len() / 2, $octets.len() - 1] {
                assert!(<$kind>::from_bytes(&$octets[..end]).is_err(), "{} cut at {end}", stringify!($kind));
            }
            let longer = [$octets, b"\0"].concat();
            assert!(<$kind>::from_bytes(&longer).is_err(), "{} with an octet behind it", stringify!($kind));
            let _ = format!("{read:?}");
        }
    };
}

/// The first octet chooses the kind.
pub fn run(data: &[u8]) {
    let Some(([kind], octets)) = split(data) else { return };
    match kind % 9 {
        0 => again!(ClientAssertion, octets),
        1 => again!(ClientToken, octets),
        2 => again!(Record, octets),
        3 => again!(LineageRecord, octets),
        4 => again!(TokenRecord, octets),
        5 => again!(TokenSlot, octets),
        6 => again!(AccountState, octets),
        7 => window(octets),
        _ => accounts(octets),
    }
}

/// A window takes no counter twice, also not across a store.
fn window(octets: &[u8]) {
    let (mut window, mut taken) = (Window::default(), Vec::new());
    for counter in octets.chunks_exact(2).take(256) {
        let counter = u64::from(u16::from_be_bytes([counter[0], counter[1]]));
        let (highest, used) = window.parts();
        window = Window::from_parts(highest, used);
        let fresh = counter > 0 && !taken.contains(&counter);
        let near = highest.saturating_sub(counter) < Window::WIDTH;
        let accepted = window.accept(counter);
        assert!(!accepted || fresh, "{counter} twice");
        assert!(accepted || !fresh || !near, "{counter} is fresh, and near the highest");
        if accepted {
            taken.push(counter);
        }
    }
}

/// An application's file comes back whole, beside what was there already, or not at all; and is written again as it was, but for the order of the accounts.
fn accounts(octets: &[u8]) {
    let there = Accounts::default();
    there.restore_all(&already_there()).expect("octets that this library writes");
    let before = there.to_bytes();
    if there.restore_all(octets).is_err() {
        assert!(there.to_bytes() == before, "a failed restore changed something");
        return;
    }
    let (mut all, read) = (by_account(&before), by_account(octets));
    assert_eq!(read.values().map(|whole| whole.len()).sum::<usize>(), octets.len() - START_LEN, "an account twice");
    all.extend(read);
    assert!(by_account(&there.to_bytes()) == all, "not what was there and what was read");
    for end in [0, START_LEN - 1, octets.len() - 1] {
        assert!(Accounts::default().restore_all(&octets[..end]).is_err(), "accounts cut at {end}");
    }
    assert!(Accounts::default().restore_all(&[octets, b"\0"].concat()).is_err(), "accounts with an octet behind them");
    let _ = format!("{there:?}");
    // Whatever was restored, an application may come back with it.
    for account in there.all().iter().take(2) {
        let mut client = there.connect(account, Tls::full().client());
        if let Plan::Known(attempt) = client.plan(START) {
            let _ = attempt.message();
        }
    }
    Accounts::default().restore_all(&there.to_bytes()).expect("it was written");
}

/// The name of the format, and its version.
const START_LEN: usize = b"IKYaccounts\x01".len();

/// An account of which two things are known.
fn already_there() -> Vec<u8> {
    let account = account("alice");
    let part = |octets: &[u8]| [&(octets.len() as u32).to_be_bytes()[..], octets].concat();
    let scope = [account.scope.service.as_str(), account.scope.server_name.as_str(), &account.login_name];
    let name = scope.map(|text| part(text.as_bytes())).concat();
    let (offered, fast) = (part(b"IKY-SHA-256-EXPR"), part(b"HT-SHA-256-EXPR"));
    [b"IKYaccounts\x01n", &part(&name)[..], b"o", &offered, b"f", &fast].concat()
}

/// Each account in it by its name, with all that is known of it, as octets.
fn by_account(octets: &[u8]) -> BTreeMap<&[u8], &[u8]> {
    let (mut all, mut rest, mut account) = (BTreeMap::new(), &octets[START_LEN..], None);
    while let Some((kind, behind)) = rest.split_first() {
        let (len, behind) = behind.split_first_chunk::<4>().expect("it was read");
        let (value, behind) = behind.split_at(u32::from_be_bytes(*len) as usize);
        if *kind == b'n' {
            account = Some((value, rest));
        }
        let (name, from) = account.expect("its name comes first");
        all.insert(name, &from[..from.len() - behind.len()]);
        rest = behind;
    }
    all
}
