//! A server's message to its client.

use core::fmt;
use core::ops::{Deref, DerefMut};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::crypto::{MAX_HASH, Redacted};

/// The octets of a responder message. One without a sealed assertion or key/value pairs is held in place, so that a login needs no memory
/// from the heap for it.
#[derive(Clone)]
pub struct ServerMessage(Held);

#[derive(Clone)]
enum Held {
    Here { octets: [u8; ServerMessage::IN_PLACE], len: u8 },
    Heap(Vec<u8>),
}

impl ServerMessage {
    /// How many octets are held in place: IKY's longest message with a renewal, for SHA-512.
    const IN_PLACE: usize = 160;

    pub(super) const fn new() -> Self {
        Self(Held::Here { octets: [0; Self::IN_PLACE], len: 0 })
    }

    pub(super) fn push(&mut self, more: &[u8]) {
        match &mut self.0 {
            Held::Heap(octets) => octets.extend_from_slice(more),
            Held::Here { octets, len } => {
                let start = usize::from(*len);
                match octets.get_mut(start..start + more.len()) {
                    Some(room) => {
                        room.copy_from_slice(more);
                        *len += more.len() as u8;
                    }
                    None => self.0 = Held::Heap([self, more].concat()),
                }
            }
        }
    }

    /// These octets, at most as many as a hash has, in base64.
    pub(super) fn push_base64(&mut self, octets: &[u8]) {
        let mut text = [0; MAX_HASH.div_ceil(3) * 4];
        match STANDARD.encode_slice(octets, &mut text) {
            Ok(len) => self.push(text.get(..len).unwrap_or_default()),
            Err(_) => self.push(STANDARD.encode(octets).as_bytes()),
        }
    }

    /// In decimal digits.
    pub(super) fn push_number(&mut self, mut number: u64) {
        let mut digits = [b'0'; 20];
        let mut start = digits.len();
        for digit in digits.iter_mut().rev() {
            *digit += (number % 10) as u8;
            number /= 10;
            start -= 1;
            if number == 0 {
                break;
            }
        }
        self.push(digits.get(start..).unwrap_or_default());
    }
}

impl Deref for ServerMessage {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Held::Here { octets, len } => octets.get(..usize::from(*len)).unwrap_or_default(),
            Held::Heap(octets) => octets,
        }
    }
}

impl DerefMut for ServerMessage {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Held::Here { octets, len } => octets.get_mut(..usize::from(*len)).unwrap_or_default(),
            Held::Heap(octets) => octets,
        }
    }
}

impl AsRef<[u8]> for ServerMessage {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<&[u8]> for ServerMessage {
    fn from(octets: &[u8]) -> Self {
        let mut message = Self::new();
        message.push(octets);
        message
    }
}

impl From<Vec<u8>> for ServerMessage {
    fn from(octets: Vec<u8>) -> Self {
        Self(Held::Heap(octets))
    }
}

impl From<ServerMessage> for bytes::Bytes {
    fn from(message: ServerMessage) -> Self {
        Vec::from(message).into()
    }
}

impl From<ServerMessage> for Vec<u8> {
    fn from(message: ServerMessage) -> Self {
        match message.0 {
            Held::Heap(octets) => octets,
            Held::Here { .. } => message.to_vec(),
        }
    }
}

impl PartialEq for ServerMessage {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for ServerMessage {}

impl fmt::Debug for ServerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Redacted(self.len()).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_in_place_and_on_the_heap() {
        let (mut message, mut expected) = (ServerMessage::new(), Vec::new());
        for len in [0, 1, 100, 58, 1, 1, 200] {
            let more = vec![len as u8; len];
            message.push(&more);
            expected.extend(more);
            assert_eq!(*message, *expected);
            assert_eq!(matches!(message.0, Held::Here { .. }), expected.len() <= ServerMessage::IN_PLACE);
        }
        assert_eq!(Vec::from(message), expected);
    }

    #[test]
    fn numbers_are_decimal() {
        for number in [0, 9, 10, 2_592_000, u64::MAX] {
            let mut message = ServerMessage::new();
            message.push_number(number);
            assert_eq!(*message, *number.to_string().as_bytes());
        }
    }
}
