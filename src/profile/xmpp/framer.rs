//! A stream, cut into its elements.

use core::fmt;

use bytes::{Bytes, BytesMut};
use minidom::rxml::{RawEvent, RawParser};

use super::StreamHeader;
use super::element::{self, Depth};
use crate::profile::ProfileError;

/// One piece of an XMPP stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Nothing yet: read more from the connection.
    NeedMore,
    /// The peer's stream header.
    Header(StreamHeader),
    /// One complete top-level element, for the parsers of this module or the stack's own.
    Element(Bytes),
    /// The end of the stream.
    End,
}

/// Cuts a growing buffer into stream header and elements, for stacks that have no XML parser of their own.
///
/// One for each stream: a restart (TLS, SASL of RFC 6120) begins with a new one. Elements are bounded to 16 KiB and 16
/// levels.
pub struct Framer {
    parser: RawParser,
    depth: Depth,
    taken: BytesMut,
    failed: Option<ProfileError>,
}

impl Default for Framer {
    fn default() -> Self {
        Self::new()
    }
}

impl Framer {
    /// For a stream of which nothing has come yet, its header neither.
    pub fn new() -> Self {
        Self { parser: RawParser::new(), depth: Depth::default(), taken: BytesMut::new(), failed: None }
    }

    /// Takes the next piece out of `input`; what follows it stays there.
    ///
    /// # Errors
    /// [`ProfileError`] for what is no XMPP stream; the same again on every later call.
    pub fn receive(&mut self, input: &mut BytesMut) -> Result<Frame, ProfileError> {
        match self.failed {
            Some(error) => Err(error),
            None => self.step(input).inspect_err(|&error| self.failed = Some(error)),
        }
    }

    fn step(&mut self, input: &mut BytesMut) -> Result<Frame, ProfileError> {
        loop {
            let mut rest: &[u8] = input;
            let event = element::next(&mut self.parser, &mut rest);
            let consumed = input.len() - rest.len();
            self.taken.extend_from_slice(&input.split_to(consumed));
            if self.depth.0 == 1 && self.taken.trim_ascii().is_empty() {
                // keepalives between elements
                self.taken.clear();
            }
            if self.taken.len() > element::LIMIT {
                return Err(ProfileError::TooLong { limit: element::LIMIT });
            }
            let Some(event) = event? else { return Ok(Frame::NeedMore) };
            self.depth.count(&event)?;
            match (event, self.depth.0) {
                (RawEvent::ElementHeadClose(_), 1) => {
                    return StreamHeader::parse(&self.taken.split()).map(Frame::Header);
                }
                (RawEvent::ElementFoot(_), 0) => return Ok(Frame::End),
                (RawEvent::ElementFoot(_), 1) => {
                    return Ok(Frame::Element(Bytes::copy_from_slice(self.taken.split().trim_ascii())));
                }
                (RawEvent::Text(_, text), 1) if !text.trim_ascii().is_empty() => {
                    return Err(ProfileError::Malformed("text between the elements of a stream"));
                }
                _ => {}
            }
        }
    }
}

impl fmt::Debug for Framer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framer").field("depth", &self.depth.0).field("failed", &self.failed).finish_non_exhaustive()
    }
}
