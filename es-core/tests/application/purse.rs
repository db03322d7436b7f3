//! An aggregate with snapshots and in the cache.
use std::fmt;

use es_core::{Aggregate, Root, events};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Aggregate, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[aggregate("Purse", snapshot_every = 5, cached)]
pub(crate) struct Purse {
    root: Root<Self>,
    coins: u64,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Empty;

impl fmt::Display for Empty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the purse is empty")
    }
}

impl std::error::Error for Empty {}

#[events]
impl Purse {
    #[event("Opened")]
    pub(crate) fn open(coins: u64) -> Self {
        Self {
            root: Root::new(),
            coins,
        }
    }

    #[event("OpenedAs", id = *id)]
    pub(crate) fn open_as(id: Uuid, coins: u64) -> Self {
        Self {
            root: Root::new(),
            coins,
        }
    }

    #[event("Put")]
    pub(crate) fn put(&mut self, coins: u64) {
        self.coins += coins;
    }

    #[event("Taken")]
    fn taken(&mut self, coins: u64) {
        self.coins -= coins;
    }

    pub(crate) fn take(&mut self, coins: u64) -> Result<(), Empty> {
        if coins > self.coins {
            return Err(Empty);
        }
        self.taken(coins);
        Ok(())
    }

    /// One that no event created.
    pub(crate) fn blank() -> Self {
        Self {
            root: Root::new(),
            coins: 0,
        }
    }

    pub(crate) fn coins(&self) -> u64 {
        self.coins
    }
}
