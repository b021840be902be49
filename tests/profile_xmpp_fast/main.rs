//! XMPP: FAST (XEP-0484), the pipelining of XEP-0509, and stream management (XEP-0198) with the login. What others
//! write is read, and what follows no XEP is refused.
#![cfg(feature = "xmpp")]

mod config_version;
mod fast;
mod moments;
mod once;
mod one_flight;
mod stream_management;

use fast_reauth::Timestamp;
use fast_reauth::mechanism::Outcome;
use fast_reauth::profile::xmpp::{
    Authenticate, Bind, Bound, ClientElement, ConfigVersion, EnableStreamManagement, EnabledStreamManagement, Event,
    Failure, Fast, FastFeature, Features, IssuedToken, Resume, StreamHeader, Success, UserAgent, Version, auth,
};
use fast_reauth::profile::{Answer, MechanismName, Offer, ProfileError};

const ID: &str = "d4565fa7-4d72-4749-b3d3-740edbf87770";

fn ht() -> MechanismName {
    MechanismName::parse("HT-SHA-256-EXPR").unwrap()
}

fn text(octets: Vec<u8>) -> String {
    String::from_utf8(octets).unwrap()
}

fn agent(id: &str) -> UserAgent {
    UserAgent { id: Some(id.into()), software: None, device: None }
}

fn header(from: Option<&str>) -> StreamHeader {
    StreamHeader { to: Some("example.com".into()), from: from.map(str::to_owned), id: None }
}

fn version(scheme: Option<&str>, value: &str) -> ConfigVersion {
    ConfigVersion { scheme: scheme.map(str::to_owned), value: value.to_owned() }
}

/// A login, with these children and attributes beside its message.
fn login(inside: &str) -> Result<Authenticate, ProfileError> {
    let octets = format!(
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-EXPR'>\
         <initial-response>YQ==</initial-response>{inside}</authenticate>"
    );
    match ClientElement::parse(octets.as_bytes())? {
        ClientElement::Authenticate(authenticate) => Ok(*authenticate),
        other => panic!("{other:?}"),
    }
}

fn receive(octets: &[u8]) -> Result<Event, ProfileError> {
    Authenticate::new(ht(), b"a").start(None).unwrap().1.receive(octets)
}

/// A success, with these children.
fn success(inside: &str) -> Result<Success, ProfileError> {
    match receive(format!("<success xmlns='urn:xmpp:sasl:2'>{inside}</success>").as_bytes())? {
        Event::Success(success) => Ok(*success),
        other => panic!("{other:?}"),
    }
}

fn features(inside: &str) -> Result<Features, ProfileError> {
    Features::parse(format!("<stream:features>{inside}</stream:features>").as_bytes())
}

fn inline(inside: &str) -> Result<Features, ProfileError> {
    features(&format!("<authentication xmlns='urn:xmpp:sasl:2'><inline>{inside}</inline></authentication>"))
}

#[track_caller]
fn malformed<T: core::fmt::Debug>(result: Result<T, ProfileError>) {
    assert!(matches!(result, Err(ProfileError::Malformed(_))), "{result:?}");
}

#[track_caller]
fn misuse<T: core::fmt::Debug>(result: Result<T, ProfileError>) {
    assert!(matches!(result, Err(ProfileError::OutOfTurn(_))), "{result:?}");
}
