//! Followers over the memory store: projections and process managers, step by step and by themselves.

mod away;
mod catching_up;
mod chains;
mod erased;
mod events_in;
mod failures;
mod idle;
mod leases;
mod newer;
mod panics;
mod placed;
mod reacting;
mod reading;
mod rebuilding;
mod restored;
mod retrying;
mod running;
mod school;
mod settled;
mod stepping;
mod unknown;
mod waiting;
