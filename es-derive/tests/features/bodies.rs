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
        matches!(&refused, Error::Save(SaveError::Broken { stream }) if stream.id == note.id()),
        "{refused:?}"
    );
    assert_eq!(note.pending().len(), 2, "nothing pending is lost");
    note.tear(false);
    note.clear();
    assert_eq!(note.pending().len(), 4, "later events are not muted");
    assert!(block_on(app.save(&mut note)).is_err(), "no event mends it");
}
