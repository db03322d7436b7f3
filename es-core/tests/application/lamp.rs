//! A small aggregate for tests.
use std::fmt;

use es_core::{Aggregate, Root, events};

#[derive(Aggregate, Debug, Clone, PartialEq)]
#[aggregate("Lamp")]
pub(crate) struct Lamp {
    root: Root<Self>,
    room: String,
    on: bool,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Burnt;

impl fmt::Display for Burnt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bulb is burnt")
    }
}

impl std::error::Error for Burnt {}

#[events]
impl Lamp {
    #[event("Mounted")]
    pub(crate) fn mount(room: &str) -> Self {
        Self {
            root: Root::new(),
            room: room.to_owned(),
            on: false,
        }
    }

    #[event("Switched")]
    pub(crate) fn switch(&mut self) {
        self.on = !self.on;
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on
    }
}
