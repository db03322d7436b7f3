use std::marker::PhantomData;

use es_core::{Aggregate, Projection, Root, events};

trait Policy: Send + Sync + 'static {}

#[derive(Aggregate)]
#[aggregate("Basket")]
struct Basket<P> {
    root: Root<Self>,
    policy: PhantomData<P>,
}

#[events]
impl<P: Policy> Basket<P> {
    #[event("Woven")]
    fn weave() -> Self {
        Self { root: Root::new(), policy: PhantomData }
    }
}

struct Baskets;

impl Projection for Baskets {
    const NAME: &'static str = "baskets";
    type Events = BasketEvent;
}

fn main() {}
