//! Which login an assertion or a client's tokens belong to, as far as this process was told lately.

use core::mem;
use std::collections::HashMap;

use super::layout::{Name, Place};

/// Two halves: what was asked for lately is in the younger one, and the older one goes as a whole. Where nothing is known the server
/// is asked, so it is only a matter of a round trip.
#[derive(Default)]
pub(super) struct Names {
    young: HashMap<Name, Place>,
    old: HashMap<Name, Place>,
}

impl Names {
    const HALF: usize = 8192;

    pub(super) fn put(&mut self, name: Name, place: Place) {
        if self.young.len() >= Self::HALF && !self.young.contains_key(&name) {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(name, place);
    }

    pub(super) fn get(&self, name: &Name) -> Option<Place> {
        self.young.get(name).or_else(|| self.old.get(name)).copied()
    }
}
