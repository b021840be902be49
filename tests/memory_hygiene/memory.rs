//! All of this process's memory, searched for secrets.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

/// Pieces of so many octets are looked for, as an allocator writes over the first few of what is freed.
const PIECE: usize = 16;

/// How needles are kept, so that it is not they that are found.
const MASK: u8 = 0xa5;

/// What is looked for.
#[derive(Default)]
pub(crate) struct Needles(BTreeMap<Vec<u8>, &'static str>);

impl Needles {
    pub(crate) fn add(&mut self, name: &'static str, secret: &[u8]) {
        assert!(secret.len() >= PIECE, "{name}");
        for piece in secret.chunks_exact(PIECE) {
            // Of a hash's padding there is plenty.
            assert!(piece.iter().any(|octet| *octet != piece[0]), "{name}");
            self.0.insert(piece.iter().map(|octet| octet ^ MASK).collect(), name);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Where a piece of a secret was found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Place {
    Heap,
    /// What calls that returned left on the stack of the thread that has this address.
    Stack,
}

/// How often a piece of each secret is in memory. `stack` is an address on the stack of the thread that had them.
pub(crate) fn search(needles: &Needles, stack: usize) -> BTreeMap<(Place, &'static str), usize> {
    let by_first = |first: [u8; 2]| {
        let masked = first.map(|octet| octet ^ MASK);
        needles.0.range(masked.to_vec()..).take_while(move |(piece, _)| piece.starts_with(&masked))
    };
    let firsts: Vec<bool> = (0..=u16::MAX).map(|first| by_first(first.to_ne_bytes()).next().is_some()).collect();
    let mut found = BTreeMap::new();
    let memory = File::open("/proc/self/mem").unwrap();
    // A buffer that this leaves behind would be found by the next search.
    let mut buffer = zeroize::Zeroizing::new(vec![0; 1 << 20]);
    let own = buffer.as_ptr().addr()..buffer.as_ptr().addr() + buffer.len();
    for region in writable(stack) {
        let mut at = region.start;
        while at < region.end {
            let len = (region.end - at).min(buffer.len());
            let Ok(len) = memory.read_at(&mut buffer[..len], at as u64) else { break };
            for (offset, window) in buffer[..len].windows(PIECE).enumerate() {
                let first = [window[0], window[1]];
                if !firsts[usize::from(u16::from_ne_bytes(first))] || own.contains(&(at + offset)) {
                    continue;
                }
                let is = |piece: &[u8]| window.iter().zip(piece).all(|(octet, masked)| octet ^ MASK == *masked);
                for (_, name) in by_first(first).filter(|(piece, _)| is(piece)) {
                    *found.entry((region.place, *name)).or_default() += 1;
                }
            }
            // The next piece may begin in the last octets of this one.
            at += if at + len == region.end { len } else { len - (PIECE - 1) };
        }
    }
    found
}

struct Region {
    start: usize,
    end: usize,
    place: Place,
}

fn writable(stack: usize) -> Vec<Region> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let regions = maps.lines().filter_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let number = |hex: &str| usize::from_str_radix(hex, 16).unwrap();
        let (start, end) = (number(start), number(end));
        let place = if (start..end).contains(&stack) { Place::Stack } else { Place::Heap };
        rest.starts_with("rw").then_some(Region { start, end, place })
    });
    regions.collect()
}
