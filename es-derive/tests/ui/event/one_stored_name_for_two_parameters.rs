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

    #[event("Barked")]
    fn bark(&mut self, #[serde(rename = "at")] place: &str, at: u8) {}

    #[event("Fed")]
    fn feed(&mut self, r#type: u8, #[serde(alias = "type")] kind: u8) {}

    // Names may be swapped.
    #[event("Washed")]
    fn wash(&mut self, #[serde(rename = "with")] by: u8, #[serde(rename = "by", alias = "by")] with: u8) {}
}

fn main() {}
