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
enum LibraryEvent<T> {
    Book(BookEvent),
    Other(T),
}

#[derive(EventSet)]
enum Nothing {}

#[derive(EventSet)]
#[event_set("Library", crat = es_core)]
enum Named {
    Book(BookEvent),
}

fn main() {
    let _ = Book::add();
}
