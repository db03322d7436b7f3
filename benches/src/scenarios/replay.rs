//! Folding events that are decoded already.
use es_core::Aggregate;

use crate::by_hand::{self, Registered, TrickAdded};
use crate::dog::{self, Dog, DogEvent, NAME};
use crate::harness::{Effort, Scenario};

pub(super) fn run(effort: &Effort, count: usize) {
    let id = Dog::id_for(NAME);
    let events = dog::trained(count - 1).pending().to_vec();
    let same: Vec<_> = events.iter().map(by_hand).collect();
    Scenario::new(format!("replay {count} decoded events"), "event", count)
        .target(1.3)
        .contestant(
            "ours",
            move || events.clone(),
            move |events| Dog::replay(id, events),
            |dog| dog.ok().map(|dog| dog.seen()),
        )
        .contestant(
            "by hand",
            move || same.clone(),
            move |events| by_hand::Dog::replay(id, events),
            |dog| dog.map(|dog| dog.seen()),
        )
        .run(effort);
}

/// The same event, as the baseline has it.
pub(super) fn by_hand(event: &DogEvent) -> by_hand::DogEvent {
    match event.clone() {
        DogEvent::Registered { name } => by_hand::DogEvent::Registered(Registered { name }),
        DogEvent::TrickAdded { trick } => by_hand::DogEvent::TrickAdded(TrickAdded { trick }),
    }
}
