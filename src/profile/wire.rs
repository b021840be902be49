//! Lines, literals, strings and base64: what the line protocols share.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};

use super::ProfileError;

/// Longest line, with the literals in it.
pub(super) const LINE_LIMIT: usize = 8192;
/// Longest line that is a challenge.
pub(super) const CHALLENGE_LIMIT: usize = 4096;

pub(super) fn encode(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

/// Canonical and padded, or nothing: a second spelling would be a second message with the same proof.
pub(super) fn decode(text: &[u8]) -> Result<Vec<u8>, ProfileError> {
    STANDARD.decode(text).map_err(|_| ProfileError::NotBase64)
}

/// An initial response, where RFC 4954, 4959 and 5034 write the empty one as `=`.
pub(super) fn encode_initial(octets: &[u8]) -> String {
    if octets.is_empty() { "=".to_owned() } else { encode(octets) }
}

pub(super) fn decode_initial(text: &[u8]) -> Result<Vec<u8>, ProfileError> {
    match text {
        b"=" => Ok(Vec::new()),
        // a space and nothing behind it
        b"" => Err(ProfileError::NotBase64),
        _ => decode(text),
    }
}

/// Length of the first complete line in `input`, with its CRLF and its literals. `literal` finds them at the end of the line's parts, of which
/// it is told which is the first; what is inside a literal is no part, whatever it looks like.
pub(super) fn complete(
    input: &[u8],
    limit: usize,
    literal: impl Fn(&[u8], bool) -> Option<usize>,
) -> Result<Option<usize>, ProfileError> {
    let too_long = ProfileError::TooLong { limit };
    let mut start = 0;
    loop {
        let part = input.get(start..input.len().min(limit)).unwrap_or_default();
        let Some(end) = part.iter().position(|&octet| octet == b'\n').map(|at| start + at) else {
            return if input.len() >= limit { Err(too_long) } else { Ok(None) };
        };
        let part = input.get(start..end).and_then(|part| part.strip_suffix(b"\r")).ok_or(ProfileError::BareLineFeed)?;
        match literal(part, start == 0) {
            None => return Ok(Some(end + 1)),
            Some(len) => start = (end + 1).checked_add(len).filter(|&start| start < limit).ok_or(too_long)?,
        }
        if start > input.len() {
            return Ok(None);
        }
    }
}

/// The word number `at` of a line that may not be whole yet, once something behind the word shows its end.
pub(super) fn whole_word(input: &[u8], at: usize) -> Option<&[u8]> {
    let line = input.split(|&octet| matches!(octet, b'\r' | b'\n')).next()?;
    let mut words = line.split(|&octet| octet == b' ');
    let word = words.nth(at)?;
    (words.next().is_some() || line.len() < input.len()).then_some(word)
}

/// Takes the first `len` octets out of `input`, which [`complete`] counted.
pub(super) fn take(input: &mut BytesMut, len: usize) -> Bytes {
    input.split_to(len.min(input.len())).freeze()
}

pub(super) fn without_crlf(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r\n").unwrap_or(line)
}

/// Length of the literal that this part of a line announces at its end: `{n}`, or `{n+}` where nobody waits for a
/// go-ahead.
pub(super) fn literal(part: &[u8], suffix: &[u8]) -> Option<usize> {
    let open = part.iter().rposition(|&octet| octet == b'{')?;
    number(part.get(open + 1..)?.strip_suffix(suffix)?)
}

pub(super) fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0')))
}

pub(super) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|octet| octet.is_ascii_whitespace()).filter(|word| !word.is_empty())
}

/// Reads a line of words, strings and parentheses, left to right.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    /// A word up to the next space or the end, and the space with it.
    pub(super) fn word(&mut self) -> &'a [u8] {
        let (word, rest) = match self.0.iter().position(|&octet| octet == b' ') {
            Some(at) => (self.0.get(..at).unwrap_or_default(), self.0.get(at + 1..).unwrap_or_default()),
            None => (self.0, Default::default()),
        };
        self.0 = rest;
        word
    }

    /// An atom: up to a space, a parenthesis or the end, which stays.
    pub(super) fn atom(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|octet| matches!(octet, b' ' | b'(' | b')')).unwrap_or(self.0.len());
        let (atom, rest) = self.0.split_at(end);
        self.0 = rest;
        atom
    }

    pub(super) fn eat(&mut self, prefix: &[u8]) -> bool {
        self.0.strip_prefix(prefix).map(|rest| self.0 = rest).is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A quoted string or a literal (RFC 2244 section 2.6, RFC 5804 section 4).
    pub(super) fn string(&mut self) -> Option<Vec<u8>> {
        if self.eat(b"\"") {
            return self.quoted();
        }
        let rest = self.0.strip_prefix(b"{")?;
        let close = rest.iter().position(|&octet| octet == b'}')?;
        let digits = rest.get(..close)?;
        let len = number(digits.strip_suffix(b"+").unwrap_or(digits))?;
        let (octets, rest) = rest.get(close + 1..)?.strip_prefix(b"\r\n")?.split_at_checked(len)?;
        self.0 = rest;
        Some(octets.to_vec())
    }

    fn quoted(&mut self) -> Option<Vec<u8>> {
        let mut string = Vec::new();
        let mut octets = self.0.iter();
        loop {
            match octets.next()? {
                b'"' => break,
                b'\\' => string.push(*octets.next().filter(|octet| matches!(octet, b'"' | b'\\'))?),
                0 | b'\r' | b'\n' => return None,
                octet => string.push(*octet),
            }
        }
        self.0 = octets.as_slice();
        Some(string)
    }
}

/// A quoted string where one can be, else a literal; `plus` is `+` from a client, which waits for no go-ahead.
pub(super) fn string(octets: &[u8], plus: &str) -> Vec<u8> {
    let plain = |octet: &u8| matches!(octet, 0x20..=0x7e) && !matches!(octet, b'"' | b'\\');
    if octets.len() <= 1024 && octets.iter().all(plain) {
        [b"\"", octets, b"\""].concat()
    } else {
        [format!("{{{}{plus}}}\r\n", octets.len()).as_bytes(), octets].concat()
    }
}
