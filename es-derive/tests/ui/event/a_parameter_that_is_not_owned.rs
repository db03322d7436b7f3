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

    #[event("A")]
    fn a(&mut self, tricks: &mut Vec<String>) {
        tricks.clear();
    }

    #[event("B")]
    fn b(&mut self, trick: impl Fn() -> String) {}

    #[event("C")]
    fn c<T: Into<String>>(&mut self, trick: T) {}

    #[event("D")]
    fn d(&mut self, trick: Option<&str>) {}

    #[event("E")]
    fn e(&mut self, trick: &'static str) {}

    #[event("F")]
    fn f(&mut self, trick: Box<dyn std::fmt::Debug>) {}

    #[event("G")]
    fn g<'a>(&mut self, trick: std::borrow::Cow<'a, str>) {}

    #[event("H")]
    fn h(&mut self, trick: impl Into<&'static str>) {}

    #[event("Unsized")]
    fn without_size(&mut self, a: &mut str, b: &mut [u8], c: &mut std::path::Path) {}

    #[event("Inside")]
    fn inside(&mut self, a: (&str, u8), b: &[&str], c: Vec<&[u8]>, d: Option<&std::path::Path>) {}
}

fn main() {}
