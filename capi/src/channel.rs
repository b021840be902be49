//! What C says of a TLS connection.

use core::ffi::{c_int, c_void};

use fast_reauth::channel::{ChannelFacts, EndPoint, Exporter, ExporterUnavailable, Handle, ServerName, Tickets};

use crate::boundary::{in_callback, octets, text};
use crate::{fr_octets, fr_result};

/// TLS 1.3 (RFC 8446).
pub const FR_TLS_1_3: u32 = 0x0304;
/// TLS 1.2 (RFC 5246).
pub const FR_TLS_1_2: u32 = 0x0303;

/// TLS really resumed an earlier session.
pub const FR_CHANNEL_RESUMED: u32 = 1;
/// What the client sends now may travel as TLS 1.3 early data. Nobody is recognised by that.
pub const FR_CHANNEL_EARLY_DATA: u32 = 2;
/// The key exchange had no (EC)DHE: TLS 1.3 `psk_ke`, TLS 1.2 with static RSA. Nobody is recognised on that.
pub const FR_CHANNEL_NO_DHE: u32 = 4;
/// TLS 1.2: the extended master secret (RFC 7627) was negotiated. Without it nobody is recognised.
pub const FR_CHANNEL_EXTENDED_MASTER_SECRET: u32 = 8;
/// The server keeps its TLS sessions itself, and not in tickets. TLS 1.2 needs it.
pub const FR_CHANNEL_STATEFUL: u32 = 16;
/// A server that can't see which server name the client asked for: `server_name` is the one that it is configured with.
pub const FR_CHANNEL_NAME_ASSUMED: u32 = 32;

const ALL_FLAGS: u32 = 63;

/// A TLS exporter (RFC 5705, RFC 8446 section 7.5): fills `out` for this label and this context, which is present also where it is empty.
///
/// Returns 1 on success and anything else on failure, as OpenSSL's SSL_export_keying_material() does; 1 with nothing but zeros in `out` is a
/// failure too. It must not leave by longjmp() or an exception, and calls no function of this library: that is FR_CALLBACK.
pub type fr_exporter = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        label: *const u8,
        label_len: usize,
        context: *const u8,
        context_len: usize,
        out: *mut u8,
        out_len: usize,
    ) -> c_int,
>;

/// What one end knows of its TLS connection, after the handshake. Set all of it to 0 first; what stays 0 counts as unknown, and what would need
/// it is refused.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct fr_channel {
    /// FR_TLS_1_3 or FR_TLS_1_2; anything else, 0 too, is FR_INVALID.
    pub tls: u32,
    /// FR_CHANNEL_* of what is so.
    pub flags: u32,
    /// The server name (SNI) that the client sent; empty where it sent none.
    pub server_name: fr_octets,
    /// The connection's exporter, which is called until the function returns, and not later; or NULL.
    pub exporter: fr_exporter,
    /// What `exporter` is called with.
    pub exporter_user: *mut c_void,
    /// Without `exporter`: the tls-exporter channel binding (RFC 9266) alone, 32 octets; or empty.
    pub tls_exporter: fr_octets,
    /// The tls-server-end-point channel binding (RFC 5929), 28 to 64 octets; or empty.
    pub tls_server_end_point: fr_octets,
    /// Server, where TLS sessions resume: the handle of this connection, of fr_handle_new(), which its TLS session carries. Or empty.
    pub handle: fr_octets,
    /// What the TLS session that was resumed carried or was kept with; or empty. It counts with FR_CHANNEL_RESUMED only. Server: the handle of the connection that the
    /// session comes from. Client: what fr_client_connection_session() gave there.
    pub predecessor: fr_octets,
}

/// A callback as the library's exporter.
pub(crate) struct Callback {
    call: fr_exporter,
    user: *mut c_void,
}

impl Callback {
    /// # Safety
    /// `call` may be called with `user` for as long as this lives.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn new(call: fr_exporter, user: *mut c_void) -> Self {
        Self { call, user }
    }
}

impl Exporter for Callback {
    #[allow(unsafe_code)]
    fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), ExporterUnavailable> {
        let call = self.call.ok_or(ExporterUnavailable)?;
        // SAFETY: `new` was promised that it may be called; the pointers and lengths are those of slices.
        let answer = in_callback(|| unsafe {
            call(self.user, label.as_ptr(), label.len(), context.as_ptr(), context.len(), out.as_mut_ptr(), out.len())
        });
        // A callback that fills nothing would make keys that everybody knows.
        if answer == 1 && !is_blank(out) { Ok(()) } else { Err(ExporterUnavailable) }
    }
}

/// Whether these octets are memory that nobody wrote to, and no secret.
fn is_blank(octets: &[u8]) -> bool {
    octets.iter().fold(0, |all, octet| all | octet) == 0
}

/// The facts that C gives of a server's connection.
///
/// # Safety
/// As for [`facts`].
#[allow(unsafe_code)]
pub(crate) unsafe fn server_facts(channel: &fr_channel) -> Result<ChannelFacts, fr_result> {
    // SAFETY: the caller promises it.
    let (facts, own, before) = unsafe { (facts(channel)?, handle(channel.handle)?, handle(channel.predecessor)?) };
    let facts = own.into_iter().fold(facts, ChannelFacts::handle);
    Ok(before.into_iter().fold(facts, ChannelFacts::predecessor))
}

/// # Safety
/// As for [`octets`].
#[allow(unsafe_code)]
unsafe fn handle(handle: fr_octets) -> Result<Option<Handle>, fr_result> {
    // SAFETY: the caller promises it.
    let octets = unsafe { octets(handle)? };
    if octets.is_empty() {
        return Ok(None);
    }
    // One that all connections have would make each client whoever came last.
    let handle = octets.try_into().ok().filter(|octets: &[u8; Handle::LEN]| !is_blank(octets));
    handle.map(|octets| Some(Handle::new(octets))).ok_or(fr_result::FR_INVALID)
}

/// The facts that C gives of either end's connection.
///
/// # Safety
/// What the structure points to is there, and its callback may be called.
#[allow(unsafe_code)]
pub(crate) unsafe fn facts(channel: &fr_channel) -> Result<ChannelFacts, fr_result> {
    let is = |flag: u32| channel.flags & flag != 0;
    if channel.flags & !ALL_FLAGS != 0 {
        return Err(fr_result::FR_INVALID);
    }
    let mut facts = match channel.tls {
        FR_TLS_1_3 => ChannelFacts::tls13(),
        FR_TLS_1_2 => ChannelFacts::tls12(is(FR_CHANNEL_EXTENDED_MASTER_SECRET)),
        _ => return Err(fr_result::FR_INVALID),
    };
    // SAFETY: the caller promises it.
    let (name, binding, end_point) =
        unsafe { (text(channel.server_name)?, octets(channel.tls_exporter)?, octets(channel.tls_server_end_point)?) };
    let name = ServerName::parse(name).map_err(|_| fr_result::FR_INVALID)?;
    facts = if is(FR_CHANNEL_NAME_ASSUMED) { facts.assumed_server_name(name) } else { facts.server_name(name) };
    if is(FR_CHANNEL_RESUMED) {
        facts = facts.resumed();
    }
    if is(FR_CHANNEL_EARLY_DATA) {
        facts = facts.in_early_data();
    }
    if is(FR_CHANNEL_NO_DHE) {
        facts = facts.without_forward_secrecy();
    }
    if is(FR_CHANNEL_STATEFUL) {
        facts = facts.tickets(Tickets::Stateful);
    }
    if !end_point.is_empty() {
        facts = facts.end_point(EndPoint::from_octets(end_point).map_err(|_| fr_result::FR_INVALID)?);
    }
    if channel.exporter.is_some() {
        // SAFETY: the caller promises it; it is not kept.
        let exporter = unsafe { Callback::new(channel.exporter, channel.exporter_user) };
        facts = facts.exporter(&exporter).map_err(|_| fr_result::FR_INVALID)?;
    } else if !binding.is_empty() {
        if is_blank(binding) {
            return Err(fr_result::FR_INVALID);
        }
        facts = facts.tls_exporter_alone(binding).map_err(|_| fr_result::FR_INVALID)?;
    }
    Ok(facts)
}
