//! What event stores on SQL databases share, for whoever writes another one: nothing here knows a driver or a statement.
//!
//! | module | what it is for |
//! |---|---|
//! | [`checksum`] | the sum that is stored with each event, and proves that nobody touched it |
//! | [`company`] | how long a group of commits waits for whoever may join it |
//! | [`names`] | names that records need not own |
//! | [`numbers`] | counters and times as 64-bit numbers of a database |
//! | [`payloads`] | payloads that share their memory |
//! | [`verifier`] | what a walk through all events finds |
//!
//! [`Appended`] is what a store gives for events in the caller's own transaction.
mod appended;
pub mod checksum;
pub mod company;
pub mod names;
pub mod numbers;
pub mod payloads;
pub mod verifier;

pub use appended::Appended;
