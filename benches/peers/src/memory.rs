//! Stores in memory. Nothing here is durable.
//!
//! What each keeps: ours the bytes of a record, with positions, commit ids, metadata and ids found by index; sourcery JSON values.
use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::harness::{Effort, Scenario};
use crate::place::Place;
use crate::races::KNOWN;
use crate::school::{Dog, School, trick};
use crate::{ours, sourcery};

pub(crate) fn run(effort: &Effort) {
    effort.report.table("peers in memory");
    let scenario = Scenario::new("register a dog in memory", "dog", 1);
    let scenario = register::<ours::Ours>(scenario, "ours");
    register::<sourcery::InMemory>(scenario, "sourcery").run(effort);

    let name = format!("load {KNOWN} events, decide, save in memory");
    let scenario = Scenario::new(name, "command", 1);
    let scenario = command::<ours::Ours>(scenario, "ours");
    command::<sourcery::InMemory>(scenario, "sourcery").run(effort);

    let events = effort.short;
    let scenario = Scenario::new(format!("load {events} events from memory"), "load", 1);
    let scenario = load::<ours::Ours>(scenario, "ours", events);
    load::<sourcery::InMemory>(scenario, "sourcery", events).run(effort);
}

/// The result of a future that waits for nothing, as none does that asks a store in memory.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("a store in memory answers at once"),
    }
}

fn register<S: School>(to: Scenario<usize>, framework: &'static str) -> Scenario<usize> {
    let school: S = at_once(S::open(&Place::Memory));
    to.contestant(
        framework,
        move || (school.clone(), Dog::new()),
        |(school, dog)| {
            at_once(school.register(&dog, 0));
            (school, dog)
        },
        |(school, dog)| at_once(school.tricks(&dog)),
    )
}

fn command<S: School>(to: Scenario<usize>, framework: &'static str) -> Scenario<usize> {
    let school: S = at_once(S::open(&Place::Memory));
    to.contestant(
        framework,
        move || {
            let dog = Dog::new();
            at_once(school.register(&dog, KNOWN - 1));
            (school.clone(), dog)
        },
        |(school, dog)| {
            at_once(school.add_trick(&dog, &trick(KNOWN)));
            (school, dog)
        },
        |(school, dog)| at_once(school.tricks(&dog)),
    )
}

fn load<S: School>(to: Scenario<usize>, framework: &'static str, events: usize) -> Scenario<usize> {
    let school: S = at_once(S::open(&Place::Memory));
    let dogs: Rc<[Dog]> = (0..100).map(|_| Dog::new()).collect();
    for dog in &*dogs {
        at_once(school.register(dog, events - 1));
    }
    let next = Rc::new(Cell::new(0));
    to.contestant(
        framework,
        move || {
            next.set((next.get() + 1) % dogs.len());
            (school.clone(), Rc::clone(&dogs), next.get())
        },
        |(school, dogs, place)| at_once(school.tricks(&dogs[place])),
        |tricks| tricks,
    )
}
