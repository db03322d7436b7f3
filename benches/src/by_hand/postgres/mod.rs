//! The same rows in one Postgres database, as fast as tokio-postgres alone writes and reads them: the columns and indexes of the framework's log, a
//! checksum over each row, every statement prepared once, one right plan for each.
//!
//! The forms that were tried, on two cores that others compiled on too, as medians of interleaved rounds:
//!
//! - One writer: one prepared insert that is a transaction of its own, 3 260 commits per second with the connection in a task of its own, 3 310 in
//!   one task with the client; on one thread instead of two workers 3 130 and 3 150. The scenarios run them all.
//! - A hundred events: arrays and UNNEST in one statement, 84 000 to 89 000 events per second.
//! - Many writers: a task that takes an advisory lock and writes all that waits by one statement with arrays (8: 9 600, 64: 40 000 commits per second);
//!   a connection each with LOCK TABLE, four round trips (2 050 and 1 730).
//! - Loading streams of 100 events: name and payload alone 10 700 per second, all columns of a record 7 700.
//! - Commands of 8 clients: a connection each to read by, or one that all share, which differ by less than the noise.
//!
//! The database gives the positions, so several processes can write, and the checksum leaves them out; a conflict is found by the index alone, and
//! positions have a hole after it.
mod following;
mod group;
mod pen;
mod place;
mod reading;
mod rows;

pub(crate) use following::Following;
pub(crate) use group::Group;
pub(crate) use pen::{Pen, WithLock};
pub(crate) use place::{Line, Place};
pub(crate) use reading::{Page, Reading};

const CATEGORY: &str = "Dog";
