//! What a domain is tested with, and what proves a store (feature `testing`).
//!
//! - [`given`], [`when_created`] and [`assert_replays`]: what a command records, without a store.
//! - [`reacting`]: what a process manager does when an event happens, without a system.
//! - [`events_in`]: what happened before a test of a projection or a query, without commands.
//! - [`schema_guard`]: no stored event becomes unreadable unnoticed.
//! - [`VirtualClock`]: time that passes when the test says so.
//! - [`Intercept`]: what happens when a store fails, waits or lies.
//! - [`store_laws!`](crate::store_laws): the laws every store must keep, as a suite that a store runs with one line.

mod clock;
mod events_in;
mod given;
mod intercept;
#[expect(
    clippy::missing_panics_doc,
    reason = "to panic is how a law says that it is broken"
)]
pub mod laws;
mod reacting;
mod schema_guard;
mod stored;

use std::future::Future;

pub use clock::VirtualClock;
pub use events_in::{EventsIn, events_in};
pub use given::{Created, Given, Then, assert_replays, given, when_created};
pub use intercept::{Intercept, Intercepted};
pub use reacting::{Reacted, Reacting, reacting};
pub use schema_guard::{SchemaGuard, schema_guard};

/// Runs a law's future to its end; no async runtime is needed.
#[doc(hidden)]
pub fn block_on<F: Future>(future: F) -> F::Output {
    pollster::block_on(future)
}
