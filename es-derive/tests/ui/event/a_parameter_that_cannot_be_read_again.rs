use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
    tricks: Vec<String>,
}

fn is_five(n: &u8) -> bool {
    *n == 5
}

#[events]
impl Dog {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: Root::new(), tricks: Vec::new() }
    }

    #[event("TricksLearned")]
    fn learn(&mut self, #[serde(skip_serializing_if = "Vec::is_empty")] tricks: &[String]) {
        self.tricks.extend_from_slice(tricks);
    }

    #[event("Barked")]
    fn bark(
        &mut self,
        #[serde(skip_serializing_if = "is_five")] loudness: u8,
    ) {
    }

    #[event("Fed")]
    fn feed(
        &mut self,
        #[serde(skip_serializing_if = "Option::is_none")] by: Option<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        #[serde(default)]
        with: Vec<String>,
    ) {
    }
}

fn main() {}
