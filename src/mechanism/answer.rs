//! A server's message to its client.

use core::fmt;
use core::ops::{Deref, DerefMut};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::crypto::{MAX_HASH, Redacted};

/// The octets of a responder message. One without a sealed assertion or key/value pairs is held in place, so that a login needs no memory
/// from the heap for it.
#[derive(Clone)]
pub struct Answer(Held);

#[derive(Clone)]
enum Held {
    Here { octets: [u8; Answer::IN_PLACE], len: u8 },
    Heap(Vec<u8>),
}

impl Answer {
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

impl Deref for Answer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Held::Here { octets, len } => octets.get(..usize::from(*len)).unwrap_or_default(),
            Held::Heap(octets) => octets,
        }
    }
}

impl DerefMut for Answer {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Held::Here { octets, len } => octets.get_mut(..usize::from(*len)).unwrap_or_default(),
            Held::Heap(octets) => octets,
        }
    }
}

impl AsRef<[u8]> for Answer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<&[u8]> for Answer {
    fn from(octets: &[u8]) -> Self {
        let mut answer = Self::new();
        answer.push(octets);
        answer
    }
}

impl From<Answer> for Vec<u8> {
    fn from(answer: Answer) -> Self {
        match answer.0 {
            Held::Heap(octets) => octets,
            Held::Here { .. } => answer.to_vec(),
        }
    }
}

impl PartialEq for Answer {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Answer {}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Redacted(self.len()).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_in_place_and_on_the_heap() {
        let (mut answer, mut expected) = (Answer::new(), Vec::new());
        for len in [0, 1, 100, 58, 1, 1, 200] {
            let more = vec![len as u8; len];
            answer.push(&more);
            expected.extend(more);
            assert_eq!(*answer, *expected);
            assert_eq!(matches!(answer.0, Held::Here { .. }), expected.len() <= Answer::IN_PLACE);
        }
        assert_eq!(Vec::from(answer), expected);
    }

    #[test]
    fn numbers_are_decimal() {
        for number in [0, 9, 10, 2_592_000, u64::MAX] {
            let mut answer = Answer::new();
            answer.push_number(number);
            assert_eq!(*answer, *number.to_string().as_bytes());
        }
    }
}
