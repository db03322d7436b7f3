//! Runs contestants in turn, so that what disturbs the machine disturbs them alike.

mod disk;
mod document;
mod effort;
mod growth;
mod machine;
mod picture;
mod race;
mod report;
mod scenario;
mod statistics;
mod waits;

pub(crate) use disk::Disk;
pub(crate) use effort::Effort;
pub(crate) use growth::{Curve, Growth};
pub(crate) use picture::picture;
pub(crate) use race::{Race, Turn};
pub(crate) use report::{Report, grouped};
pub(crate) use scenario::Scenario;
pub(crate) use waits::Waits;
