//! What a lookup finds, whether or not it is what was looked for.

use core::fmt;
use std::sync::Arc;

/// What was looked for; or that it isn't there, and then perhaps something else, read in its place.
///
/// A stranger who asks for what isn't there is not to learn so from the time that the answer takes. A store that reads something else of the
/// same kind then, and gives it as [`new`](Self::new)`(it, false)`, takes as long; and so does a mechanism, which goes on with it as with what
/// was looked for, believes nothing of it, and drops it where it would drop the other. To everyone else it is not there.
///
/// A store that tells its answers apart anyway makes one from an `Option`.
pub struct Sought<T> {
    any: Option<Arc<T>>,
    is_there: bool,
}

impl<T> Sought<T> {
    /// What was read, and whether that is what was looked for.
    pub fn new(any: Option<Arc<T>>, is_there: bool) -> Self {
        Self { is_there: is_there & any.is_some(), any }
    }

    /// Whether it is there.
    pub fn is_there(&self) -> bool {
        self.is_there
    }

    /// It, if it is there.
    pub fn get(&self) -> Option<&T> {
        self.any.as_deref().filter(|_| self.is_there)
    }

    /// It, if it is there.
    pub fn into_option(self) -> Option<Arc<T>> {
        self.any.filter(|_| self.is_there)
    }

    /// It, or what was read in its place: for what has to take as long either way, and is believed only if it [is there](Self::is_there).
    pub(crate) fn any(&self) -> Option<&Arc<T>> {
        self.any.as_ref()
    }
}

impl<T> Clone for Sought<T> {
    fn clone(&self) -> Self {
        Self { any: self.any.clone(), is_there: self.is_there }
    }
}

impl<T> Default for Sought<T> {
    fn default() -> Self {
        Self { any: None, is_there: false }
    }
}

impl<T> From<Option<Arc<T>>> for Sought<T> {
    fn from(found: Option<Arc<T>>) -> Self {
        Self { is_there: found.is_some(), any: found }
    }
}

/// By what is there.
impl<T: PartialEq> PartialEq for Sought<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for Sought<T> {}

/// What is there.
impl<T: fmt::Debug> fmt::Debug for Sought<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_in_its_place_is_nothing_to_anyone() {
        let [there, instead] = [true, false].map(|is_there| Sought::new(Some(Arc::new("alice")), is_there));
        assert_eq!((there.is_there(), instead.is_there()), (true, false));
        assert_eq!((there.get().copied(), instead.get()), (Some("alice"), None));
        assert_eq!((format!("{there:?}"), format!("{instead:?}")), ("Some(\"alice\")".to_owned(), "None".to_owned()));
        assert!(there != instead && instead == Sought::default() && there == Some(Arc::new("alice")).into());
        assert_eq!((there.into_option().is_some(), instead.into_option()), (true, None));
        assert!(!Sought::<&str>::new(None, true).is_there());
    }
}
