//! What recording and replaying may not do: copy arguments more than once, or allocate besides the events' own data.
use std::cell::Cell;
use std::panic::Location;

use es_core::{Aggregate, Root, events};
use serde::{Deserialize, Serialize};

thread_local! {
    static CLONES: Cell<usize> = const { Cell::new(0) };
}

/// How many arguments are copied by some work of this thread.
fn clones<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = CLONES.get();
    let done = work();
    (CLONES.get() - before, done)
}

/// An argument that counts how often it is copied.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Counted(String);

impl Clone for Counted {
    fn clone(&self) -> Self {
        CLONES.set(CLONES.get() + 1);
        Self(self.0.clone())
    }
}

impl From<&str> for Counted {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

#[derive(Aggregate, Debug, PartialEq)]
#[aggregate("Shelf")]
struct Shelf {
    root: Root<Self>,
    books: Vec<Counted>,
    seen: usize,
}

#[events]
impl Shelf {
    #[event("Built")]
    fn build(first: Counted) -> Self {
        let mut books = Vec::with_capacity(2_000);
        books.push(first);
        Self {
            root: Root::new(),
            books,
            seen: 0,
        }
    }

    #[event("Filled")]
    fn fill(&mut self, owned: Counted, converted: impl Into<Counted>) {
        self.books.push(owned);
        self.books.push(converted);
    }

    #[event("Looked")]
    fn look(&mut self, at: &Counted, more: &[Counted], name: &str) {
        self.seen += at.0.len() + more.len() + name.len();
    }
}

#[test]
fn recording_copies_each_argument_once() {
    let (copied, mut shelf) = clones(|| Shelf::build("first".into()));
    assert_eq!(copied, 1);
    let (copied, ()) = clones(|| shelf.fill("a".into(), "b"));
    assert_eq!(copied, 2);
    let (at, more) = ("c".into(), ["d".into(), "e".into()]);
    let (copied, ()) = clones(|| shelf.look(&at, &more, "f"));
    assert_eq!(copied, 3, "the one, and the two in the slice");
}

/// A shelf and the events that made it, 300 of them.
fn filled() -> Shelf {
    let mut shelf = Shelf::build("first".into());
    for _ in 0..299 {
        shelf.fill("a".into(), "b");
        shelf.look(&"c".into(), &["d".into()], "e");
    }
    shelf
}

#[test]
fn replaying_copies_nothing_and_allocates_what_the_bodies_do_and_no_more() {
    let shelf = filled();
    let (id, events) = (shelf.id(), shelf.pending().to_vec());
    let mut again = None;
    let (copied, allocated) =
        clones(|| allocation_counter::measure(|| again = Some(Shelf::replay(id, events).unwrap())));
    let again = again.unwrap();
    assert_eq!(again, shelf);
    assert_eq!(copied, 0);
    assert_eq!(
        allocated.count_total, 1,
        "the vector that the body of the creation event reserves"
    );
}

#[test]
fn a_panic_in_a_body_is_told_at_the_line_of_the_user() {
    #[derive(Aggregate)]
    #[aggregate("Mine")]
    struct Mine {
        root: Root<Self>,
    }

    #[events]
    impl Mine {
        #[event("Laid")]
        fn lay() -> Self {
            Self { root: Root::new() }
        }

        #[event("Trodden")]
        fn tread(&mut self, hard: bool) {
            assert!(!hard);
        }
    }

    thread_local! {
        static PLACE: Cell<Option<u32>> = const { Cell::new(None) };
    }

    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|panic| {
        PLACE.set(
            panic
                .location()
                .filter(|place| place.file() == file!())
                .map(Location::line),
        );
    }));
    let trodden = std::panic::catch_unwind(|| Mine::lay().tread(true));
    std::panic::set_hook(hook);
    assert!(trodden.is_err());
    let line = include_str!("cost.rs")
        .lines()
        .position(|line| line.trim() == "assert!(!hard);");
    assert_eq!(
        PLACE.get().map(|line| line as usize),
        line.map(|index| index + 1)
    );
}
