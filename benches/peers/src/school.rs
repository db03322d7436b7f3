//! What every framework does with a dog.
use std::future::Future;

use uuid::Uuid;

use crate::place::Place;

/// A framework on one store.
pub(crate) trait School: Clone + Send + Sync + 'static {
    /// Opens an empty log.
    fn open(place: &Place) -> impl Future<Output = Self> + Send;
    /// What its own connection answers when it is asked how durable it is.
    fn durability(&self) -> impl Future<Output = String> + Send;
    /// Registers a dog that knows so many tricks, in one commit.
    fn register(&self, dog: &Dog, tricks: usize) -> impl Future<Output = ()> + Send;
    /// Loads it, decides, and saves one event.
    fn add_trick(&self, dog: &Dog, trick: &str) -> impl Future<Output = ()> + Send;
    /// How many tricks it knows, once it is loaded.
    fn tricks(&self, dog: &Dog) -> impl Future<Output = usize> + Send;
}

/// A framework whose log can be read from its beginning.
pub(crate) trait Follows: School {
    /// Reads it all, so many events, by a follower that nobody knows yet.
    fn catch_up(&self, follower: usize, events: usize) -> impl Future<Output = Learned> + Send;
}

#[derive(Clone)]
pub(crate) struct Dog {
    pub(crate) id: Uuid,
    /// For those whose ids are text.
    pub(crate) text: String,
    pub(crate) name: String,
}

impl Dog {
    /// A dog whose name no other has.
    pub(crate) fn new() -> Self {
        let name = Uuid::now_v7().to_string();
        let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes());
        Self {
            id,
            text: id.to_string(),
            name,
        }
    }
}

pub(crate) fn trick(number: usize) -> String {
    format!("trick number {number}")
}

/// What a reader of the whole log makes of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Learned {
    pub(crate) dogs: usize,
    pub(crate) tricks: usize,
    pub(crate) letters: usize,
}

impl Learned {
    pub(crate) fn dog(&mut self) {
        self.dogs += 1;
    }

    pub(crate) fn trick(&mut self, trick: &str) {
        self.tricks += 1;
        self.letters += trick.len();
    }
}
