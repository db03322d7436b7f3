use std::fmt::Debug;

use es_core::{Aggregate, Root, events};
use serde::{Serialize, de::DeserializeOwned};

trait Item: Debug + Clone + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {}

#[derive(Aggregate)]
#[aggregate("Basket")]
struct Basket<T> {
    root: Root<Self>,
    items: Vec<T>,
}

#[events]
impl<T: Item> Basket<T> {
    #[event("Woven")]
    fn weave() -> Self {
        Self { root: Root::new(), items: Vec::new() }
    }

    #[event("Filled")]
    fn fill(&mut self, item: T)
    where
        Self: Sized,
        T: Copy,
    {
        self.items.push(item);
    }
}

fn main() {}
