//! Single things, done so often that `cargo xtask instructions` can count what the processor does for them.
//!
//! What is made ready is counted in a run of its own, in which nothing is done with it, and taken off.
use std::hint::black_box;
use std::mem;

use es_core::__private::{decode, encode};
use es_core::domain::HasRoot;
use es_core::{Aggregate, Application, StreamId, Version};
use es_store_memory::MemoryStore;

use super::memory::at_once;
use crate::dog::{self, Dog, NAME};

const EVENTS: usize = 100;

/// Makes a thing ready so often, and does it where `done` is asked for; `None` where there is no such thing.
///
/// # Panics
/// Where a thing cannot be done.
pub(crate) fn run(name: &str, done: bool, times: usize) -> Option<()> {
    let id = Dog::id_for(NAME);
    let stream = StreamId::new(Dog::CATEGORY, id);
    let events = dog::trained(EVENTS - 1).pending().to_vec();
    match name {
        "record" => {
            let tricks = dog::tricks(EVENTS - 1);
            repeat(
                done,
                times,
                || (),
                |()| {
                    let mut dog = Dog::register(NAME);
                    for trick in &tricks {
                        dog.add_trick(trick.as_str());
                    }
                    dog
                },
            );
        }
        "replay" => repeat(
            done,
            times,
            || events.clone(),
            |events| Dog::replay(id, events).expect("they begin with a creation"),
        ),
        "encode" => repeat(
            done,
            times,
            || (),
            |()| encode(&events, &stream, Version::NEW).expect("strings have a JSON form"),
        ),
        "decode" => {
            let records = super::decode::records(EVENTS);
            let decoded = |()| {
                let events = records.iter().map(decode::<dog::DogEvent>);
                events.collect::<Result<Vec<_>, _>>()
            };
            repeat(
                done,
                times,
                || (),
                |()| decoded(()).expect("what was written can be read"),
            );
        }
        "save in memory" => {
            let app = Application::new(MemoryStore::new());
            repeat(
                done,
                times,
                || Dog::register(&uuid::Uuid::now_v7().to_string()),
                |mut dog| {
                    at_once(app.save(&mut dog)).expect("nobody else writes");
                    dog
                },
            );
        }
        "load from memory" => {
            let app = Application::new(MemoryStore::new());
            let mut dog = dog::trained(EVENTS - 1);
            at_once(app.save(&mut dog)).expect("nobody else writes");
            repeat(
                done,
                times,
                || (),
                |()| at_once(app.get::<Dog>(id)).expect("it was saved"),
            );
        }
        _ => return None,
    }
    Some(())
}

fn repeat<I, O>(done: bool, times: usize, prepare: impl Fn() -> I, run: impl Fn(I) -> O) {
    for _ in 0..times {
        let input = black_box(prepare());
        // Dropping is no part of it.
        if done {
            mem::forget(black_box(run(input)));
        } else {
            mem::forget(input);
        }
    }
}
