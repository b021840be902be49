//! What the library gave away, back to it; and names of results.

use core::ffi::{CStr, c_char};

use crate::boundary::release_buffer;
use crate::{FR_ABI, fr_buf, fr_result};

/// Wipes and frees what a buffer holds, and leaves it empty. Nothing for NULL, or an empty one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_buf_free(buf: *mut fr_buf) {
    // SAFETY: C's promise.
    unsafe { release_buffer(buf) }
}

/// FR_ABI of the header that belongs to this library: fr_is_of_this_header() compares.
#[unsafe(no_mangle)]
pub extern "C" fn fr_abi() -> u32 {
    FR_ABI
}

/// The name of a result, as "FR_STALE", for a log; "FR_?" for a number that is none. It is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn fr_result_name(result: i32) -> *const c_char {
    let name = NAMES.iter().find(|(known, _)| *known as i32 == result).map_or(c"FR_?", |(_, name)| name);
    CStr::as_ptr(name)
}

macro_rules! names {
    ($($name:ident)*) => {
        [$((fr_result::$name, match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
            Ok(name) => name,
            Err(_) => panic!("a name has no NUL"),
        })),*]
    };
}

const NAMES: [(fr_result, &CStr); 27] = names! {
    FR_OK FR_STALE FR_REVOKED FR_FULL_AUTHENTICATION_DUE FR_CONFIGURATION_CHANGED
    FR_BINDING_MISMATCH FR_REPLAYED FR_BAD_PROOF FR_MALFORMED FR_UNAVAILABLE
    FR_TRY_PREDECESSOR FR_FULL_LOGIN FR_FULL_HANDSHAKE FR_ABANDON FR_LATER
    FR_NOT_KNOWN FR_NULL FR_INVALID FR_SPENT FR_INTERNAL
    FR_NO_RANDOM FR_IO FR_IN_USE FR_DAMAGED FR_VERSION
    FR_CALLBACK FR_FORKED
};
