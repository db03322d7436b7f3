//! A fact, and what is declared about it.
use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What can happen to one type of aggregate: the enum that `#[events]` generates.
///
/// Its serde form is serde's own for an enum of struct variants, one variant per event, each serialised under its
/// stored name. Implement it by hand for an enum of your own, with `#[serde(rename)]` where variant and stored name differ.
pub trait Event:
    Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// One entry for each variant, in the order of declaration.
    const SHAPES: &'static [EventShape];

    /// The stored name of this event.
    fn name(&self) -> &'static str;

    /// The schema version that this event is stored with.
    fn schema(&self) -> u32;
}

/// What the code declares about one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventShape {
    /// The stored name, as in `#[event("TrickAdded")]`.
    pub name: &'static str,
    /// The schema version that the code writes, and the highest it can read.
    pub schema: u32,
}

/// An event in a place where it cannot be applied: one that creates, after creation, or one that changes, before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misplaced {
    /// The stored name of the event.
    pub event: &'static str,
}
