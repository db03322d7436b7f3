use es_core::upcast;

struct Dog;

impl Dog {
    #[upcast("Barked", from = 1)]
    fn barked(payload: &mut es_core::JsonMap) {}
}

fn main() {}
