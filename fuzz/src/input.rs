//! What the harnesses take out of an input.

use arbitrary::Unstructured;
use bytes::BytesMut;

/// The first octets, which choose; the rest is what is parsed.
pub(crate) fn split<const N: usize>(data: &[u8]) -> Option<([u8; N], &[u8])> {
    let mut input = Unstructured::new(data);
    let choices = input.arbitrary().ok().filter(|_| data.len() >= N)?;
    Some((choices, input.take_rest()))
}

/// `octets` in pieces, as a network might deliver them: their lengths follow from `seed`.
pub(crate) fn pieces(octets: &[u8], seed: u8) -> impl Iterator<Item = &[u8]> {
    let mut state = u32::from(seed) * 2 + 1;
    let mut rest = octets;
    core::iter::from_fn(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Mostly small ones: the boundaries are what matters.
        let most = [1, 2, 5, 17, 64, 4096][(state >> 24) as usize % 6];
        let len = 1 + (state >> 8) as usize % most;
        let (piece, behind) = rest.split_at_checked(len.min(rest.len())).filter(|_| !rest.is_empty())?;
        rest = behind;
        Some(piece)
    })
}

/// `good` with what `edits` says done to it: three octets an edit, where, how, and with what.
pub(crate) fn edited(good: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut out = good.to_vec();
    for edit in edits.chunks_exact(3).take(16) {
        let &[at, how, what] = edit else { continue };
        // Far ends count too: proofs and signatures come last.
        let at = match (how >> 4) % 2 {
            0 => usize::from(at).min(out.len()),
            _ => out.len().saturating_sub(usize::from(at)),
        };
        match how % 6 {
            0 if at < out.len() => out[at] = what,
            1 if at < out.len() => out[at] ^= 1 << (what % 8),
            2 => out.insert(at, what),
            3 if at < out.len() => _ = out.remove(at),
            4 => out.truncate(at),
            5 => {
                let until = (at + usize::from(what)).min(out.len());
                let piece = out[at..until].to_vec();
                out.splice(at..at, piece);
            }
            _ => {}
        }
    }
    out
}

/// A buffer that already holds these octets.
pub(crate) fn buffer(octets: &[u8]) -> BytesMut {
    BytesMut::from(octets)
}
