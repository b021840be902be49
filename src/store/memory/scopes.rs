//! Scopes by number: a service has a handful of them, and every record names one.

use std::collections::HashMap;
use std::sync::{OnceLock, PoisonError, RwLock};

use crate::assertion::Scope;

/// Scopes by number. Bounded, and nothing ever leaves it: a scope that finds no place is written out where it is used.
pub(super) struct Scopes {
    by_number: Box<[OnceLock<Scope>]>,
    numbers: RwLock<HashMap<Scope, u8>>,
}

impl Scopes {
    /// How many there can be; numbers are below.
    pub(super) const MAX: usize = 255;

    pub(super) fn new() -> Self {
        Self { by_number: (0..Self::MAX).map(|_| OnceLock::new()).collect(), numbers: RwLock::default() }
    }

    pub(super) fn get(&self, number: u8) -> Option<&Scope> {
        self.by_number.get(usize::from(number))?.get()
    }

    /// The scope's number, where it has one or can get one.
    pub(super) fn number(&self, scope: &Scope) -> Option<u8> {
        // The first few are compared sooner than hashed.
        let first = (0..4).find(|&number| self.get(number) == Some(scope));
        let numbers = || self.numbers.read().unwrap_or_else(PoisonError::into_inner);
        first.or_else(|| numbers().get(scope).copied()).or_else(|| self.take(scope))
    }

    fn take(&self, scope: &Scope) -> Option<u8> {
        if self.by_number.last().is_some_and(|last| last.get().is_some()) {
            // All are taken, and the last one perhaps just now, by this very scope. Whoever counts octets before they
            // are written asks twice, and must hear the same.
            return self.numbers.read().unwrap_or_else(PoisonError::into_inner).get(scope).copied();
        }
        let mut numbers = self.numbers.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(&number) = numbers.get(scope) {
            return Some(number);
        }
        let number = u8::try_from(numbers.len()).ok()?;
        self.by_number.get(usize::from(number))?.set(scope.clone()).ok()?;
        numbers.insert(scope.clone(), number);
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assertion::Service;
    use crate::channel::ServerName;

    #[test]
    fn who_comes_too_late_to_take_the_last_number_hears_it_all_the_same() {
        let scope = |number| Scope::new(Service::IMAP, ServerName::parse(&format!("{number}.example")).unwrap());
        let scopes = Scopes::new();
        let numbers: Vec<_> = (0..Scopes::MAX + 1).map(|number| scopes.number(&scope(number))).collect();
        assert_eq!((numbers[Scopes::MAX - 1], numbers[Scopes::MAX]), (Some(Scopes::MAX as u8 - 1), None));
        // It was not there when this thread looked.
        assert_eq!(scopes.take(&scope(Scopes::MAX - 1)), numbers[Scopes::MAX - 1]);
    }
}
