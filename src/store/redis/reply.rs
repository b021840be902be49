//! Reads replies. One that is not as it should be is no answer at all.

use redis::Value;

use super::session::Stop;

/// A reply that no script of ours gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

impl From<Broken> for Stop {
    fn from(_: Broken) -> Self {
        Self::Garbled
    }
}

pub(super) fn octets(value: &Value) -> Result<&[u8], Broken> {
    match value {
        Value::BulkString(octets) => Ok(octets),
        _ => Err(Broken),
    }
}

pub(super) fn number(value: &Value) -> Result<u64, Broken> {
    match value {
        Value::Int(number) => u64::try_from(*number).map_err(|_| Broken),
        _ => Err(Broken),
    }
}

pub(super) fn flag(value: &Value) -> Result<bool, Broken> {
    Ok(number(value)? > 0)
}

pub(super) fn list(value: &Value) -> Result<&[Value], Broken> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(Broken),
    }
}

/// An array of so many.
pub(super) fn tuple<const N: usize>(value: &Value) -> Result<&[Value; N], Broken> {
    list(value)?.first_chunk().ok_or(Broken)
}

/// The word that an array begins with, or that there is.
pub(super) fn word(value: &Value) -> Result<&[u8], Broken> {
    match value {
        Value::Array(values) => octets(values.first().ok_or(Broken)?),
        _ => octets(value),
    }
}

pub(super) fn name<const N: usize>(value: &Value) -> Result<[u8; N], Broken> {
    octets(value)?.try_into().map_err(|_| Broken)
}

/// Names of one length, one behind the other.
pub(super) fn names<const N: usize>(octets: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    octets.chunks_exact(N).filter_map(|chunk| chunk.try_into().ok())
}

pub(super) fn number_in(text: Option<&str>) -> Result<u64, Broken> {
    text.and_then(|text| text.trim().parse().ok()).ok_or(Broken)
}
