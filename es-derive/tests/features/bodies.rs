//! What a body may do to its aggregate.
use super::*;
use es_core::application::SaveError;

#[derive(Aggregate, Debug, Clone, PartialEq)]
#[aggregate("Note")]
struct Note {
    root: Root<Self>,
    lines: Vec<String>,
    before: Option<Box<Note>>,
}

#[events]
impl Note {
    #[event("Begun")]
    fn begin() -> Self {
        Self {
            root: Root::new(),
            lines: Vec::new(),
            before: None,
        }
    }

    #[event("LineAdded")]
    fn add_line(&mut self, line: impl Into<String>) {
        self.lines.push(line);
    }

    #[event("Cleared")]
    fn clear(&mut self) {
        *self = Self {
            root: Root::new(),
            lines: Vec::new(),
            before: None,
        };
    }

    #[event("BegunAnew")]
    fn begin_anew(&mut self) {
        *self = fresh();
    }

    #[event("Kept")]
    fn keep(&mut self) {
        self.before = Some(Box::new(self.clone()));
    }

    #[event("Signed")]
    fn sign(&mut self) {
        let signature = format!("{} at {}", self.id(), self.version());
        self.lines.push(signature);
    }

    #[event("Torn")]
    fn tear(&mut self, half_way: bool) {
        self.lines.clear();
        assert!(!half_way, "it is torn half way");
    }
}

fn fresh() -> Note {
    Note::begin()
}

#[test]
fn a_body_that_replaces_the_whole_state_leaves_the_root_alone() -> es_core::Result<()> {
    let app = Application::new(MemoryStore::new());
    for clear in [Note::clear, Note::begin_anew] {
        let mut note = Note::begin();
        block_on(app.save(&mut note))?;
        note.add_line("one");
        clear(&mut note);
        note.add_line("two");
        assert_eq!(
            (note.version(), note.pending().len()),
            (Version::from(4), 3)
        );
        let id = note.id();
        block_on(app.save(&mut note))?;
        let again = block_on(app.get::<Note>(id))?;
        assert_eq!((&again, &again.lines[..]), (&note, &["two".to_owned()][..]));
        assert_eq!(again.created_at(), note.created_at());
    }
    Ok(())
}

#[test]
fn a_copy_made_in_a_body_has_a_life_of_its_own() {
    let mut note = Note::begin();
    note.add_line("one");
    note.keep();
    let mut before = *note.before.clone().unwrap();
    before.add_line("two");
    assert_eq!(
        before.pending(),
        [NoteEvent::LineAdded {
            line: "two".to_owned()
        }]
    );
    es_core::testing::assert_replays(&note);
}

#[test]
fn a_body_sees_id_and_version_as_they_were_before_it() {
    let mut note = Note::begin();
    note.sign();
    assert_eq!(note.lines, [format!("{} at 1", note.id())]);
    es_core::testing::assert_replays(&note);
}

#[test]
fn a_state_that_a_panic_left_half_changed_is_not_saved() {
    let mut note = Note::begin();
    note.add_line("one");
    let torn = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| note.tear(true)));
    assert!(torn.is_err());
    let app = Application::new(MemoryStore::new());
    let refused = block_on(app.save(&mut note)).unwrap_err();
    assert!(
        matches!(&refused, Error::Save(SaveError::Panicked { stream }) if stream.id == note.id()),
        "{refused:?}"
    );
    assert_eq!(note.pending().len(), 2, "nothing pending is lost");
    note.tear(false);
    note.clear();
    assert_eq!(note.pending().len(), 4, "later events are not muted");
    assert!(block_on(app.save(&mut note)).is_err(), "no event mends it");
}

#[derive(Aggregate, Debug, PartialEq)]
#[aggregate("Chain")]
struct Chain {
    root: Root<Self>,
    title: String,
    previous: Option<Box<Chain>>,
}

#[events]
impl Chain {
    #[event("Begun")]
    fn begin() -> Self {
        Self {
            root: Root::new(),
            title: String::new(),
            previous: None,
        }
    }

    #[event("Titled")]
    fn title(self: &mut Chain, title: &str) {
        self.title = title.to_owned();
    }

    #[event("Pushed")]
    fn push(&mut self) {
        let fresh = Self {
            root: Root::new(),
            title: String::new(),
            previous: None,
        };
        self.previous = Some(Box::new(std::mem::replace(self, fresh)));
    }
}

#[test]
fn a_state_that_a_body_moved_away_is_no_aggregate_any_more() -> es_core::Result<()> {
    let app = Application::new(MemoryStore::new());
    let mut chain = Chain::begin();
    chain.title("one");
    block_on(app.save(&mut chain))?;
    chain.push();
    es_core::testing::assert_replays(&Chain::begin());
    let mut before = *chain.previous.take().unwrap();
    before.title("two");
    let refused = block_on(app.save(&mut before)).unwrap_err();
    assert!(
        matches!(refused, Error::Save(SaveError::NotCreated { .. })),
        "{refused:?}"
    );
    assert_eq!(
        (chain.version(), chain.pending().len()),
        (Version::from(3), 1)
    );
    Ok(())
}
