use es_core::{Aggregate, Root, events};

macro_rules! animal {
    ($animal:ident) => {
        #[derive(Aggregate)]
        #[aggregate(stringify!($animal))]
        struct $animal {
            root: Root<Self>,
        }

        #[events]
        impl $animal {
            #[event("Registered")]
            fn register() -> Self {
                Self { root: Root::new() }
            }

            #[event(concat!(stringify!($animal), "Fed"))]
            fn feed(&mut self) {}
        }
    };
}

animal!(Dog);

fn main() {}
