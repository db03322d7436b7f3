use es_core::events;

#[events]
struct Dog;

#[events]
fn bark() {}

#[events]
impl Default for Dog {
    fn default() -> Self {
        Dog
    }
}

#[events]
impl [Dog] {}

fn main() {}
