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

    #[event("Walked")]
    fn walk(&mut self, (x, y): (u8, u8)) {}

    #[event("Slept")]
    fn sleep(&mut self, _: u8) {}

    #[event("Ate")]
    fn eat(&mut self, food @ _: u8) {}
}

fn main() {}
