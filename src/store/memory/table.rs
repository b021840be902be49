//! A hash table of eight octets an entry: 32 bits of a hash, and the place of an account that has what was hashed.
//!
//! It knows no keys. Whoever looks something up asks the accounts at the places that it finds, mostly one. Several
//! entries may have the same hash; they are found in the order in which they came.

/// Where an account is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(pub(super) u32);

/// What [`Table::probe`] finds.
pub(super) struct Probe {
    /// The place under the hash, the last one that came.
    pub(super) newest: Option<Place>,
    /// The place of some entry next to where entries of this hash belong.
    pub(super) nearest: Option<Place>,
    /// There may be more under this hash, or one where none was found.
    pub(super) has_more: bool,
}

/// How many entries a probe takes in: mostly all that may have the hash.
const PROBED: usize = 16;

/// Entries in open addressing with linear probing, four fifths full at most.
#[derive(Debug)]
pub(super) struct Table {
    entries: Vec<u64>,
    len: usize,
    /// Its size when it is smallest.
    least: usize,
}

/// No account is at the last place.
const EMPTY: u64 = u64::MAX;

impl Table {
    /// An empty table. Tables that start at different sizes grow at different times: together they are never all half
    /// empty.
    pub(super) fn new(number: usize) -> Self {
        Self { entries: Vec::new(), len: 0, least: 16 + number % 16 }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The places under this hash, oldest first.
    pub(super) fn find(&self, tag: u32) -> impl Iterator<Item = Place> {
        let run = self.run(tag).map(|at| self.entries[at]).take_while(|&entry| entry != EMPTY);
        run.filter(move |&entry| (entry >> 32) as u32 == tag).map(|entry| Place(entry as u32))
    }

    /// What is under this hash, and what is near it: the same number of entries, and no branch on them, whether something is there or not. Only
    /// where there is more to search may that show, as in a full table.
    pub(super) fn probe(&self, tag: u32) -> Probe {
        let (home, len) = (self.home(tag), self.entries.len());
        let (mut newest, mut nearest, mut goes_on, mut count) = (EMPTY, EMPTY, true, 0);
        for at in home..home + PROBED.min(len) {
            let entry = self.entries[at - if at < len { 0 } else { len }];
            let is_entry = entry != EMPTY;
            goes_on &= is_entry;
            let is_it = goes_on & ((entry >> 32) as u32 == tag);
            count += u32::from(is_it);
            newest = either(is_it, entry, newest);
            nearest = either(is_entry, entry, nearest);
        }
        let place = |entry| if entry == EMPTY { None } else { Some(Place(entry as u32)) };
        Probe { newest: place(newest), nearest: place(nearest), has_more: goes_on | (count > 1) }
    }

    /// The place of some entry, of the one next to where entries of this hash belong; `None` where there are none at all.
    pub(super) fn nearest(&self, tag: u32) -> Option<Place> {
        self.run(tag).map(|at| self.entries[at]).find(|&entry| entry != EMPTY).map(|entry| Place(entry as u32))
    }

    pub(super) fn insert(&mut self, tag: u32, place: Place) {
        if (self.len + 1) * 5 > self.entries.len() * 4 {
            self.resize();
        }
        self.put(u64::from(tag) << 32 | u64::from(place.0));
        self.len += 1;
    }

    /// Removes one such entry, if there is one.
    pub(super) fn remove(&mut self, tag: u32, place: Place) {
        let entry = u64::from(tag) << 32 | u64::from(place.0);
        let mut run = self.run(tag).take_while(|&at| self.entries[at] != EMPTY);
        let Some(mut hole) = run.find(|&at| self.entries[at] == entry) else { return };
        // What follows moves up, unless it is where it belongs already; so no search ends at a hole too early.
        let mut at = hole;
        loop {
            at = self.after(at);
            let entry = self.entries[at];
            if entry == EMPTY {
                break;
            }
            let home = self.home((entry >> 32) as u32);
            let stays = if hole < at { hole < home && home <= at } else { hole < home || home <= at };
            if !stays {
                self.entries[hole] = entry;
                hole = at;
            }
        }
        self.entries[hole] = EMPTY;
        self.len -= 1;
        if self.len == 0 || (self.entries.len() > self.least && self.len * 4 < self.entries.len()) {
            self.resize();
        }
    }

    /// To about twice what it holds and one more; to nothing, when it holds nothing. Entries stay in their order.
    fn resize(&mut self) {
        let wanted = if self.len == 0 && !self.entries.is_empty() { 0 } else { (self.len + 1) * 15 / 8 };
        let size = if wanted == 0 { 0 } else { wanted.max(self.least) };
        let old = core::mem::replace(&mut self.entries, vec![EMPTY; size]);
        // From behind a hole on, no run is cut in two.
        let (front, back) = old.split_at(old.iter().position(|&entry| entry == EMPTY).unwrap_or(0));
        back.iter().chain(front).filter(|&&entry| entry != EMPTY).for_each(|&entry| self.put(entry));
    }

    fn put(&mut self, entry: u64) {
        let mut run = self.run((entry >> 32) as u32);
        if let Some(at) = run.find(|&at| self.entries[at] == EMPTY) {
            self.entries[at] = entry;
        }
    }

    /// All positions, from the one where entries of this hash belong.
    fn run(&self, tag: u32) -> impl Iterator<Item = usize> + use<> {
        let home = self.home(tag);
        (home..self.entries.len()).chain(0..home)
    }

    fn home(&self, tag: u32) -> usize {
        ((u64::from(tag) * self.entries.len() as u64) >> 32) as usize
    }

    fn after(&self, at: usize) -> usize {
        if at + 1 < self.entries.len() { at + 1 } else { 0 }
    }
}

/// The first of both if so, without a branch.
fn either(first: bool, a: u64, b: u64) -> u64 {
    let mask = u64::from(first).wrapping_neg();
    a & mask | b & !mask
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against a list, with few enough hashes that runs are long, meet and go round the end.
    #[test]
    fn it_agrees_with_a_list() {
        let mut state = 7u64;
        let mut random = |end: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % end
        };
        for spread in [1 << 20, 1 << 24, 1 << 28] {
            let (mut table, mut list) = (Table::new(3), Vec::<(u32, Place)>::new());
            for step in 0..20_000u32 {
                // It grows for a while, and shrinks again.
                if random(100) < if step % 4000 < 2000 { 70 } else { 30 } {
                    let entry = ((u64::from(u32::MAX) - random(16) * spread) as u32, Place(step));
                    table.insert(entry.0, entry.1);
                    list.push(entry);
                } else if !list.is_empty() {
                    let (tag, place) = list.remove(random(list.len() as u64) as usize);
                    table.remove(tag, place);
                }
                assert_eq!(table.len(), list.len());
                // One that is there, and one that mostly is not.
                let (there, other) = (list.last().map_or(0, |entry| entry.0), random(1 << 32) as u32);
                for tag in [there, other] {
                    let mut expected = list.iter().filter(|entry| entry.0 == tag).map(|entry| entry.1);
                    assert!(table.find(tag).eq(expected.clone()), "at step {step}");
                    let Probe { newest, nearest, has_more } = table.probe(tag);
                    let goes_on = table.run(tag).take(PROBED).all(|at| table.entries[at] != EMPTY);
                    assert_eq!(has_more, goes_on || expected.clone().count() > 1, "at step {step}");
                    assert!(has_more || newest == expected.next_back(), "at step {step}");
                    assert!(nearest.is_none_or(|place| list.iter().any(|entry| entry.1 == place)), "at step {step}");
                }
            }
            list.drain(..).for_each(|(tag, place)| table.remove(tag, place));
            assert_eq!((table.len(), table.entries.len()), (0, 0));
        }
    }
}
