use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
}

#[events]
impl Dog {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: Root::new() }
    }
}

mod finding {
    use super::*;

    #[events]
    impl Dog {
        #[event("Found")]
        fn find() -> Self {
            Self { root: Root::new() }
        }
    }
}

fn main() {}
