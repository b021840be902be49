//! What C says of a full login.

use core::ffi::c_void;

use fast_reauth::assertion::{BindingType, FullLogin, Pin};
use fast_reauth::mechanism::Sibling;

use crate::boundary::{octets, text};
use crate::channel::Callback;
use crate::names::scope;
use crate::{fr_exporter, fr_octets, fr_result};

/// The full mechanism used no channel binding.
pub const FR_BINDING_NONE: u32 = 0;
/// It used tls-exporter (RFC 9266).
pub const FR_BINDING_TLS_EXPORTER: u32 = 1;
/// It used tls-server-end-point (RFC 5929).
pub const FR_BINDING_TLS_SERVER_END_POINT: u32 = 2;
/// It used tls-unique (RFC 5929).
pub const FR_BINDING_TLS_UNIQUE: u32 = 3;

/// A full login that succeeded. Client and server have to say the same of it. Set all of it to 0 first.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct fr_login {
    /// The SASL mechanism, as "SCRAM-SHA-256-PLUS". One that recognises a client, such as EXTERNAL or IKY, is FR_INVALID.
    pub mechanism: fr_octets,
    /// The authzid as the client sent it; if it sent none, the authcid as sent. 255 octets at most, none of them NUL.
    pub login_name: fr_octets,
    /// FR_BINDING_*: the channel binding that the mechanism used.
    pub binding: u32,
    /// The full mechanism's session key of 1 to 64 octets, where both ends are configured to give it; or empty.
    pub session_key: fr_octets,
    /// The exporter of the very connection; or NULL, where only a token is wanted.
    pub exporter: fr_exporter,
    /// What `exporter` is called with.
    pub exporter_user: *mut c_void,
}

/// Another service of the same provider, at which the client becomes known by the same login.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct fr_sibling {
    /// Its service name, as "smtp".
    pub service: fr_octets,
    /// Its server name, as "smtp.example.com".
    pub server_name: fr_octets,
    /// The IKY mechanism to use there, as "IKY-SHA-256-NONE".
    pub mechanism: fr_octets,
}

/// The login, and its exporter.
///
/// # Safety
/// What the structure points to is there, and its callback may be called.
#[allow(unsafe_code)]
pub(crate) unsafe fn full_login(login: &fr_login) -> Result<(FullLogin, Callback), fr_result> {
    // SAFETY: the caller promises it.
    let (mechanism, name, key) =
        unsafe { (text(login.mechanism)?, text(login.login_name)?, octets(login.session_key)?) };
    let mut full = FullLogin::new(mechanism, name).map_err(|_| fr_result::FR_INVALID)?;
    full = match login.binding {
        FR_BINDING_NONE => full,
        FR_BINDING_TLS_EXPORTER => full.bound_by(BindingType::Exporter),
        FR_BINDING_TLS_SERVER_END_POINT => full.bound_by(BindingType::EndPoint),
        FR_BINDING_TLS_UNIQUE => full.bound_by(BindingType::Unique),
        _ => return Err(fr_result::FR_INVALID),
    };
    if !key.is_empty() {
        full = full.keyed(key).map_err(|_| fr_result::FR_INVALID)?;
    }
    // SAFETY: the caller promises it.
    Ok((full, unsafe { Callback::new(login.exporter, login.exporter_user) }))
}

/// Where the sibling is, and its mechanism.
///
/// # Safety
/// What the structure points to is there.
#[allow(unsafe_code)]
pub(crate) unsafe fn sibling(sibling: &fr_sibling) -> Result<Sibling, fr_result> {
    // SAFETY: the caller promises it.
    let (service, name, mechanism) =
        unsafe { (text(sibling.service)?, text(sibling.server_name)?, text(sibling.mechanism)?) };
    let pin = Pin::from_name(mechanism).ok_or(fr_result::FR_INVALID)?;
    Ok(Sibling { scope: scope(service, name)?, pin })
}
