//! The functions of a store.

use crate::boundary::{Out, guard, handle, place, reference, release, text};
use crate::{fr_octets, fr_result, fr_store};

/// Opens a store, by its location:
///
/// "memory": in this process; it ends with the last handle that uses it.
///
/// "redb:FILE": in a file of this machine, which is made where it is not there, for its owner only (mode 0600). One process at a
/// time has it open; the others get FR_IN_USE. It is let go with the last handle that uses it.
///
/// "redis://USER:PASSWORD@HOST:PORT/DATABASE", of which the host is enough, or "unix:" and a path: in a Valkey or Redis 7, for many processes on many machines. Only if this library
/// was built with the feature redis. Whether it answers shows at the first use.
///
/// FR_INVALID: no such location. FR_IO, FR_IN_USE, FR_DAMAGED, FR_VERSION: the file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_store_open(location: fr_octets, out: *mut *mut fr_store) -> fr_result {
    // SAFETY: C's promise.
    let out = unsafe { place(out) };
    guard(|| {
        // SAFETY: C's promise.
        let (out, location) = (out?, unsafe { text(location)? });
        out.put(handle(fr_store::open(location)?));
        Ok(())
    })
}

/// Ends every client of an account, in every service: after a change of password, say. `revoked` gets how many there were; it may be NULL.
///
/// `now`: seconds since 1970.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_store_revoke(
    store: *const fr_store,
    identity: fr_octets,
    now: u64,
    revoked: *mut usize,
) -> fr_result {
    // SAFETY: C's promise.
    let out = unsafe { Out::new(revoked, 0) };
    guard(|| {
        // SAFETY: C's promises.
        let (store, identity) = unsafe { (reference(store)?, text(identity)?) };
        let count = store.revoke(identity, now)?;
        // Without a place nobody asks.
        if let Ok(out) = out {
            out.put(count);
        }
        Ok(())
    })
}

/// Frees a store. Servers that use it go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_store_free(store: *mut fr_store) {
    // SAFETY: C's promise.
    unsafe { release(store) }
}
