use es_core::{Aggregate, EventSet, Root, events};

#[derive(Aggregate)]
#[aggregate("Book")]
struct Book {
    root: Root<Self>,
}

#[events]
impl Book {
    #[event("Added")]
    fn add() -> Self {
        Self { root: Root::new() }
    }
}

#[derive(EventSet)]
enum LibraryEvent {
    Book(BookEvent),
    Volume(BookEvent),
}

fn main() {
    let _ = Book::add();
}
