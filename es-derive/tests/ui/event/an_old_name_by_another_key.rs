use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate("Invoice")]
struct Invoice {
    root: Root<Self>,
}

#[events]
impl Invoice {
    #[event("Issued", previously = ["Written", "Sent"])]
    fn issue() -> Self {
        Self { root: Root::new() }
    }

    #[event("Paid", renamed = "Payed")]
    fn pay(&mut self) {}

    #[event("Reminded", alias("Dunned"))]
    fn remind(&mut self) {}
}

fn main() {}
