//! The same rows in one Postgres database, as fast as tokio-postgres alone writes and reads them: the columns and indexes of the framework's log, a
//! checksum over each row, every statement prepared once, one right plan for each.
//!
//! The forms that were tried, on two cores that others used too and a disk with 0.1 ms for an fdatasync, as medians of interleaved rounds:
//!
//! - One writer: one prepared insert that is a transaction of its own, 2 800 commits per second on a runtime of two workers, 4 200 on one thread,
//!   whether the connection is a task of its own or in one task with the client. The scenarios run them all.
//! - A hundred events: COPY 104 000 events per second, and arrays and UNNEST in one statement 99 000.
//! - Many writers: a task that takes an advisory lock and writes all that waits by one statement with arrays (8: 10 500, 64: 44 000 commits per
//!   second), and that waits up to 30 µs for those whom it answered before, so that they are not half a group each time (8: 20 000, 64: 60 000; up to
//!   100 µs is not better, and where they load before they save, waiting makes it slower); a connection each with LOCK TABLE, whose four round trips are sent as one (8: from 2 150 to 2 900, 64: from 2 000 to
//!   2 860).
//! - An event and a row in one transaction: sent as one 2 400 commits per second, in three round trips 1 650.
//! - Loading streams of 100 events: name and payload alone 7 600 per second, what replay needs 5 900, all columns of a record 5 500.
//! - Reading by `array_agg`, one row for all of them, or in one task with the connection: no faster by more than the noise.
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
