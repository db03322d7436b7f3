//! What generated code names. It is no part of the API: it may change in any release.
pub use core::clone::Clone;
pub use core::cmp::PartialEq;
pub use core::convert::{From, Into};
pub use core::fmt::Debug;
pub use core::result::Result;
pub use std::borrow::ToOwned;
pub use std::string::String;
pub use std::vec::Vec;

pub use serde;
pub use serde::{Deserialize, Serialize};
pub use uuid::Uuid;

pub use crate::domain::{
    Declares, Event, EventShape, Events, HasRoot, Misplaced, Root, open, record,
};

/// Asks that `A` has events: the derive asserts it, so that a missing `#[events]` is told at the struct's name.
pub const fn declares_events<A: crate::domain::Declares>() {}
