//! What a reader of the whole log makes of it.
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use es_core::Projection;

use crate::by_hand;
use crate::dog::DogEvent;

/// What is made of the events.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Learned {
    dogs: usize,
    tricks: usize,
    letters: usize,
}

impl Learned {
    pub(super) fn ours(&mut self, event: DogEvent) {
        match event {
            DogEvent::Registered { .. } => self.dogs += 1,
            DogEvent::TrickAdded { trick } => self.trick(&trick),
        }
    }

    pub(super) fn by_hand(&mut self, event: by_hand::DogEvent) {
        match event {
            by_hand::DogEvent::Registered(_) => self.dogs += 1,
            by_hand::DogEvent::TrickAdded(event) => self.trick(&event.trick),
        }
    }

    fn trick(&mut self, trick: &str) {
        self.tricks += 1;
        self.letters += trick.len();
    }
}

/// A projection onto no table, so that following is all it does.
#[derive(Clone, Default)]
pub(super) struct Reader(Arc<Mutex<Learned>>);

impl Projection for Reader {
    const NAME: &'static str = "reader";
    type Events = DogEvent;
}

impl Reader {
    pub(super) fn learn(&self, event: DogEvent) {
        let mut learned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        learned.ours(event);
    }

    pub(super) fn learned(&self) -> Learned {
        mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
