//! Certificates, and every name that is parsed.

use core::net::IpAddr;

use fast_reauth::assertion::{FullLogin, HtMechanism, Pin, Service, Token};
use fast_reauth::channel::{EndPoint, EndPointUnavailable, ExporterSecret, ServerName};
use fast_reauth::dovecot_auth::UserName;
use fast_reauth::profile::{MechanismName, Tag};
use fast_reauth::proxy::Prefix;

use crate::input::split;

/// The first octet chooses between a certificate and a name.
pub fn run(data: &[u8]) {
    match split(data) {
        Some(([0], rest)) => certificate(rest),
        Some((_, rest)) => names(rest),
        None => {}
    }
}

fn certificate(der: &[u8]) {
    let Ok(end_point) = EndPoint::from_certificate(der) else { return };
    assert!(matches!(end_point.as_octets().len(), 32 | 48 | 64));
    assert_eq!(EndPoint::from_octets(end_point.as_octets()).as_ref(), Ok(&end_point));
    // Neither the start of a certificate nor one with something behind it is one: they would have a binding of their own.
    let longer = [der, b"\0"].concat();
    for other in [&der[..der.len() - 1], &longer] {
        assert_eq!(EndPoint::from_certificate(other), Err(EndPointUnavailable::NotACertificate));
    }
}

fn names(octets: &[u8]) {
    let _ = (ExporterSecret::new(octets), EndPoint::from_octets(octets));
    let Ok(text) = core::str::from_utf8(octets) else { return };
    if let Ok(name) = ServerName::parse(text) {
        assert!(name.as_str().eq_ignore_ascii_case(text));
        assert_eq!(ServerName::parse(name.as_str()), Ok(name));
    }
    if let Ok(service) = Service::parse(text) {
        assert_eq!(Service::parse(service.as_str()), Ok(service));
    }
    if let Ok(name) = MechanismName::parse(text) {
        assert!(name.as_str().eq_ignore_ascii_case(text));
        assert_eq!(MechanismName::parse(name.as_str()), Ok(name));
    }
    if let Some(pin) = Pin::from_name(text) {
        assert!(pin.name().eq_ignore_ascii_case(text) && MechanismName::parse(text).is_ok_and(|name| name.is_iky()));
    }
    if let Some(mechanism) = HtMechanism::from_name(text) {
        assert_eq!(HtMechanism::from_name(mechanism.name()), Some(mechanism));
        assert!(mechanism.spelling(text).is_some());
    }
    if let Ok(tag) = Tag::parse(text) {
        assert_eq!(tag.as_str(), text);
    }
    if let Ok(user) = UserName::parse(text) {
        assert!(user.as_str() == text && !text.contains(['\t', '\n', '\r', '\0']));
    }
    if let Ok(token) = Token::new(text) {
        assert_eq!(token.expose(), text);
    }
    if let Ok(prefix) = text.parse::<Prefix>() {
        let address = text.split('/').next().and_then(|address| address.parse::<IpAddr>().ok());
        assert!(address.is_some(), "{prefix:?}");
    }
    let (mechanism, login) = text.split_once(' ').unwrap_or((text, text));
    if let Ok(login) = FullLogin::new(mechanism, login) {
        assert!(!login.login_name().contains('\0'));
    }
}
