//! What a server offers in its stream features.

use minidom::Element;

use super::element::{self, BIND2, CHANNEL_BINDING, IKY, SASL1, SASL2, SM, STREAMS};
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
    /// Stream resumption (XEP-0198) inside `<authenticate/>`.
    pub resume: bool,
    /// A granted assertion can be asked for inside `<authenticate/>`.
    pub grants: bool,
    /// Channel binding types (XEP-0440), at most 16.
    pub channel_bindings: Vec<String>,
}

impl Features {
    const MAX_BINDINGS: usize = 16;

    /// Server: the children for the stack's own `<stream:features/>`, one after the other.
    ///
    /// # Errors
    /// [`ProfileError::IllegalText`] when a channel binding type holds what XML has no characters for.
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

    /// Client: what `<stream:features/>` offers; names that are none are ignored.
    ///
    /// # Errors
    /// [`ProfileError`] when the octets are not that element.
    pub fn parse(octets: &[u8]) -> Result<Self, ProfileError> {
        let features = element::parse(octets)?;
        if !features.is("features", STREAMS) {
            return Err(ProfileError::Malformed("stream features were due"));
        }
        let mut found = Self { sasl1: Offer::heard([]), sasl2: Offer::heard([]), ..Self::default() };
        for child in features.children() {
            if child.is("mechanisms", SASL1) {
                hear(&mut found.sasl1, child, SASL1);
            } else if child.is("authentication", SASL2) {
                hear(&mut found.sasl2, child, SASL2);
                if let Some(inline) = child.get_child("inline", SASL2) {
                    found.bind = inline.has_child("bind", BIND2);
                    found.resume = inline.has_child("sm", SM);
                    found.grants = inline.has_child("assertion-request", IKY);
                }
            } else if child.is("sasl-channel-binding", CHANNEL_BINDING) {
                let types = child.children().filter_map(|binding| binding.attr("type"));
                found.channel_bindings = types.take(Self::MAX_BINDINGS).map(str::to_owned).collect();
            }
        }
        Ok(found)
    }

    fn elements(&self) -> Result<Vec<Element>, ProfileError> {
        let mut elements = Vec::new();
        if !self.sasl1.mechanisms().is_empty() {
            elements.push(Element::builder("mechanisms", SASL1).append_all(names(&self.sasl1, SASL1)).build());
        }
        if !self.sasl2.mechanisms().is_empty() {
            let inline = [(self.resume, "sm", SM), (self.bind, "bind", BIND2), (self.grants, "assertion-request", IKY)];
            let inline =
                inline.into_iter().filter(|(offered, ..)| *offered).map(|(_, name, ns)| Element::bare(name, ns));
            let inline = Element::builder("inline", SASL2).append_all(inline).build();
            let authentication = Element::builder("authentication", SASL2).append_all(names(&self.sasl2, SASL2));
            elements.push(authentication.append(inline).build());
        }
        if !self.channel_bindings.is_empty() {
            let mut list = Element::builder("sasl-channel-binding", CHANNEL_BINDING);
            for binding in &self.channel_bindings {
                let entry = Element::builder("channel-binding", CHANNEL_BINDING);
                list = list.append(element::with_attr(entry, "type", binding)?.build());
            }
            elements.push(list.build());
        }
        Ok(elements)
    }
}

fn names(offer: &Offer, namespace: &str) -> Vec<Element> {
    let name = |name: &str| Element::builder("mechanism", namespace).append(name).build();
    offer.mechanisms().iter().map(|mechanism| name(mechanism.as_str())).collect()
}

fn hear(offer: &mut Offer, list: &Element, namespace: &str) {
    let names = list.children().filter(|child| child.is("mechanism", namespace));
    names.for_each(|name| offer.hear(name.text().as_bytes()));
}
