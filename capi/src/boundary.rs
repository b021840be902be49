//! Where C's pointers become references, and panics become results. Every promise that C makes is taken here, once.
//!
//! The promises, which the header states: a pointer is NULL, or points to what its type says, which nobody frees or changes while the function
//! runs; a handle was made by this library and was not freed; a callback returns.
#![allow(unsafe_code)]

use core::cell::Cell;
use core::ptr::NonNull;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;

use zeroize::Zeroize as _;

use crate::{fr_buf, fr_octets, fr_result};

/// Runs a function's body. No panic crosses into C, where it would be undefined behaviour; what it left half-done is behind locks that are
/// poisoned then, and answer the same from then on.
///
/// Nor does a callback get in: it runs while what called it is locked, and would wait for itself. What it gave places for is empty all the
/// same, as C frees it: so each `Out` is made before, and not in the body.
pub fn guard(body: impl FnOnce() -> Result<(), fr_result>) -> fr_result {
    if IN_CALLBACK.get() {
        return fr_result::FR_CALLBACK;
    }
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => fr_result::FR_OK,
        Ok(Err(result)) => result,
        Err(_) => fr_result::FR_INTERNAL,
    }
}

thread_local! {
    static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

/// Runs one of C's functions.
pub(crate) fn in_callback<T>(call: impl FnOnce() -> T) -> T {
    IN_CALLBACK.set(true);
    let answer = call();
    IN_CALLBACK.set(false);
    answer
}

/// What C may use from several threads at once has to be fit for it.
const fn for_many_threads<T: Send + Sync>() {}
const _: () = {
    for_many_threads::<crate::fr_store>();
    for_many_threads::<crate::fr_server>();
    for_many_threads::<crate::fr_server_connection>();
    for_many_threads::<crate::fr_client>();
    for_many_threads::<crate::fr_client_connection>();
    for_many_threads::<crate::fr_attempt>();
};

/// A handle, or a structure that is read.
///
/// # Safety
/// `pointer` is NULL, or points to a `T` that stays for `'a` and is not written to.
pub(crate) unsafe fn reference<'a, T>(pointer: *const T) -> Result<&'a T, fr_result> {
    // SAFETY: the caller promises it.
    unsafe { pointer.as_ref() }.ok_or(fr_result::FR_NULL)
}

/// An array.
///
/// # Safety
/// `pointer` is NULL, or points to `len` values that stay for `'a` and are not written to.
pub(crate) unsafe fn array<'a, T>(pointer: *const T, len: usize) -> Result<&'a [T], fr_result> {
    if len == 0 {
        return Ok(&[]);
    }
    if len.checked_mul(size_of::<T>()).is_none_or(|octets| octets > isize::MAX as usize) {
        return Err(fr_result::FR_INVALID);
    }
    if pointer.is_null() {
        return Err(fr_result::FR_NULL);
    }
    // SAFETY: the caller promises it; not NULL, and no longer than an allocation can be.
    Ok(unsafe { slice::from_raw_parts(pointer, len) })
}

/// Octets.
///
/// # Safety
/// As for [`array`].
pub(crate) unsafe fn octets<'a>(octets: fr_octets) -> Result<&'a [u8], fr_result> {
    // SAFETY: the caller promises it.
    unsafe { array(octets.data, octets.len) }
}

/// Text.
///
/// # Safety
/// As for [`array`].
pub(crate) unsafe fn text<'a>(text: fr_octets) -> Result<&'a str, fr_result> {
    // SAFETY: the caller promises it.
    core::str::from_utf8(unsafe { octets(text) }?).map_err(|_| fr_result::FR_INVALID)
}

/// A place that C gives for a result.
pub(crate) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    /// The place, which holds this until there is a result.
    ///
    /// # Safety
    /// `place` is NULL, or points to memory for a `T`, initialised or not, that nobody else uses until the function returns.
    pub(crate) unsafe fn new(place: *mut T, until_then: T) -> Result<Self, fr_result> {
        let out = Self(NonNull::new(place).ok_or(fr_result::FR_NULL)?);
        out.write(until_then);
        Ok(out)
    }

    fn write(&self, value: T) {
        // SAFETY: `new` was promised that it is writable; what was there needs no drop, as it is C's.
        unsafe { self.0.write(value) }
    }

    /// The result.
    pub(crate) fn put(self, value: T) {
        self.write(value);
    }
}

/// A handle's place holds NULL until there is one.
///
/// # Safety
/// As for [`Out::new`].
pub(crate) unsafe fn place<T>(place: *mut *mut T) -> Result<Out<*mut T>, fr_result> {
    // SAFETY: the caller promises it.
    unsafe { Out::new(place, core::ptr::null_mut()) }
}

/// A value as a handle, which [`release`] takes back.
pub(crate) fn handle<T>(value: T) -> *mut T {
    Box::into_raw(Box::new(value))
}

/// Frees a handle; nothing for NULL.
///
/// # Safety
/// `handle` is NULL, or came from [`handle`], is not used by anybody else, and never again.
pub(crate) unsafe fn release<T>(handle: *mut T) {
    if handle.is_null() {
        return;
    }
    // Nothing that is dropped here panics, as far as is known; and if so, C must not see it.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the caller promises that it is a box of ours, and that this is its end.
        drop(unsafe { Box::from_raw(handle) });
    }));
}

/// Octets as a buffer of C's.
pub(crate) fn buffer(octets: &[u8]) -> fr_buf {
    if octets.is_empty() {
        return fr_buf::EMPTY;
    }
    let octets: Box<[u8]> = octets.into();
    let len = octets.len();
    fr_buf { data: Box::into_raw(octets).cast(), len }
}

/// Wipes and frees a buffer, and leaves it empty; nothing for NULL.
///
/// # Safety
/// `place` is NULL, or points to a buffer that this library wrote and nobody else uses.
pub(crate) unsafe fn release_buffer(place: *mut fr_buf) {
    let Some(place) = NonNull::new(place) else { return };
    // SAFETY: the caller promises that it is there. It is empty from now on, so that a second call does nothing.
    let fr_buf { data, len } = unsafe { place.replace(fr_buf::EMPTY) };
    if data.is_null() || len == 0 {
        return;
    }
    // SAFETY: `buffer` made it of a box of this length.
    let mut octets = unsafe { Box::from_raw(core::ptr::slice_from_raw_parts_mut(data, len)) };
    octets.zeroize();
}

#[cfg(test)]
mod tests {
    use super::{fr_result, guard};

    #[test]
    fn a_panic_is_a_result() {
        assert_eq!(guard(|| panic!("for the test")), fr_result::FR_INTERNAL);
        assert_eq!(guard(|| Err(fr_result::FR_SPENT)), fr_result::FR_SPENT);
        assert_eq!(guard(|| Ok(())), fr_result::FR_OK);
    }
}
