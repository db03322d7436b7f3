//! The same rows in one Postgres database, as fast as tokio-postgres alone writes and reads them.
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
