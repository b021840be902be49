//! The functions of a client.

use core::ffi::c_int;

use crate::boundary::{Out, array, buffer, guard, handle, octets, place, reference, release, text};
use crate::{
    channel, fr_attempt, fr_buf, fr_channel, fr_client, fr_client_connection, fr_login, fr_octets, fr_result,
    fr_sibling, login,
};

/// A client that knows no server yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_client_new(out: *mut *mut fr_client) -> fr_result {
    // SAFETY: C's promise.
    let out = unsafe { place(out) };
    guard(|| {
        out?.put(handle(fr_client::new()));
        Ok(())
    })
}

/// All that has to survive a restart, as octets. They are secret: whoever has them is this client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_client_save(client: *const fr_client, out: *mut fr_buf) -> fr_result {
    // SAFETY: C's promise.
    let out = unsafe { Out::new(out, fr_buf::EMPTY) };
    guard(|| {
        // SAFETY: C's promise.
        let (out, client) = (out?, unsafe { reference(client)? });
        out.put(buffer(&client.save()?));
        Ok(())
    })
}

/// Takes what fr_client_save() gave, in the place of everything that the client knows. FR_DAMAGED: it is something else, and nothing changed.
///
/// A state that is older than the last one used makes the server take its counters for replays.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_client_load(client: *const fr_client, state: fr_octets) -> fr_result {
    guard(|| {
        // SAFETY: C's promises.
        unsafe { reference(client)?.load(octets(state)?) }
    })
}

/// Forgets an account, as when the user removes it or logs out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_client_forget(
    client: *const fr_client,
    service: fr_octets,
    server_name: fr_octets,
    login_name: fr_octets,
) -> fr_result {
    guard(|| {
        // SAFETY: C's promises.
        unsafe { reference(client)?.forget(text(service)?, text(server_name)?, text(login_name)?) }
    })
}

/// Frees a client. Its connections go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_client_free(client: *mut fr_client) {
    // SAFETY: C's promise.
    unsafe { release(client) }
}

/// A connection to this service, for the account of this login name, after the TLS handshake; the server name is the channel's.
///
/// FR_INVALID: the channel says what can't be, as a `handle`, which is a server's; its exporter fails; or `predecessor` is of another account, whose TLS sessions are not for
/// this one. FR_DAMAGED: `predecessor` is something else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_client_connection_new(
    client: *const fr_client,
    service: fr_octets,
    login_name: fr_octets,
    channel: *const fr_channel,
    out: *mut *mut fr_client_connection,
) -> fr_result {
    // SAFETY: C's promise.
    let out = unsafe { place(out) };
    guard(|| {
        // SAFETY: C's promise.
        let (out, client) = (out?, unsafe { reference(client)? });
        // SAFETY: C's promises.
        let (service, login_name) = unsafe { (text(service)?, text(login_name)?) };
        // SAFETY: C's promises.
        let channel = unsafe { reference(channel)? };
        // SAFETY: C's promises.
        let (facts, before, own) =
            unsafe { (channel::facts(channel)?, octets(channel.predecessor)?, octets(channel.handle)?) };
        if !own.is_empty() {
            return Err(fr_result::FR_INVALID);
        }
        out.put(handle(client.connect(service, login_name, facts, before)?));
        Ok(())
    })
}

/// The mechanisms that the server lists here, with spaces in between, in any order. Where the client speaks first, those of the last time stand until this is
/// called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_client_connection_offered(
    connection: *const fr_client_connection,
    mechanisms: fr_octets,
) -> fr_result {
    guard(|| {
        // SAFETY: C's promises.
        unsafe { reference(connection)?.offered(text(mechanisms)?) }
    })
}

/// How to log in here. FR_OK: the server knows this client; send what `out` has, and wait for nothing. FR_FULL_LOGIN, FR_FULL_HANDSHAKE, FR_ABANDON: there is no
/// attempt to make, do that instead.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_client_connection_plan(
    connection: *const fr_client_connection,
    now: u64,
    out: *mut *mut fr_attempt,
) -> fr_result {
    // SAFETY: C's promise.
    let out = unsafe { place(out) };
    guard(|| {
        // SAFETY: C's promise.
        let (out, connection) = (out?, unsafe { reference(connection)? });
        out.put(handle(connection.plan(now)?));
        Ok(())
    })
}

/// What to send: the mechanism's name, and the message, which the protocol encodes. FR_SPENT after fr_client_connection_finish().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_attempt_message(
    attempt: *const fr_attempt,
    mechanism: *mut fr_buf,
    message: *mut fr_buf,
) -> fr_result {
    // SAFETY: C's promises.
    let (mechanism, message) = unsafe { (Out::new(mechanism, fr_buf::EMPTY), Out::new(message, fr_buf::EMPTY)) };
    guard(|| {
        let (mechanism, message) = (mechanism?, message?);
        // SAFETY: C's promise.
        unsafe { reference(attempt)? }.with(|attempt| {
            mechanism.put(buffer(attempt.mechanism().as_bytes()));
            message.put(buffer(attempt.message()));
        })
    })
}

/// 1 where the client has to be saved before the message is sent, as it has a counter; and for NULL or an attempt that is finished. 0 otherwise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_attempt_save_first(attempt: *const fr_attempt) -> c_int {
    let result = guard(|| {
        // SAFETY: C's promise.
        let needed = unsafe { reference(attempt)? }.with(|attempt| attempt.store_first())?;
        if needed { Err(fr_result::FR_NOT_KNOWN) } else { Ok(()) }
    });
    c_int::from(result != fr_result::FR_OK)
}

/// HT: `count` for XMPP's fast element; 0 where there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_attempt_count(attempt: *const fr_attempt) -> u64 {
    let mut count = 0;
    let _ = guard(|| {
        // SAFETY: C's promise.
        count = unsafe { reference(attempt)? }.with(|attempt| attempt.count())?.unwrap_or(0);
        Ok(())
    });
    count
}

/// Takes what came of an attempt: FR_OK as `outcome` where the protocol says that the client is logged in, FR_STALE where it refuses (or another one of the outcomes, where
/// its codes tell); and the server's message, or nothing.
///
/// Returns FR_OK if and only if the client is logged in and the server showed that it is the server: whatever the protocol says, a connection with
/// another result is not to be used. Otherwise what to do next: FR_TRY_PREDECESSOR, FR_FULL_LOGIN, FR_FULL_HANDSHAKE, FR_ABANDON, FR_LATER.
///
/// Save the client afterwards. The attempt is spent, and still to be freed; a second call is FR_SPENT. FR_INVALID, which spends nothing: an outcome that is none, or
/// another connection's attempt.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_client_connection_finish(
    connection: *const fr_client_connection,
    attempt: *const fr_attempt,
    outcome: i32,
    message: fr_octets,
    now: u64,
) -> fr_result {
    guard(|| {
        // SAFETY: C's promises.
        let (connection, attempt, message) = unsafe { (reference(connection)?, reference(attempt)?, octets(message)?) };
        connection.finish(attempt, outcome, message, now)
    })
}

/// Frees an attempt, finished or not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_attempt_free(attempt: *mut fr_attempt) {
    // SAFETY: C's promise.
    unsafe { release(attempt) }
}

/// After a full login: makes what the next connection will use, here and at the siblings that the account's settings name. The login name has to be that
/// of the connection. Save the client afterwards.
///
/// The login stands whatever is returned. FR_NOT_KNOWN: there is nothing for this service; for the siblings there may be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_client_connection_logged_in(
    connection: *const fr_client_connection,
    full_login: *const fr_login,
    siblings: *const fr_sibling,
    siblings_len: usize,
    now: u64,
) -> fr_result {
    guard(|| {
        // SAFETY: C's promises.
        let (connection, siblings) = unsafe { (reference(connection)?, array(siblings, siblings_len)?) };
        // SAFETY: C's promises.
        let siblings: Vec<_> = siblings.iter().map(|each| unsafe { login::sibling(each) }).collect::<Result<_, _>>()?;
        // SAFETY: C's promises.
        let (full, exporter) = unsafe { login::full_login(reference(full_login)?)? };
        connection.logged_in(&full, &exporter, &siblings, now)
    })
}

/// After a login: what to keep beside each TLS session of this connection, and to give as `predecessor` of the connection that resumes it. It is secret, and for the
/// same account only; so keep the sessions by account, and none of a connection before its login, whose result here is FR_NOT_KNOWN. After FR_FULL_HANDSHAKE
/// and FR_ABANDON forget the account's sessions.
///
/// A TLS 1.2 session that was resumed stays that of its full handshake, so this gives what `predecessor` was.
///
/// FR_NOT_KNOWN: there was no login, or the channel has no exporter; or it resumed a TLS 1.2 session, and had no `predecessor`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_client_connection_session(
    connection: *const fr_client_connection,
    out: *mut fr_buf,
) -> fr_result {
    // SAFETY: C's promise.
    let out = unsafe { Out::new(out, fr_buf::EMPTY) };
    guard(|| {
        // SAFETY: C's promise.
        let (out, connection) = (out?, unsafe { reference(connection)? });
        out.put(buffer(&connection.session()?));
        Ok(())
    })
}

/// After a full login with which the server sent a token, for this HT mechanism, that ends then (seconds since 1970). Save the client afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_client_connection_token_issued(
    connection: *const fr_client_connection,
    full_login: *const fr_login,
    mechanism: fr_octets,
    token: fr_octets,
    expires: u64,
    now: u64,
) -> fr_result {
    guard(|| {
        // SAFETY: C's promises.
        let (connection, mechanism, token) = unsafe { (reference(connection)?, text(mechanism)?, text(token)?) };
        // SAFETY: C's promises.
        let (full, _) = unsafe { login::full_login(reference(full_login)?)? };
        connection.token_issued(&full, mechanism, token, expires, now)
    })
}

/// After a login with a token whose success brought another one. Save the client afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_client_connection_token_rotated(
    connection: *const fr_client_connection,
    token: fr_octets,
    expires: u64,
    now: u64,
) -> fr_result {
    guard(|| {
        // SAFETY: C's promises.
        unsafe { reference(connection)?.token_rotated(text(token)?, expires, now) }
    })
}

/// Frees a connection. Its attempts are still to be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_client_connection_free(connection: *mut fr_client_connection) {
    // SAFETY: C's promise.
    unsafe { release(connection) }
}
