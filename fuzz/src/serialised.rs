//! What either end keeps, as octets: whatever can be read is written again as it was.

use fast_reauth::assertion::{
    AccountState, ClientAssertion, ClientToken, LineageRecord, Record, TokenRecord, TokenSlot,
};
use fast_reauth::store::Window;

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
    match kind % 8 {
        0 => again!(ClientAssertion, octets),
        1 => again!(ClientToken, octets),
        2 => again!(Record, octets),
        3 => again!(LineageRecord, octets),
        4 => again!(TokenRecord, octets),
        5 => again!(TokenSlot, octets),
        6 => again!(AccountState, octets),
        _ => window(octets),
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
