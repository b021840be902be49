//! What the server answers to a login that it does not accept.

use core::fmt;

use bytes::Bytes;
use minidom::Element;

use super::Version;
use super::element::{self, IAP, IKY, SASL1, SASL2};
use crate::mechanism::Outcome;
use crate::profile::flight::Length;
use crate::profile::{Answer, ProfileError};

const MISMATCH: &str = "config-version-mismatch";

/// `<failure/>`: a condition and, in SASL2, what an IKY mechanism has to say, or that the configuration has changed.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the condition says.
    pub verdict: Answer,
    /// The server's message, from `<iky xmlns='urn:ietf:params:xml:ns:iky'/>`.
    pub message: Option<Bytes>,
    config_version_mismatch: bool,
}

impl Failure {
    /// Server: the failure for an outcome, with the mechanism's message if it has one.
    pub fn new(outcome: Outcome, message: Option<&[u8]>) -> Self {
        let message = message.map(Bytes::copy_from_slice);
        Self { verdict: outcome.into(), message, config_version_mismatch: false }
    }

    /// Server: the client logs in on the basis of other features than these (XEP-0509). Say it before looking at the
    /// client's message: it is no failed login, and counts against nobody.
    pub fn config_version_mismatch() -> Self {
        Self { config_version_mismatch: true, ..Self::new(Outcome::ConfigurationChanged, None) }
    }

    /// Client: whether the server refused the login for the features that the client took it to have, and looked at
    /// nothing else. Those that it has came ahead of this failure: choose again among them, on the same stream. What
    /// the client logs in with is as good as it was.
    pub fn is_config_version_mismatch(&self) -> bool {
        self.config_version_mismatch
    }

    /// Client: what it comes to; [`Outcome::ConfigurationChanged`] only where
    /// [the features are others](Self::is_config_version_mismatch).
    pub fn outcome(&self) -> Outcome {
        if self.config_version_mismatch { Outcome::ConfigurationChanged } else { self.verdict.into() }
    }

    /// Server: the element. SASL of RFC 6120 has no room for the message.
    ///
    /// # Errors
    /// [`ProfileError::OutOfTurn`] for the failure of an accepted outcome, and for a config version in SASL of RFC
    /// 6120.
    pub fn to_octets(&self, version: Version) -> Result<Vec<u8>, ProfileError> {
        let condition = self.verdict.xmpp().ok_or(ProfileError::OutOfTurn("an accepted outcome is a Success"))?;
        let mut failure = Element::builder("failure", version.namespace());
        if self.config_version_mismatch {
            if version == Version::Sasl1 {
                return Err(ProfileError::OutOfTurn("only <authenticate/> of SASL2 has a config-version"));
            }
            failure = failure.append(Element::bare("aborted", SASL1)).append(Element::bare(MISMATCH, IAP));
        } else {
            failure = failure.append(Element::bare(condition, SASL1));
        }
        if let (Some(message), Version::Sasl2) = (&self.message, version) {
            failure = failure.append(element::with_data("iky", IKY, message));
        }
        element::write(&failure.build())
    }

    pub(super) fn from_element(element: &Element) -> Result<Self, ProfileError> {
        let mut conditions = element.children().filter(|child| child.has_ns(SASL1) && child.name() != "text");
        let condition = conditions.next();
        if conditions.next().is_some() {
            return Err(ProfileError::Malformed("a failure with two conditions"));
        }
        let message = element::child(element, "iky", IKY)?.map(element::data).transpose()?.map(Bytes::from);
        if element.has_ns(SASL2) && element::child(element, MISMATCH, IAP)?.is_some() {
            // the condition should be `aborted`, and need not
            return Ok(Self { message, ..Self::config_version_mismatch() });
        }
        let verdict = Answer::from_xmpp(condition.map(Element::name).unwrap_or_default());
        Ok(Self { verdict, message, config_version_mismatch: false })
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("verdict", &self.verdict)
            .field("message", &self.message.as_deref().map(Length))
            .field("config_version_mismatch", &self.config_version_mismatch)
            .finish()
    }
}
