//! What both kinds of a client's secrets have in common when they are written down.

use super::Origin;

/// Not an assertion that this version of the library wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAssertion {
    /// It starts otherwise than any version does.
    #[error("not a serialised assertion")]
    NotAnAssertion,
    /// A version that this library does not read.
    #[error("a serialised assertion of version {0}, which this library does not read")]
    Version(u8),
    /// Cut short, extended, or with a value out of its range.
    #[error("a damaged serialised assertion")]
    Damaged,
}

/// What follows the name and the version.
pub(crate) fn body<'a>(octets: &'a [u8], magic: &[u8], supported: u8) -> Result<&'a [u8], InvalidAssertion> {
    let rest = octets.strip_prefix(magic).ok_or(InvalidAssertion::NotAnAssertion)?;
    let (&version, rest) = rest.split_first().ok_or(InvalidAssertion::Damaged)?;
    if version != supported {
        return Err(InvalidAssertion::Version(version));
    }
    Ok(rest)
}

const ORIGINS: [Origin; 4] = [Origin::Unbound, Origin::Disclosed, Origin::Keyed, Origin::Bound];

pub(super) const fn origin_octet(origin: Origin) -> u8 {
    match origin {
        Origin::Unbound => b'u',
        Origin::Disclosed => b'd',
        Origin::Keyed => b'k',
        Origin::Bound => b'b',
    }
}

pub(crate) fn read_lp<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, rest) = input.split_first_chunk::<4>()?;
    let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)?;
    *input = rest;
    Some(value)
}

pub(crate) fn read_str<'a>(input: &mut &'a [u8]) -> Option<&'a str> {
    core::str::from_utf8(read_lp(input)?).ok()
}

pub(super) fn read_u64(input: &mut &[u8]) -> Option<u64> {
    let (octets, rest) = input.split_first_chunk::<8>()?;
    *input = rest;
    Some(u64::from_be_bytes(*octets))
}

pub(super) fn read_origin(input: &mut &[u8]) -> Option<Origin> {
    let (&octet, rest) = input.split_first()?;
    let origin = ORIGINS.into_iter().find(|&origin| origin_octet(origin) == octet)?;
    *input = rest;
    Some(origin)
}
