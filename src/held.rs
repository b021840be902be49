//! What a connection refers to: borrowed where its owner outlives it, or shared where the connection has to live on its own, as
//! behind the callbacks of another framework.

use core::ops::Deref;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) enum Held<'a, T> {
    Borrowed(&'a T),
    Shared(Arc<T>),
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Borrowed(held) => held,
            Self::Shared(held) => held,
        }
    }
}
