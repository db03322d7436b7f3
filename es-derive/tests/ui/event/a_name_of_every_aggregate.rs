use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate("Order")]
struct Order {
    root: Root<Self>,
    status: &'static str,
}

#[events]
impl Order {
    #[event("Placed")]
    fn place() -> Self {
        Self { root: Root::new(), status: "placed" }
    }

    #[event("MarkedPending")]
    fn pending(&mut self) {
        self.status = "pending";
    }

    #[event("Revised")]
    fn version(self: &mut Self, number: u32) {
        self.status = if number > 1 { "revised" } else { "new" };
    }

    fn modified_at(&mut self) {
        self.pending();
    }

    // Called by the type, and by a dot found before what every aggregate has.
    fn id() -> u32 {
        1
    }

    fn created_at(&self) -> &str {
        self.status
    }
}

fn main() {}
