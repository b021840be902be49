//! SHA-3 (FIPS 202), which ring does not have, and HMAC with it (RFC 2104): written out here, so that these vectors need nothing of
//! what the library computes them with.

/// Keccak-f[1600]; lane (x, y) is at x + 5y.
fn permute(a: &mut [u64; 25]) {
    let mut lfsr = 1u8;
    for _ in 0..24 {
        let column: [u64; 5] = std::array::from_fn(|x| (0..5).fold(0, |sum, y| sum ^ a[x + 5 * y]));
        for (at, lane) in a.iter_mut().enumerate() {
            *lane ^= column[(at + 4) % 5] ^ column[(at % 5 + 1) % 5].rotate_left(1);
        }
        let (mut x, mut y, mut lane) = (1, 0, a[1]);
        for t in 0..24 {
            (x, y) = (y, (2 * x + 3 * y) % 5);
            let moved = lane.rotate_left((t + 1) * (t + 2) / 2 % 64);
            lane = std::mem::replace(&mut a[x + 5 * y], moved);
        }
        for row in a.chunks_exact_mut(5) {
            let old: [u64; 5] = row.try_into().expect("five lanes");
            for (x, lane) in row.iter_mut().enumerate() {
                *lane = old[x] ^ (!old[(x + 1) % 5] & old[(x + 2) % 5]);
            }
        }
        for bit in 0..7 {
            lfsr = (lfsr << 1) ^ ((lfsr >> 7) * 0x71);
            if lfsr & 2 != 0 {
                a[0] ^= 1 << ((1 << bit) - 1);
            }
        }
    }
}

fn rate(bits: usize) -> usize {
    200 - bits / 4
}

/// SHA3-256 or SHA3-512.
pub(super) fn hash(bits: usize, data: &[u8]) -> Vec<u8> {
    let rate = rate(bits);
    let mut padded = [data, &[6]].concat();
    padded.resize(padded.len().next_multiple_of(rate), 0);
    *padded.last_mut().expect("a block") |= 0x80;
    let mut state = [0u64; 25];
    for block in padded.chunks_exact(rate) {
        for (lane, octets) in state.iter_mut().zip(block.chunks_exact(8)) {
            *lane ^= u64::from_le_bytes(octets.try_into().expect("eight octets"));
        }
        permute(&mut state);
    }
    let out: Vec<u8> = state.iter().flat_map(|lane| lane.to_le_bytes()).collect();
    out[..bits / 8].to_vec()
}

pub(super) fn mac(bits: usize, key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut block = if key.len() > rate(bits) { hash(bits, key) } else { key.to_vec() };
    block.resize(rate(bits), 0);
    let pad = |with: u8| block.iter().map(|octet| octet ^ with).collect::<Vec<u8>>();
    hash(bits, &[pad(0x5c), hash(bits, &[&pad(0x36)[..], data].concat())].concat())
}
