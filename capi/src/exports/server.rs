//! The functions of a server.

use fast_reauth::channel::Handle;
use fast_reauth::mechanism::{Sibling, Verdict};

use crate::boundary::{Out, buffer, guard, handle, octets, place, reference, release, release_buffer, text};
use crate::names::random;
use crate::{
    channel, fr_buf, fr_channel, fr_login, fr_octets, fr_request, fr_result, fr_server, fr_server_connection,
    fr_sibling, fr_store, fr_verdict, login,
};

/// A server of this service ("imap", "smtp", "ldap"; 1 to 63 lower-case letters, digits and "-") under this server name, which lists
/// nothing yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_server_new(
    store: *const fr_store,
    service: fr_octets,
    server_name: fr_octets,
    out: *mut *mut fr_server,
) -> fr_result {
    // SAFETY: C's promise.
    let out = unsafe { place(out) };
    guard(|| {
        // SAFETY: C's promise.
        let (out, store) = (out?, unsafe { reference(store)? });
        // SAFETY: C's promises.
        let (service, server_name) = unsafe { (text(service)?, text(server_name)?) };
        out.put(handle(fr_server::new(store, service, server_name)?));
        Ok(())
    })
}

/// The mechanisms that the server lists, in the order of preference, with spaces in between: those of IKY and HT, and those for full logins, of which it needs
/// to know the names. It takes the place of an earlier list.
///
/// A mechanism whose channel binding a connection does not have is not listed there. EXTERNAL is for servers whose TLS sessions carry handles (fr_handle_new()):
/// it is listed on a connection that resumes the session of a client that is known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_server_list(server: *const fr_server, mechanisms: fr_octets) -> fr_result {
    guard(|| {
        // SAFETY: C's promises.
        unsafe { reference(server)?.list(text(mechanisms)?) }
    })
}

/// A service key, of 32 secret random octets, which HT's tokens are made with. The first one given makes new tokens; the others, 15 at most, are for
/// tokens made with them before. Keep them across restarts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_server_key(server: *const fr_server, id: u32, key: fr_octets) -> fr_result {
    guard(|| {
        // SAFETY: C's promises.
        unsafe { reference(server)?.key(id, octets(key)?) }
    })
}

/// 16 fresh random octets, for one connection: the server gives them to TLS, to be carried by the sessions that the connection makes, and says so in
/// `handle` of its channel. What a resumed session carried is `predecessor`. Sessions that the server keeps itself need FR_CHANNEL_STATEFUL: EXTERNAL
/// is not for tickets that a stolen key opens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_handle_new(out: *mut fr_buf) -> fr_result {
    // SAFETY: C's promise.
    let out = unsafe { Out::new(out, fr_buf::EMPTY) };
    guard(|| {
        out?.put(buffer(&random::<{ Handle::LEN }>()?));
        Ok(())
    })
}

/// Seals what the server knows of its clients, under the keys of fr_server_key(): from its first use on, an assertion of a mechanism of IKY with -EXPR is in its
/// client's hands, and the store keeps one row for each account. Login names have to be unique at the service. Clients need nothing for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_server_seal(server: *const fr_server) -> fr_result {
    guard(|| {
        // SAFETY: C's promise.
        unsafe { reference(server)?.seal() }
    })
}

/// A service at which the clients that log in here become known too. The client names it as well.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_server_sibling(server: *const fr_server, sibling: *const fr_sibling) -> fr_result {
    guard(|| {
        // SAFETY: C's promises.
        let (server, Sibling { scope, pin }) = unsafe { (reference(server)?, login::sibling(reference(sibling)?)?) };
        server.sibling(scope, pin)
    })
}

/// Frees a server. Its connections go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_server_free(server: *mut fr_server) {
    // SAFETY: C's promise.
    unsafe { release(server) }
}

/// A connection, after the TLS handshake. On one that resumes a session, the store is asked who that is; where it does not answer, it is nobody.
///
/// FR_INVALID: the channel says what can't be, or its exporter fails; or HT is listed or the server seals, and there is no key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_server_connection_new(
    server: *const fr_server,
    channel: *const fr_channel,
    now: u64,
    out: *mut *mut fr_server_connection,
) -> fr_result {
    // SAFETY: C's promise.
    let out = unsafe { place(out) };
    guard(|| {
        let out = out?;
        // SAFETY: C's promises.
        let (server, facts) = unsafe { (reference(server)?, channel::server_facts(reference(channel)?)?) };
        out.put(handle(server.connect(facts, now)?));
        Ok(())
    })
}

/// The names of the mechanisms to list on this connection, with spaces in between.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_server_connection_mechanisms(
    connection: *const fr_server_connection,
    now: u64,
    out: *mut fr_buf,
) -> fr_result {
    // SAFETY: C's promise.
    let out = unsafe { Out::new(out, fr_buf::EMPTY) };
    guard(|| {
        // SAFETY: C's promise.
        let (out, connection) = (out?, unsafe { reference(connection)? });
        out.put(buffer(connection.mechanisms(now)?.as_bytes()));
        Ok(())
    })
}

/// Judges what a client sent. Returns the outcome, which `out` has too, with all that belongs to it: FR_OK if and only if the client is recognised, and
/// what had to be durable is.
///
/// Free `out` with fr_verdict_free() whatever is returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_server_connection_receive(
    connection: *const fr_server_connection,
    request: *const fr_request,
    now: u64,
    out: *mut fr_verdict,
) -> fr_result {
    // SAFETY: C's promise.
    let empty = unsafe { Out::new(out, fr_verdict::of(fr_result::FR_INTERNAL)) };
    let result = guard(|| {
        // SAFETY: C's promise.
        let (out, connection) = (empty?, unsafe { reference(connection)? });
        // SAFETY: C's promise.
        let fr_request { mechanism, message, client_id, count } = *unsafe { reference(request) }?;
        // SAFETY: C's promises.
        let (mechanism, message, client_id) = unsafe { (text(mechanism)?, octets(message)?, text(client_id)?) };
        let verdict = connection.receive(mechanism, message, client_id, count, now)?;
        let outcome = fr_result::from(verdict.outcome);
        out.put(fr_verdict::from(verdict));
        if outcome == fr_result::FR_OK { Ok(()) } else { Err(outcome) }
    });
    if !out.is_null() {
        // SAFETY: it is initialised since `Out::new`, and C's.
        unsafe { (*out).outcome = result };
    }
    result
}

/// After FR_OK, and once the client was told so: stores that it was here, so that who resumes the TLS session of this connection is recognised in turn. Nothing
/// where there is no `handle`, or was no FR_OK. After a full login it is not needed. FR_UNAVAILABLE: who resumes it is not recognised by it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_server_connection_completed(
    connection: *const fr_server_connection,
    now: u64,
) -> fr_result {
    guard(|| {
        // SAFETY: C's promise.
        unsafe { reference(connection)?.completed(now) }
    })
}

/// Frees what a verdict holds, and leaves it empty. Nothing for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_verdict_free(verdict: *mut fr_verdict) {
    if verdict.is_null() {
        return;
    }
    // SAFETY: C's promise: a verdict that fr_server_connection_receive() wrote, and nobody else uses.
    unsafe {
        release_buffer(&raw mut (*verdict).message);
        release_buffer(&raw mut (*verdict).identity);
        release_buffer(&raw mut (*verdict).login_name);
        release_buffer(&raw mut (*verdict).token);
    }
}

/// After a full login, and before success is sent: makes the client known, at this service for the mechanisms of IKY that it lists, and at its siblings.
///
/// `identity` is the account, as the server calls it; not empty. The login stands whatever is returned. FR_OK: the client is known, and that is durable. FR_NOT_KNOWN,
/// FR_UNAVAILABLE: it logs in fully the next time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_server_connection_logged_in(
    connection: *const fr_server_connection,
    full_login: *const fr_login,
    identity: fr_octets,
    now: u64,
) -> fr_result {
    guard(|| {
        // SAFETY: C's promises.
        let (connection, identity) = unsafe { (reference(connection)?, text(identity)?) };
        // SAFETY: C's promises.
        let (full, exporter) = unsafe { login::full_login(reference(full_login)?)? };
        connection.logged_in(&full, &exporter, identity, now)
    })
}

/// The same for a client that asked for a token, for an HT mechanism that the server lists. The token goes to the client with success, on this connection.
///
/// `client_id`: see fr_request. `expires` gets when the token ends, in seconds since 1970. FR_OK: the token is durable; whether the client is known
/// by IKY as well depends on the exporter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_server_connection_logged_in_with_token(
    connection: *const fr_server_connection,
    full_login: *const fr_login,
    identity: fr_octets,
    mechanism: fr_octets,
    client_id: fr_octets,
    now: u64,
    token: *mut fr_buf,
    expires: *mut u64,
) -> fr_result {
    // SAFETY: C's promises.
    let (token, expires) = unsafe { (Out::new(token, fr_buf::EMPTY), Out::new(expires, 0)) };
    guard(|| {
        let (token, expires) = (token?, expires?);
        // SAFETY: C's promises.
        let (connection, identity) = unsafe { (reference(connection)?, text(identity)?) };
        // SAFETY: C's promises.
        let (full, exporter) = unsafe { login::full_login(reference(full_login)?)? };
        // SAFETY: C's promises.
        let wanted = unsafe { (text(mechanism)?, text(client_id)?) };
        let issued = connection.issue(&full, &exporter, identity, wanted, now)?;
        token.put(buffer(issued.token.expose().as_bytes()));
        expires.put(issued.expires.as_secs());
        Ok(())
    })
}

/// Frees a connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fr_server_connection_free(connection: *mut fr_server_connection) {
    // SAFETY: C's promise.
    unsafe { release(connection) }
}

impl fr_verdict {
    fn of(outcome: fr_result) -> Self {
        let [message, identity, login_name, token] = [const { fr_buf::EMPTY }; 4];
        Self { outcome, message, identity, login_name, token, token_expires: 0, counts_as_failure: 0 }
    }
}

impl From<Verdict> for fr_verdict {
    fn from(verdict: Verdict) -> Self {
        let text = |text: Option<&str>| buffer(text.unwrap_or_default().as_bytes());
        let client = verdict.recognised.as_ref();
        Self {
            message: buffer(verdict.message.as_deref().unwrap_or_default()),
            identity: text(client.map(|client| client.identity())),
            login_name: text(client.map(|client| client.login_name())),
            token: text(verdict.token.as_ref().map(|issued| issued.token.expose())),
            token_expires: verdict.token.as_ref().map_or(0, |issued| issued.expires.as_secs()),
            counts_as_failure: verdict.outcome.counts_as_failure().into(),
            ..Self::of(verdict.outcome.into())
        }
    }
}
