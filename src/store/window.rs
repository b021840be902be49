//! The replay window of counters.

/// Which counters of an assertion were used: everything up to the highest, but for the gaps among the last 64.
///
/// Parallel connections arrive out of order, so a counter up to 63 behind the highest one is still good, once. It never
/// forgets a counter that it accepted (no false negative); what is further behind is refused although it may be new.
///
/// Specified by the draft in "Counters".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    highest: u64,
    /// Bit `k` says that `highest - k` was used.
    used: u64,
}

impl Window {
    /// How far behind the highest counter a new one may be, exclusive.
    pub const WIDTH: u64 = 64;

    /// The window of the highest accepted counter and the bitmap behind it, as a store kept them.
    pub const fn from_parts(highest: u64, used: u64) -> Self {
        Self { highest, used }
    }

    /// The highest accepted counter, and the bitmap whose bit `k` stands for the counter `k` below it.
    pub const fn parts(self) -> (u64, u64) {
        (self.highest, self.used)
    }

    /// Marks `counter` as used; false when it was used before, is behind the window, or is 0, which no client sends.
    #[must_use = "a counter that is not fresh is a replay"]
    pub fn accept(&mut self, counter: u64) -> bool {
        if counter > self.highest {
            let ahead = counter - self.highest;
            self.used = if ahead < Self::WIDTH { self.used << ahead | 1 } else { 1 };
            self.highest = counter;
            return true;
        }
        let behind = self.highest - counter;
        if counter == 0 || behind >= Self::WIDTH || self.used >> behind & 1 == 1 {
            return false;
        }
        self.used |= 1 << behind;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_good_once_and_only_within_the_window() {
        let mut window = Window::default();
        assert!(!window.accept(0));
        for counter in [1, 3, 2, 70, 7, 69] {
            assert!(window.accept(counter), "{counter} is new");
            assert!(!window.accept(counter), "{counter} was used");
        }
        assert!(!window.accept(6), "64 behind the highest");
        assert!(window.accept(u64::MAX));
        assert!(!window.accept(70), "far behind");
        assert!(window.accept(u64::MAX - 63));
        assert!(!window.accept(u64::MAX - 64));
    }

    #[test]
    fn it_agrees_with_a_set_of_all_counters() {
        let mut window = Window::default();
        let mut seen = std::collections::HashSet::new();
        let mut highest = 0u64;
        let mut state = 1u64;
        for _ in 0..100_000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let counter = (highest + 40).saturating_sub((state >> 33) % 120);
            let fresh = counter > 0 && counter + Window::WIDTH > highest && !seen.contains(&counter);
            assert_eq!(window.accept(counter), fresh, "{counter} with {highest} the highest");
            if fresh {
                seen.insert(counter);
                highest = highest.max(counter);
            }
        }
    }
}
