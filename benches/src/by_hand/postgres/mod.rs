//! The same rows in one Postgres database, as fast as tokio-postgres alone writes and reads them: the columns and indexes of the framework's log, a
//! checksum over each row, every statement prepared once, one right plan for each.
//!
//! The forms that were tried, on two cores that others used too and a disk with 0.1 ms for an fdatasync, as medians of interleaved rounds:
//!
//! - One writer: one prepared insert that is a transaction of its own, 2 800 commits per second on a runtime of two workers, 4 200 on one thread,
//!   whether the connection is a task of its own or in one task with the client. The scenarios run them all.
//! - A hundred events: arrays and UNNEST in one statement, 108 000 events per second.
//! - Many writers: a task that takes an advisory lock and writes all that waits by one statement with arrays (8: 11 700, 64: 53 000 commits per
//!   second; 64 in two processes 42 000, in four 25 000); a connection each with LOCK TABLE, four round trips (2 300 and 2 100).
//! - Loading streams of 100 events: name and payload alone 7 600 per second, what replay needs 5 900, all columns of a record 5 500.
//! - Catching up: name and payload alone 1.27 M events per second, all columns of a record 728 000.
//! - Commands of 8 clients: a connection each to read by, or one that all share, which differ by less than the noise.
//!
//! The database gives the positions, so several processes can write, and the checksum leaves them out; a conflict is found by the index alone, and
//! positions have a hole after it.
mod following;
mod group;
mod modelled;
mod pen;
mod place;
mod reading;
mod rows;

pub(crate) use following::Following;
pub(crate) use group::Group;
pub(crate) use modelled::{Both, Modelled};
pub(crate) use pen::{Pen, WithLock};
pub(crate) use place::{Line, Place};
pub(crate) use reading::{Page, Reading};

const CATEGORY: &str = "Dog";
