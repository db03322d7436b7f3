//! The whole way: an application on the memory store, beside plain functions on a log behind a mutex. Nothing here is durable.
use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use es_core::{Aggregate, Application};
use es_store_memory::MemoryStore;
use uuid::Uuid;

use crate::by_hand::{self, Memory};
use crate::dog::{self, Dog};
use crate::harness::{Effort, Scenario};

/// 0.7 of the speed by hand.
const TARGET: f64 = 1.0 / 0.7;

/// How many dogs there are in a log before it is begun anew, so that it fits into the memory.
const DOGS: usize = 10_000;

/// How many events a dog has before a command.
const KNOWN: usize = 20;

pub(super) fn run(effort: &Effort) {
    append(effort, 1);
    append(effort, effort.short);
    load(effort, effort.short);
    command(effort);
}

fn append(effort: &Effort, count: usize) {
    let kennel = Kennel::<Application>::default();
    let (notebook, ledger) = (Kennel::<Memory>::default(), Kennel::<Memory>::default());
    Scenario::new(
        format!("save a dog of {count} events in memory"),
        "event",
        count,
    )
    .target(TARGET)
    .contestant(
        "ours",
        move || (kennel.app(), trained(count)),
        |(app, mut dog)| {
            at_once(app.save(&mut dog)).expect("nobody else writes");
            (app, dog)
        },
        |(_, dog)| (dog.version().get(), dog.pending().len()),
    )
    .contestant(
        "by hand, over the same indexes",
        move || (notebook.app(), trained_by_hand(count)),
        |(memory, mut dog): (Rc<Memory>, _)| {
            memory
                .save(&mut dog, Some(Uuid::new_v4()))
                .expect("nobody else writes");
            (memory, dog)
        },
        |(_, dog)| (dog.saved_version(), dog.pending().len()),
    )
    .contestant(
        "by hand, commits have no ids",
        move || (ledger.app(), trained_by_hand(count)),
        |(memory, mut dog): (Rc<Memory>, _)| {
            memory.save(&mut dog, None).expect("nobody else writes");
            (memory, dog)
        },
        |(_, dog)| (dog.saved_version(), dog.pending().len()),
    )
    .run(effort);
}

fn load(effort: &Effort, count: usize) {
    let (app, memory) = (
        Application::new(MemoryStore::new()),
        Rc::new(Memory::default()),
    );
    let ids: Rc<[_]> = (0..100).map(|_| keep(&app, count)).collect();
    let same: Rc<[_]> = (0..100)
        .map(|_| keep_by_hand(&memory, count, None))
        .collect();
    let (next, once_more) = (turns(ids), turns(same));
    Scenario::new(format!("load {count} events from memory"), "load", 1)
        .target(TARGET)
        .contestant(
            "ours",
            next,
            move |id| at_once(app.get::<Dog>(id)).expect("it was saved"),
            |dog| (dog.seen().version, dog.seen().tricks),
        )
        .contestant(
            "by hand",
            once_more,
            move |id| memory.load(id).expect("it was saved"),
            |dog| (dog.seen().version, dog.seen().tricks),
        )
        .run(effort);
}

fn command(effort: &Effort) {
    let kennel = Kennel::<Application>::default();
    let (notebook, ledger) = (Kennel::<Memory>::default(), Kennel::<Memory>::default());
    Scenario::new(
        format!("load {KNOWN} events, decide, save in memory"),
        "command",
        1,
    )
    .target(TARGET)
    .contestant(
        "ours",
        move || {
            let app: Rc<Application> = kennel.app();
            let id = keep(&app, KNOWN);
            (app, id)
        },
        |(app, id)| {
            let updated = at_once(app.update(id, |dog: &mut Dog| dog.add_trick("sit")));
            let version = updated.expect("nobody else writes").version.get();
            (app, version)
        },
        |(_, version)| version,
    )
    .contestant(
        "by hand, over the same indexes",
        move || {
            let memory: Rc<Memory> = notebook.app();
            let id = keep_by_hand(&memory, KNOWN, Some(Uuid::new_v4()));
            (memory, id)
        },
        |(memory, id)| {
            let mut dog = memory.load(id).expect("it was saved");
            dog.add_trick("sit");
            memory
                .save(&mut dog, Some(Uuid::new_v4()))
                .expect("nobody else writes");
            (memory, dog.saved_version())
        },
        |(_, version)| version,
    )
    .contestant(
        "by hand, commits have no ids",
        move || {
            let memory: Rc<Memory> = ledger.app();
            let id = keep_by_hand(&memory, KNOWN, None);
            (memory, id)
        },
        |(memory, id)| {
            let mut dog = memory.load(id).expect("it was saved");
            dog.add_trick("sit");
            memory.save(&mut dog, None).expect("nobody else writes");
            (memory, dog.saved_version())
        },
        |(_, version)| version,
    )
    .run(effort);
}

/// A log that is begun anew from time to time. What is done in it gives it back: to drop it is no part of that.
struct Kennel<T>(Rc<RefCell<(usize, Rc<T>)>>);

trait Fresh {
    fn fresh() -> Self;
}

impl Fresh for Application {
    fn fresh() -> Self {
        Self::new(MemoryStore::new())
    }
}

impl Fresh for Memory {
    fn fresh() -> Self {
        Self::default()
    }
}

impl<T: Fresh> Kennel<T> {
    fn app(&self) -> Rc<T> {
        let mut kennel = self.0.borrow_mut();
        kennel.0 += 1;
        if kennel.0.is_multiple_of(DOGS) {
            kennel.1 = Rc::new(T::fresh());
        }
        Rc::clone(&kennel.1)
    }
}

impl<T: Fresh> Default for Kennel<T> {
    fn default() -> Self {
        Self(Rc::new(RefCell::new((0, Rc::new(T::fresh())))))
    }
}

impl<T> Clone for Kennel<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

/// A dog whose name no other has.
fn registered() -> Dog {
    Dog::register(&Uuid::now_v7().to_string())
}

/// With the id that ours would have: where it goes in an index depends on it.
fn registered_by_hand() -> by_hand::Dog {
    let name = Uuid::now_v7().to_string();
    by_hand::Dog::register(Dog::id_for(&name), &name)
}

fn trained(count: usize) -> Dog {
    let mut dog = registered();
    dog::tricks(count - 1)
        .into_iter()
        .for_each(|trick| dog.add_trick(trick));
    dog
}

fn trained_by_hand(count: usize) -> by_hand::Dog {
    let mut dog = registered_by_hand();
    dog::tricks(count - 1)
        .into_iter()
        .for_each(|trick| dog.add_trick(trick));
    dog
}

fn keep(app: &Application, count: usize) -> Uuid {
    let mut dog = trained(count);
    at_once(app.save(&mut dog)).expect("nobody else writes");
    dog.id()
}

fn keep_by_hand(memory: &Memory, count: usize, commit: Option<Uuid>) -> Uuid {
    let mut dog = trained_by_hand(count);
    memory.save(&mut dog, commit).expect("nobody else writes");
    dog.id()
}

/// Each of them in turn.
fn turns(ids: Rc<[Uuid]>) -> impl Fn() -> Uuid + Clone {
    let next = Rc::new(RefCell::new(0));
    move || {
        let mut next = next.borrow_mut();
        *next = (*next + 1) % ids.len();
        ids[*next]
    }
}

/// The result of a future that waits for nothing, as none on the memory store does.
pub(super) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("the memory store answers at once"),
    }
}
