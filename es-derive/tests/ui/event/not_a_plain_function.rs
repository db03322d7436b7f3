use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
    tricks: Vec<String>,
}

#[events]
impl Dog {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: Root::new(), tricks: Vec::new() }
    }

    #[event("Fetched")]
    async fn fetch(&mut self) {}

    #[event("Bitten")]
    unsafe fn bite(&mut self) {}

    #[event("Called")]
    extern "C" fn call(&mut self) {}

    #[event("Sat")]
    const fn sit(&mut self) {}
}

fn main() {}
