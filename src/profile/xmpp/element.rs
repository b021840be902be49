//! XML elements, bounded before anything recurses into them.

use std::collections::BTreeMap;
use std::io;

use minidom::element::escape;
use minidom::rxml::error::EndOrError;
use minidom::rxml::{NcName, Parse as _, RawEvent, RawParser};
use minidom::tree_builder::TreeBuilder;
use minidom::{Element, ElementBuilder, Node};

use crate::profile::{MechanismName, Offer, ProfileError, wire};

/// Longest element.
pub(super) const LIMIT: usize = 16 * 1024;
/// Deepest nesting.
pub(super) const DEPTH: usize = 16;
/// Longest namespace, in octets. Where it stands once, every element in it has a copy of it.
const MAX_NAMESPACE: usize = 256;
/// Most attributes of one element.
const MAX_ATTRIBUTES: usize = 64;

pub(super) const SASL1: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
pub(super) const SASL2: &str = "urn:xmpp:sasl:2";
pub(super) const CHANNEL_BINDING: &str = "urn:xmpp:sasl-cb:0";
pub(super) const BIND2: &str = "urn:xmpp:bind:0";
pub(super) const SM: &str = "urn:xmpp:sm:3";
pub(super) const FAST: &str = "urn:xmpp:fast:0";
pub(super) const IAP: &str = "urn:xmpp:iap:0";
pub(super) const IKY: &str = "urn:ietf:params:xml:ns:iky";
pub(super) const STREAMS: &str = "http://etherx.jabber.org/streams";
pub(super) const CLIENT: &str = "jabber:client";
pub(super) const FRAMING: &str = "urn:ietf:params:xml:ns:xmpp-framing";
pub(super) const HTTPBIND: &str = "http://jabber.org/protocol/httpbind";
pub(super) const XBOSH: &str = "urn:xmpp:xbosh";

const MALFORMED: ProfileError = ProfileError::Malformed("not one well-formed XML element");

/// Parses one complete top-level element, as it stands in a stream: `jabber:client` by default, and the prefix
/// `stream`.
pub(super) fn parse(octets: &[u8]) -> Result<Element, ProfileError> {
    let in_stream = [(None, CLIENT.to_owned()), (Some("stream".to_owned()), STREAMS.to_owned())];
    let builder = TreeBuilder::new().with_prefixes_stack(vec![BTreeMap::from(in_stream).into()]);
    parse_with(builder, octets, LIMIT, DEPTH)
}

/// Parses one complete element that stands alone, and so declares every namespace itself: of at most so many octets, and
/// so deep.
pub(super) fn parse_alone(octets: &[u8], limit: usize, deepest: usize) -> Result<Element, ProfileError> {
    parse_with(TreeBuilder::new(), octets, limit, deepest)
}

/// An element as it stands in a stream, in a form in which it can stand alone.
pub(super) fn alone(octets: &[u8]) -> Result<Vec<u8>, ProfileError> {
    let mut out = Vec::new();
    alone_behind(&mut out, octets, LIMIT)?;
    Ok(out)
}

/// The same behind what is there already, which has at most so many octets with it.
pub(super) fn alone_behind(out: &mut Vec<u8>, octets: &[u8], limit: usize) -> Result<(), ProfileError> {
    write_behind(out, &plain(&parse(octets)?)?, limit)
}

fn parse_with(mut builder: TreeBuilder, octets: &[u8], limit: usize, deepest: usize) -> Result<Element, ProfileError> {
    if octets.len() > limit {
        return Err(ProfileError::TooLong { limit });
    }
    let mut parser = RawParser::new();
    let mut rest = octets;
    let mut depth = Depth::default();
    let mut attributes = Vec::new();
    loop {
        let event = next(&mut parser, &mut rest)?.ok_or(MALFORMED)?;
        depth.count_to(&event, deepest)?;
        match &event {
            RawEvent::ElementHeadOpen(..) => attributes.clear(),
            // Each is compared with all before it.
            RawEvent::Attribute(..) if attributes.len() >= MAX_ATTRIBUTES => {
                return Err(ProfileError::Malformed("an element has more than 64 attributes"));
            }
            // The raw parser leaves this to its user, and two readings of one element are none (XML 1.0 section 3.1).
            RawEvent::Attribute(_, name, _) if attributes.contains(name) => return Err(MALFORMED),
            RawEvent::Attribute(_, (prefix, name), namespace)
                if prefix.as_ref().map_or(name.as_str(), NcName::as_str) == "xmlns"
                    && namespace.len() > MAX_NAMESPACE =>
            {
                return Err(ProfileError::Malformed("a namespace of more than 256 octets"));
            }
            RawEvent::Attribute(_, name, _) => attributes.push(name.clone()),
            _ => {}
        }
        builder.process_event(event).map_err(|_| MALFORMED)?;
        if let Some(element) = builder.root.take() {
            return if rest.trim_ascii().is_empty() { Ok(element) } else { Err(MALFORMED) };
        }
    }
}

/// The next event; `None` when there are too few octets for one.
pub(super) fn next(parser: &mut RawParser, octets: &mut &[u8]) -> Result<Option<RawEvent>, ProfileError> {
    match parser.parse(octets, false) {
        Ok(Some(event)) => Ok(Some(event)),
        Err(EndOrError::NeedMoreData) => Ok(None),
        Ok(None) | Err(EndOrError::Error(_)) => Err(MALFORMED),
    }
}

/// How many elements are open.
#[derive(Default)]
pub(super) struct Depth(pub(super) usize);

impl Depth {
    pub(super) fn count(&mut self, event: &RawEvent) -> Result<(), ProfileError> {
        self.count_to(event, DEPTH)
    }

    fn count_to(&mut self, event: &RawEvent, deepest: usize) -> Result<(), ProfileError> {
        match event {
            RawEvent::ElementHeadOpen(..) if self.0 == deepest => {
                return Err(ProfileError::Malformed("XML elements are nested too deep"));
            }
            RawEvent::ElementHeadOpen(..) => self.0 += 1,
            RawEvent::ElementFoot(..) => self.0 = self.0.saturating_sub(1),
            _ => {}
        }
        Ok(())
    }
}

pub(super) fn write(element: &Element) -> Result<Vec<u8>, ProfileError> {
    let mut octets = Vec::new();
    write_behind(&mut octets, element, usize::MAX)?;
    Ok(octets)
}

/// Writes what somebody else made behind what is there already, which has at most so many octets with it: for a prefix the
/// writer repeats the namespace. One in no namespace is refused: the writer doesn't say so, and where it comes to stand it would be in another.
pub(super) fn write_behind(out: &mut Vec<u8>, element: &Element, limit: usize) -> Result<(), ProfileError> {
    if element.has_ns("") {
        return Err(ProfileError::Malformed("an element in no namespace"));
    }
    let mut bounded = Bounded { octets: out, limit, is_full: false };
    match element.write_to(&mut bounded) {
        _ if bounded.is_full => Err(ProfileError::TooLong { limit }),
        written => written.map_err(|_| ProfileError::IllegalText),
    }
}

/// Octets up to a limit, and an error from there on.
struct Bounded<'a> {
    octets: &'a mut Vec<u8>,
    limit: usize,
    is_full: bool,
}

impl io::Write for Bounded<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.is_full |= octets.len() > self.limit.saturating_sub(self.octets.len());
        if self.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.octets.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Somebody else's element without the prefixes that its author chose: the writer stops the program over some that are legal
/// XML, and finds its own.
pub(super) fn plain(element: &Element) -> Result<Element, ProfileError> {
    plain_in(element, &|namespace| namespace)
}

/// The same with every namespace of an element as `rename` has it.
pub(super) fn plain_in(element: &Element, rename: &dyn Fn(String) -> String) -> Result<Element, ProfileError> {
    const RESERVED: [&str; 2] = ["http://www.w3.org/2000/xmlns/", "http://www.w3.org/XML/1998/namespace"];
    let namespace = rename(element.ns());
    if RESERVED.contains(&namespace.as_str()) {
        return Err(ProfileError::Malformed("an element in a reserved namespace"));
    }
    let mut copy = Element::bare(element.name(), namespace);
    for ((namespace, _), value) in element.attrs() {
        legal(value)?;
        if namespace.as_str() == RESERVED[0] {
            return Err(ProfileError::Malformed("an attribute in a reserved namespace"));
        }
    }
    copy.attrs_mut().clone_from(element.attrs());
    for node in element.nodes() {
        match node {
            Node::Element(child) => _ = copy.append_child(plain_in(child, rename)?),
            Node::Text(text) => copy.append_text_node(legal(text)?),
        }
    }
    Ok(copy)
}

/// Text that XML 1.0 has characters for (section 2.2). The writer stops the program over others, so they never get
/// there.
pub(super) fn legal(text: &str) -> Result<&str, ProfileError> {
    let legal = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    if text.chars().all(legal) { Ok(text) } else { Err(ProfileError::IllegalText) }
}

/// An attribute of a tag that is written octet by octet.
pub(super) fn write_attribute(tag: &mut Vec<u8>, name: &str, value: &str) -> Result<(), ProfileError> {
    tag.extend([b" ", name.as_bytes(), b"='"].concat());
    for octet in &*escape(legal(value)?.as_bytes()) {
        match octet {
            // As themselves they are read as spaces (XML 1.0 section 3.3.3).
            b'\t' | b'\n' | b'\r' => tag.extend(format!("&#{octet};").into_bytes()),
            octet => tag.push(*octet),
        }
    }
    tag.push(b'\'');
    Ok(())
}

/// An attribute with a name that is a constant here.
pub(super) fn with_attr(
    builder: ElementBuilder,
    name: &'static str,
    value: &str,
) -> Result<ElementBuilder, ProfileError> {
    let name = NcName::try_from(name).map_err(|_| ProfileError::IllegalText)?;
    Ok(builder.attr(name, legal(value)?))
}

/// A boolean attribute, where it is true.
pub(super) fn with_flag(
    builder: ElementBuilder,
    name: &'static str,
    value: bool,
) -> Result<ElementBuilder, ProfileError> {
    if value { with_attr(builder, name, "true") } else { Ok(builder) }
}

/// An attribute that counts, where there is one.
pub(super) fn with_number(
    builder: ElementBuilder,
    name: &'static str,
    value: Option<impl ToString>,
) -> Result<ElementBuilder, ProfileError> {
    match value {
        Some(value) => with_attr(builder, name, &value.to_string()),
        None => Ok(builder),
    }
}

pub(super) fn with_text(name: &str, namespace: &str, text: &str) -> Result<Element, ProfileError> {
    Ok(Element::builder(name, namespace).append(legal(text)?).build())
}

/// An element whose text is SASL data; `=` is the empty message (RFC 6120 section 6.4.2, XEP-0388 section 2.4).
pub(super) fn with_data(name: &str, namespace: &str, octets: &[u8]) -> Element {
    Element::builder(name, namespace).append(wire::encode_initial(octets)).build()
}

/// The one child of this name. With two, two readers may take one each, and two readings of one element are none.
pub(super) fn child<'a>(parent: &'a Element, name: &str, namespace: &str) -> Result<Option<&'a Element>, ProfileError> {
    let mut children = parent.children().filter(|child| child.is(name, namespace));
    match (children.next(), children.next()) {
        (_, Some(_)) => Err(ProfileError::Malformed("an element stands twice where it stands once")),
        (child, None) => Ok(child),
    }
}

pub(super) fn child_text(parent: &Element, name: &str, namespace: &str) -> Result<Option<String>, ProfileError> {
    Ok(child(parent, name, namespace)?.map(Element::text))
}

/// A boolean attribute; without it, no (XML Schema 1.0 part 2, section 3.2.2).
pub(super) fn flag(element: &Element, name: &str) -> Result<bool, ProfileError> {
    match element.attr(name) {
        Some("true" | "1") => Ok(true),
        Some("false" | "0") | None => Ok(false),
        Some(_) => Err(ProfileError::Malformed("an attribute is neither true nor false")),
    }
}

/// An attribute that counts: 1 to 19 digits, and nothing else.
pub(super) fn number<N: TryFrom<u64>>(element: &Element, name: &str) -> Result<Option<N>, ProfileError> {
    let Some(digits) = element.attr(name) else { return Ok(None) };
    let plain = digits.len() <= 19 && digits.bytes().all(|octet| octet.is_ascii_digit());
    let number = digits.parse::<u64>().ok().filter(|_| plain).and_then(|number| N::try_from(number).ok());
    number.map(Some).ok_or(ProfileError::Malformed("an attribute is no number, or too great"))
}

/// The SASL data of an element; an empty element is the empty message.
pub(super) fn data(element: &Element) -> Result<Vec<u8>, ProfileError> {
    match element.text().as_bytes() {
        b"" => Ok(Vec::new()),
        text => wire::decode_initial(text),
    }
}

pub(super) fn mechanism(element: &Element) -> Result<MechanismName, ProfileError> {
    let name = element.attr("mechanism").and_then(|name| MechanismName::parse(name).ok());
    name.ok_or(ProfileError::Malformed("a mechanism name was due"))
}

/// `<mechanism/>` for each that is offered.
pub(super) fn names(offer: &Offer, namespace: &str) -> Vec<Element> {
    let name = |name: &str| Element::builder("mechanism", namespace).append(name).build();
    offer.mechanisms().iter().map(|mechanism| name(mechanism.as_str())).collect()
}

/// The other way; names that are none are ignored.
pub(super) fn hear(offer: &mut Offer, list: &Element, namespace: &str) {
    let names = list.children().filter(|child| child.is("mechanism", namespace));
    names.for_each(|name| offer.hear(name.text().as_bytes()));
}
