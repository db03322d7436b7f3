#![doc = include_str!("../README.md")]

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
// What the macros generate names the crate from outside, also in its own tests.
#[cfg(test)]
extern crate self as es_core;

#[macro_use]
mod causes;

pub mod application;
pub mod domain;
mod kind;
pub mod persistence;
pub mod system;
#[cfg(feature = "testing")]
pub mod testing;

pub use application::UnitOfWork;
pub use application::{Application, Error, Past, Result, UpdateError};
pub use domain::{Aggregate, JsonMap, Position, Root, StreamId, Version};
#[cfg(feature = "derive")]
pub use es_derive::{Aggregate, EventSet, event, events, upcast};
pub use kind::ErrorKind;
pub use persistence::{BoxError, EventSet, Metadata, Recorded};
pub use system::{Follower, ProcessManager, Projection, System};
