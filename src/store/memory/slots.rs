//! The slots of a stripe. They stay where they are: what they hold is secret, and moving it would leave a copy behind.

use super::pack::Packed;
use super::slot::Slot;

/// How many slots there is room for in a piece of memory. So few pieces are easily found; what is not used of one, the
/// system need not provide.
const CHUNK: usize = 512;

/// Slots by number.
#[derive(Default)]
pub(super) struct Slots {
    /// Each has room for [`CHUNK`] slots, or is empty and has none.
    chunks: Vec<Vec<Slot>>,
    /// How many slots of each chunk are taken.
    taken: Vec<u16>,
    /// Slots that were given back, of chunks that others are taken of.
    free: Vec<u32>,
}

impl Slots {
    /// From this number on there is none.
    pub(super) fn end(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    pub(super) fn get(&self, slot: usize) -> Option<&Slot> {
        self.chunks.get(slot / CHUNK)?.get(slot % CHUNK)
    }

    pub(super) fn get_mut(&mut self, slot: usize) -> Option<&mut Slot> {
        self.chunks.get_mut(slot / CHUNK)?.get_mut(slot % CHUNK)
    }

    /// An empty slot, of a number below `limit`.
    pub(super) fn take_one(&mut self, limit: usize) -> Option<usize> {
        let slot = match self.free.pop() {
            Some(slot) => slot as usize,
            None => self.make_one(limit)?,
        };
        self.taken[slot / CHUNK] += 1;
        Some(slot)
    }

    fn make_one(&mut self, limit: usize) -> Option<usize> {
        // Mostly the last one has room. Others that have were emptied.
        let number = match self.chunks.iter().rposition(|chunk| chunk.len() < CHUNK) {
            Some(number) => number,
            None if (self.chunks.len() + 1) * CHUNK > limit => return None,
            None => {
                self.chunks.push(Vec::new());
                self.taken.push(0);
                self.chunks.len() - 1
            }
        };
        let chunk = &mut self.chunks[number];
        if chunk.is_empty() {
            chunk.reserve_exact(CHUNK);
        }
        chunk.push(Slot::Packed(Packed::default()));
        Some(number * CHUNK + chunk.len() - 1)
    }

    /// Wipes a slot that nothing is kept in any more. The last one of its chunk gives the memory back.
    pub(super) fn give_back(&mut self, slot: usize) {
        let number = slot / CHUNK;
        self.chunks[number][slot % CHUNK] = Slot::default();
        self.taken[number] -= 1;
        if self.taken[number] > 0 {
            self.free.push(slot as u32);
            return;
        }
        self.chunks[number] = Vec::new();
        self.free.retain(|&slot| slot as usize / CHUNK != number);
        let used = self.chunks.iter().rposition(|chunk| !chunk.is_empty()).map_or(0, |last| last + 1);
        self.chunks.truncate(used);
        self.taken.truncate(used);
        if used == 0 {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_taken_once_stay_where_they_are_and_give_their_memory_back() {
        let mut slots = Slots::default();
        let taken: Vec<usize> = (0..3 * CHUNK).map(|_| slots.take_one(4 * CHUNK).unwrap()).collect();
        assert!(taken.iter().copied().eq(0..3 * CHUNK));
        let place = |slots: &Slots, slot| core::ptr::from_ref(slots.get(slot).unwrap());
        let (first, last) = (place(&slots, 0), place(&slots, 3 * CHUNK - 1));
        (CHUNK..2 * CHUNK).for_each(|slot| slots.give_back(slot));
        assert!(slots.get(CHUNK).is_none() && slots.chunks[1].capacity() == 0 && slots.free.is_empty());
        slots.give_back(7);
        assert_eq!(slots.take_one(4 * CHUNK), Some(7));
        // What was emptied is filled before there is more.
        assert!((0..CHUNK).all(|at| slots.take_one(4 * CHUNK) == Some(CHUNK + at)));
        assert!((0..CHUNK).all(|at| slots.take_one(4 * CHUNK) == Some(3 * CHUNK + at)));
        assert_eq!(slots.take_one(4 * CHUNK), None);
        assert_eq!((place(&slots, 0), place(&slots, 3 * CHUNK - 1)), (first, last));
        assert_eq!(slots.end(), 4 * CHUNK);
        (0..4 * CHUNK).for_each(|slot| slots.give_back(slot));
        assert_eq!((slots.end(), slots.chunks.capacity(), slots.taken.len()), (0, 0, 0));
    }
}
