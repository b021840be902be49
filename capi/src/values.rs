//! Octets, in and out.
#![forbid(unsafe_code)]

use core::ptr;

use fast_reauth::Timestamp;

use crate::fr_result;

/// Which structures and functions this header is of. It changes with them.
pub const FR_ABI: u32 = 1;

/// Octets that a function reads while it runs, and keeps no pointer to.
///
/// Of the length 0 with any pointer, NULL included, it is empty. What is said to be text is UTF-8 without NUL at its end; fr_str()
/// makes one of a C string.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct fr_octets {
    /// The first octet.
    pub data: *const u8,
    /// How many there are.
    pub len: usize,
}

/// Octets that a function gives, and that the caller frees with fr_buf_free(), which wipes them.
///
/// Whatever a buffer held is overwritten and not freed, so that it need not be initialised: it is empty (NULL, 0) after a call that failed.
/// Free it before it is used again. There is no NUL at the end.
#[repr(C)]
pub struct fr_buf {
    /// The first octet; NULL when it is empty.
    pub data: *mut u8,
    /// How many there are.
    pub len: usize,
}

/// Later than any time in seconds is (the year 4147), and earlier than any in milliseconds.
const NO_TIME: u64 = 1 << 36;

/// A present time. What is none would never expire, or lock an account for millennia: 0, time()'s -1, milliseconds.
pub(crate) fn present(seconds: u64) -> Result<Timestamp, fr_result> {
    if (1..NO_TIME).contains(&seconds) { Ok(Timestamp::from_secs(seconds)) } else { Err(fr_result::FR_INVALID) }
}

impl fr_buf {
    pub(crate) const EMPTY: Self = Self { data: ptr::null_mut(), len: 0 };
}
