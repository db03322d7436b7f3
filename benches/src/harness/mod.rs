//! Runs contestants in turn, so that what disturbs the machine disturbs them alike.

mod effort;
mod scenario;
mod statistics;

pub(crate) use effort::Effort;
pub(crate) use scenario::Scenario;
