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

    #[event("A", retired = true)]
    fn a(&mut self) {}

    #[event("B", schema = "2")]
    fn b(&mut self) {}

    #[event("C", schema = 0)]
    fn c(&mut self) {}

    #[event("TooHigh", schema = 99999999999)]
    fn c_large(&mut self) {}

    #[event("D", was = Old)]
    fn d(&mut self) {}

    #[event("InBrackets", was = ["Old", Older])]
    fn d_in_brackets(&mut self) {}

    #[event("E", was = "")]
    fn e(&mut self) {}

    #[event("F", retried)]
    fn f(&mut self) {}

    #[event("G", id = Self::id() id = 3)]
    fn g(&mut self) {}

    #[event = "H"]
    fn h(&mut self) {}

    #[event("I")]
    #[event("I")]
    fn i(&mut self) {}
}

fn main() {}
