//! The same aggregate and the same stored form as fast as plain Rust with serde makes them: the limit to come close to.
//!
//! Nothing here checks what the framework checks. Whoever finds a faster way writes it here.

mod codec;
mod dog;
mod entry;
mod memory;
pub(crate) mod postgres;
pub(crate) mod sqlite;

pub(crate) use codec::{Encoded, Stored, decode, encode, encode_into};
pub(crate) use dog::{Dog, DogEvent, Registered, TrickAdded};
pub(crate) use entry::{Entry, microseconds};
pub(crate) use memory::Memory;
