//! From pending events to what a commit carries.
use std::ops::Range;
use std::rc::Rc;

use es_core::__private::encode;
use es_core::domain::HasRoot;
use es_core::{Aggregate, StreamId, Version};

use super::replay;
use crate::by_hand::{self, Encoded};
use crate::dog::{self, Dog, DogEvent, NAME};
use crate::harness::{Effort, Scenario};

pub(super) fn run(effort: &Effort, count: usize) {
    let stream = StreamId::new(Dog::CATEGORY, Dog::id_for(NAME));
    let events: Rc<[DogEvent]> = dog::trained(count - 1).pending().into();
    let same: Rc<[by_hand::DogEvent]> = events.iter().map(replay::by_hand).collect();
    let once_more = Rc::clone(&same);
    Scenario::new(format!("encode {count} events"), "event", count)
        .contestant(
            "ours",
            move || Rc::clone(&events),
            move |events| encode(&events, &stream, Version::NEW).expect("strings have a JSON form"),
            |encoded| {
                let seen = encoded
                    .iter()
                    .map(|event| (event.name.to_string(), event.payload.to_vec()));
                seen.collect::<Vec<_>>()
            },
        )
        .contestant(
            "by hand",
            move || Rc::clone(&same),
            |events| each_its_own(&events),
            |encoded| {
                let seen = encoded
                    .into_iter()
                    .map(|event| (event.name.to_owned(), event.payload));
                seen.collect()
            },
        )
        .contestant(
            "by hand, one buffer",
            move || Rc::clone(&once_more),
            |events| in_one_buffer(&events),
            |(buffer, encoded)| {
                let seen = encoded
                    .into_iter()
                    .map(|event| (event.name.to_owned(), buffer[event.payload].to_vec()));
                seen.collect()
            },
        )
        .run(effort);
}

fn each_its_own(events: &[by_hand::DogEvent]) -> Vec<Encoded<Vec<u8>>> {
    let mut all = Vec::with_capacity(events.len());
    for event in events {
        all.push(by_hand::encode(event).expect("strings have a JSON form"));
    }
    all
}

fn in_one_buffer(events: &[by_hand::DogEvent]) -> (Vec<u8>, Vec<Encoded<Range<usize>>>) {
    let mut buffer = Vec::with_capacity(events.len() * 64);
    let mut all = Vec::with_capacity(events.len());
    for event in events {
        let start = buffer.len();
        let name = by_hand::encode_into(&mut buffer, event).expect("strings have a JSON form");
        all.push(Encoded {
            name,
            payload: start..buffer.len(),
        });
    }
    (buffer, all)
}
