//! An aggregate's state as a whole: kept, copied, compared, shown. Only as far as its types can be.
use std::fmt::Debug;

use super::HasRoot;

/// How often the state of an aggregate is kept, and how it is written and read: `#[aggregate("Dog", snapshot_every = 100)]`.
#[derive(Debug)]
pub struct Snapshots<A> {
    /// After how many events a snapshot is taken.
    pub every: u64,
    /// Changes when the struct or its `snapshot_revision` does, as far as the macro sees it: the names and types of its fields, not what
    /// is inside those types. A snapshot is used only where this and [`Events::FINGERPRINT`](super::Events::FINGERPRINT) are the same.
    pub fingerprint: u64,
    /// Writes the state.
    pub write: fn(&A) -> serde_json::Result<Vec<u8>>,
    /// Reads it again.
    pub read: fn(&[u8]) -> serde_json::Result<A>,
}

/// Two states of one aggregate, to be compared where its type can be.
///
/// The method is found by [`Comparable`] where the type is `PartialEq + Debug`, otherwise, one reference further, by [`Opaque`].
pub struct States<'a, A>(pub &'a A, pub &'a A);

/// Compares.
pub trait Comparable {
    /// The two states as text, where they differ.
    fn __difference(&self) -> Option<String>;
}

impl<A: PartialEq + Debug> Comparable for States<'_, A> {
    fn __difference(&self) -> Option<String> {
        let Self(left, right) = self;
        (left != right).then(|| format!("{left:#?}\n{right:#?}"))
    }
}

/// Cannot compare.
pub trait Opaque {
    /// Nothing: equal as far as can be seen.
    fn __difference(&self) -> Option<String> {
        None
    }
}

impl<A> Opaque for &States<'_, A> {}

/// What is told of each field of a state: its name, and its value as far as that can be printed.
pub type Show<'v> = dyn FnMut(&'static str, Option<&dyn Debug>) + 'v;

/// A field, to be shown where its type can be.
///
/// The method is found by [`Shown`] where the type is `Debug`, otherwise, one reference further, by [`Hidden`].
pub struct Field<'a, T>(pub &'a T);

/// Can be printed.
pub trait Shown {
    /// What prints it.
    fn __shown(&self) -> Option<&dyn Debug>;
}

impl<T: Debug> Shown for Field<'_, T> {
    fn __shown(&self) -> Option<&dyn Debug> {
        Some(&self.0)
    }
}

/// Cannot be printed.
pub trait Hidden {
    /// Nothing.
    fn __shown(&self) -> Option<&dyn Debug> {
        None
    }
}

impl<T> Hidden for &Field<'_, T> {}

/// A generic aggregate whose parameters can all be printed: `#[derive(Aggregate)]` implements it under that condition.
pub trait Printable {
    /// As [`HasRoot::show`], under that condition.
    fn __print(&self, visit: &mut Show<'_>);
}

/// A state, to be shown as far as its type is known to be printable.
///
/// The method is found by [`Described`] where the type is [`Printable`], otherwise, one reference further, by [`Listed`].
pub struct State<'a, A>(pub &'a A);

/// Every parameter can be printed.
pub trait Described {
    /// Shows the fields.
    fn __describe(&self, visit: &mut Show<'_>);
}

impl<A: Printable> Described for State<'_, A> {
    fn __describe(&self, visit: &mut Show<'_>) {
        self.0.__print(visit);
    }
}

/// Some parameter cannot be printed.
pub trait Listed {
    /// Shows the fields as far as the struct tells of them.
    fn __describe(&self, visit: &mut Show<'_>);
}

impl<A: HasRoot> Listed for &State<'_, A> {
    fn __describe(&self, visit: &mut Show<'_>) {
        self.0.show(visit);
    }
}
