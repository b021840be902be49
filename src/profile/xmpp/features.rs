//! What a server offers in its stream features.

use minidom::Element;

use super::element::{self, BIND2, CHANNEL_BINDING, FAST, IAP, IKY, SASL1, SASL2, SM, STREAMS};
use super::{ConfigVersion, FastFeature};
use crate::profile::{Offer, ProfileError};

/// The part of `<stream:features/>` that is about logging in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// `<mechanisms/>` of RFC 6120 section 6.4.1.
    pub sasl1: Offer,
    /// `<authentication/>` of XEP-0388.
    pub sasl2: Offer,
    /// Bind 2 (XEP-0386) inside `<authenticate/>`.
    pub bind: bool,
    /// What Bind 2 can enable with the resource (XEP-0386 section 3.1): namespaces, at most 32.
    pub bind_inline: Vec<String>,
    /// Stream resumption (XEP-0198) inside `<authenticate/>`.
    pub resume: bool,
    /// A granted assertion can be asked for inside `<authenticate/>`.
    pub grants: bool,
    /// Tokens can be asked for, and logged in with, inside `<authenticate/>` (XEP-0484).
    pub fast: Option<FastFeature>,
    /// What all this is called as a whole, for a client that will log in ahead of it next time (XEP-0509).
    pub config_version: Option<ConfigVersion>,
    /// Channel binding types (XEP-0440), at most 16.
    pub channel_bindings: Vec<String>,
}

impl Features {
    const MAX_BINDINGS: usize = 16;
    const MAX_INLINE: usize = 32;

    /// Server: the children for the stack's own `<stream:features/>`, one after the other.
    ///
    /// # Errors
    /// [`ProfileError::IllegalText`] for a character that XML doesn't have, and [`ProfileError::OutOfTurn`] for a
    /// config version that is empty or too long.
    pub fn children(&self) -> Result<Vec<u8>, ProfileError> {
        let children = self.elements()?;
        let written: Result<Vec<_>, _> = children.iter().map(element::write).collect();
        Ok(written?.concat())
    }

    /// Server: a whole `<stream:features/>` with nothing else in it.
    ///
    /// # Errors
    /// As for [`children`](Self::children).
    pub fn to_octets(&self) -> Result<Vec<u8>, ProfileError> {
        let features = Element::builder("features", STREAMS).prefix(Some("stream".to_owned()), STREAMS);
        let features = features.map_err(|_| ProfileError::IllegalText)?;
        element::write(&features.append_all(self.elements()?).build())
    }

    /// Client: what `<stream:features/>` offers; names that are none are ignored, and so is a config version without a
    /// value.
    ///
    /// # Errors
    /// [`ProfileError`] when the octets are not that element, or one of those in it stands there twice.
    pub fn parse(octets: &[u8]) -> Result<Self, ProfileError> {
        let features = element::parse(octets)?;
        if !features.is("features", STREAMS) {
            return Err(ProfileError::Malformed("stream features were due"));
        }
        let mut found = Self { sasl1: Offer::heard([]), sasl2: Offer::heard([]), ..Self::default() };
        if let Some(list) = element::child(&features, "mechanisms", SASL1)? {
            element::hear(&mut found.sasl1, list, SASL1);
        }
        if let Some(authentication) = element::child(&features, "authentication", SASL2)? {
            element::hear(&mut found.sasl2, authentication, SASL2);
            if let Some(inline) = element::child(authentication, "inline", SASL2)? {
                found.hear_inline(inline)?;
            }
        }
        if let Some(list) = element::child(&features, "sasl-channel-binding", CHANNEL_BINDING)? {
            let types = list.children().filter_map(|binding| binding.attr("type"));
            found.channel_bindings = types.take(Self::MAX_BINDINGS).map(str::to_owned).collect();
        }
        let config_version = element::child(&features, "config-version", IAP)?;
        found.config_version = config_version.and_then(|version| ConfigVersion::from_element(version).ok());
        Ok(found)
    }

    fn hear_inline(&mut self, inline: &Element) -> Result<(), ProfileError> {
        if let Some(bind) = element::child(inline, "bind", BIND2)? {
            self.bind = true;
            let features = element::child(bind, "inline", BIND2)?.into_iter().flat_map(Element::children);
            let features = features.filter(|child| child.is("feature", BIND2)).filter_map(|child| child.attr("var"));
            self.bind_inline = features.take(Self::MAX_INLINE).map(str::to_owned).collect();
        }
        self.resume = element::child(inline, "sm", SM)?.is_some();
        self.grants = element::child(inline, "assertion-request", IKY)?.is_some();
        self.fast = element::child(inline, "fast", FAST)?.map(FastFeature::from_element);
        Ok(())
    }

    fn elements(&self) -> Result<Vec<Element>, ProfileError> {
        let mut elements = Vec::new();
        if !self.sasl1.mechanisms().is_empty() {
            let names = element::names(&self.sasl1, SASL1);
            elements.push(Element::builder("mechanisms", SASL1).append_all(names).build());
        }
        if !self.sasl2.mechanisms().is_empty() {
            let authentication =
                Element::builder("authentication", SASL2).append_all(element::names(&self.sasl2, SASL2));
            elements.push(authentication.append(self.inline()?).build());
        }
        if !self.channel_bindings.is_empty() {
            let mut list = Element::builder("sasl-channel-binding", CHANNEL_BINDING);
            for binding in &self.channel_bindings {
                let entry = Element::builder("channel-binding", CHANNEL_BINDING);
                list = list.append(element::with_attr(entry, "type", binding)?.build());
            }
            elements.push(list.build());
        }
        if let Some(version) = &self.config_version {
            elements.push(version.to_element()?);
        }
        Ok(elements)
    }

    fn inline(&self) -> Result<Element, ProfileError> {
        let mut inline = Element::builder("inline", SASL2);
        if self.resume {
            inline = inline.append(Element::bare("sm", SM));
        }
        if self.bind {
            let mut features = Element::builder("inline", BIND2);
            for namespace in &self.bind_inline {
                let feature = Element::builder("feature", BIND2);
                features = features.append(element::with_attr(feature, "var", namespace)?.build());
            }
            let features = (!self.bind_inline.is_empty()).then(|| features.build());
            inline = inline.append(Element::builder("bind", BIND2).append_all(features).build());
        }
        if self.grants {
            inline = inline.append(Element::bare("assertion-request", IKY));
        }
        if let Some(fast) = self.fast.as_ref().filter(|fast| !fast.offer.mechanisms().is_empty()) {
            inline = inline.append(fast.to_element()?);
        }
        Ok(inline.build())
    }
}
