//! A commit that is given up, or not answered, is stored once, whatever became of it.
#![cfg(feature = "testing")]

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use es_core::application::SaveError;
use es_core::persistence::{AppendError, Commit, CommitId, Committed, EventStore};
use es_core::testing::{Intercept, Intercepted, VirtualClock};
use es_core::{Aggregate, Application, Error, Position, Root, UpdateError, Version, events};
use es_store_memory::MemoryStore;
use futures_core::future::BoxFuture;
use pollster::block_on;
use proptest::prelude::*;
use uuid::Uuid;

/// What happens to a commit on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Answered,
    /// No answer comes, and it is not stored.
    Stuck,
    /// No answer comes, but it is stored.
    StoredAndStuck,
    /// The connection breaks before it is stored.
    Lost,
    /// The connection breaks after it is stored.
    StoredAndLost,
    /// It is refused for now, as where somebody holds the lock for too long.
    Failed,
}

use Fate::{Answered, Failed, Lost, StoredAndLost, StoredAndStuck, Stuck};

/// A memory store on a bad line.
#[derive(Clone, Default)]
struct BadLine {
    store: MemoryStore,
    /// What happens to the next commits; to all after them, nothing bad.
    fates: Arc<Mutex<VecDeque<Fate>>>,
    /// What is stuck, and may go on later.
    stuck: Arc<Mutex<Option<Commit>>>,
}

impl BadLine {
    fn next(&self, fate: Fate) {
        self.fates
            .lock()
            .expect("no panic under it")
            .push_back(fate);
    }
}

impl Intercept for BadLine {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, AppendError>> {
        let fate = self
            .fates
            .lock()
            .expect("no panic under it")
            .pop_front()
            .unwrap_or(Answered);
        Box::pin(async move {
            if matches!(fate, Lost) {
                return Err(AppendError::Unavailable("the line broke".into()));
            }
            if matches!(fate, Stuck) {
                *self.stuck.lock().expect("no panic under it") = Some(commit);
                return pending().await;
            }
            if matches!(fate, Failed) {
                return Err(AppendError::Failed("locked for too long".into()));
            }
            let answer = self.store.commit(commit).await;
            match fate {
                StoredAndLost => Err(AppendError::Unavailable("the line broke".into())),
                StoredAndStuck => pending().await,
                _ => answer,
            }
        })
    }
}

#[derive(Aggregate, Debug, Clone, PartialEq)]
#[aggregate("Tally")]
struct Tally {
    root: Root<Self>,
    marks: Vec<u64>,
}

#[events]
impl Tally {
    #[event("Begun")]
    fn begin() -> Self {
        Self {
            root: Root::new(),
            marks: Vec::new(),
        }
    }

    #[event("Marked")]
    fn mark(&mut self, number: u64) {
        self.marks.push(number);
    }
}

impl Tally {
    fn mark_next(&mut self) {
        self.mark(self.marks.len() as u64 + 1);
    }
}

/// Polls a future once, and drops it; gives its result where it had one.
fn once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

fn on_a_bad_line() -> (BadLine, Application) {
    let line = BadLine::default();
    (line.clone(), Application::new(Intercepted(line)))
}

fn stored(app: &Application, tally: &Tally) -> Vec<u64> {
    block_on(app.find::<Tally>(tally.id()))
        .expect("it can be read")
        .map(|tally| tally.marks)
        .unwrap_or_default()
}

#[test]
fn a_save_that_was_given_up_is_settled_by_the_next() {
    for fate in [Stuck, StoredAndStuck, Lost, StoredAndLost] {
        let (line, app) = on_a_bad_line();
        let mut tally = Tally::begin();
        tally.mark_next();
        line.next(fate);
        match once(app.save(&mut tally)) {
            None => assert!(matches!(fate, Stuck | StoredAndStuck)),
            Some(Err(Error::Save(SaveError::Unknown {
                commit,
                source: Some(_),
            }))) => {
                let outcome = block_on(app.outcome(commit)).unwrap();
                assert_eq!(outcome.is_some(), fate == StoredAndLost);
            }
            Some(other) => panic!("{fate:?}: {other:?}"),
        }
        assert_eq!(tally.pending().len(), 2, "nothing pending is lost");

        tally.mark_next();
        let saved = block_on(app.save(&mut tally)).unwrap();
        assert_eq!(
            (saved.version, saved.position),
            (Version::from(3), Some(Position::from(3))),
            "{fate:?}"
        );
        assert!(tally.pending().is_empty());
        let again = block_on(app.get::<Tally>(tally.id())).unwrap();
        assert_eq!(again, tally);
        assert_eq!(
            (again.created_at(), again.modified_at()),
            (tally.created_at(), tally.modified_at())
        );
        assert_eq!(
            block_on(app.log().read(Position::START, 10)).unwrap().len(),
            3,
            "{fate:?}: nothing twice"
        );
    }
}

#[test]
fn what_is_sent_again_and_not_stored_may_be_stored_by_the_first_copy_still() {
    let (line, app) = on_a_bad_line();
    let mut tally = Tally::begin();
    line.next(Stuck);
    assert!(once(app.save(&mut tally)).is_none());
    line.next(Failed);
    let refused = block_on(app.save(&mut tally)).unwrap_err();
    let Error::Save(SaveError::Unknown { source, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        source.unwrap().to_string(),
        AppendError::Failed("".into()).to_string()
    );
    let first = line.stuck.lock().unwrap().take().unwrap();
    block_on(line.store.commit(first)).unwrap();
    tally.mark_next();
    let saved = block_on(app.save(&mut tally)).unwrap();
    assert_eq!(saved.version, Version::from(2));
    assert_eq!(stored(&app, &tally), [1]);
}

#[test]
fn what_is_sent_again_has_the_time_of_the_first_attempt() {
    let (first, line) = (
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000),
        BadLine::default(),
    );
    let clock = VirtualClock::at(first);
    let app = Application::builder(Intercepted(line.clone()))
        .clock(clock.clone())
        .build();
    let mut tally = Tally::begin();
    line.next(Lost);
    block_on(app.save(&mut tally)).expect_err("the line broke");
    clock.advance(Duration::from_secs(60));
    block_on(app.save(&mut tally)).unwrap();
    let again = block_on(app.get::<Tally>(tally.id())).unwrap();
    let times = [tally.created_at(), again.created_at()];
    assert_eq!(times, [Some(first); 2]);
}

#[test]
fn what_is_in_doubt_goes_into_no_other_commit() {
    let (line, app) = on_a_bad_line();
    let mut tally = Tally::begin();
    line.next(Stuck);
    assert!(once(app.save(&mut tally)).is_none());
    let refused = app.stage(&mut tally).unwrap_err();
    assert!(
        matches!(
            refused,
            Error::Save(SaveError::Unknown { source: None, .. })
        ),
        "{refused:?}"
    );
    assert_eq!(
        block_on(app.save(&mut tally)).unwrap().version,
        Version::FIRST
    );
}

#[test]
fn settling_alone_says_where_the_events_stand() {
    let (line, app) = on_a_bad_line();
    let mut tally = Tally::begin();
    line.next(StoredAndStuck);
    assert!(once(app.save(&mut tally)).is_none());
    let saved = block_on(app.save(&mut tally)).unwrap();
    assert_eq!(
        (saved.version, saved.position),
        (Version::FIRST, Some(Position::FIRST))
    );
    assert_eq!(block_on(app.save(&mut tally)).unwrap().position, None);
}

#[test]
fn a_commit_of_two_is_settled_whole_or_not_at_all() {
    for (fate, is_stored) in [
        (Stuck, false),
        (StoredAndStuck, true),
        (Lost, false),
        (StoredAndLost, true),
    ] {
        let (line, app) = on_a_bad_line();
        let (mut one, mut two) = (Tally::begin(), Tally::begin());
        line.next(fate);
        let _ = once(app.save((&mut one, &mut two)));

        // One of them alone can be settled only where the answer is known.
        match block_on(app.save(&mut one)) {
            Ok(saved) => assert!(is_stored && saved.version == Version::FIRST),
            Err(Error::Save(SaveError::Unknown { source: None, .. })) => assert!(!is_stored),
            other => panic!("{fate:?}: {other:?}"),
        }
        assert_eq!(
            block_on(app.find::<Tally>(one.id())).unwrap().is_some(),
            is_stored,
            "{fate:?}"
        );
        // Both, in another order, and each with more to say.
        two.mark_next();
        one.mark_next();
        block_on(app.save((&mut two, &mut one))).unwrap();
        assert!(one.pending().is_empty() && two.pending().is_empty());
        assert_eq!((stored(&app, &one), stored(&app, &two)), (vec![1], vec![1]));
        assert_eq!(
            block_on(app.log().read(Position::START, 10)).unwrap().len(),
            4,
            "{fate:?}"
        );
    }
}

#[test]
fn a_commit_in_doubt_that_another_writer_overtook_is_a_conflict() {
    let (line, app) = on_a_bad_line();
    let mut tally = Tally::begin();
    block_on(app.save(&mut tally)).unwrap();
    let mut other = block_on(app.get::<Tally>(tally.id())).unwrap();
    tally.mark_next();
    line.next(Stuck);
    assert!(once(app.save(&mut tally)).is_none());
    other.mark(7);
    block_on(app.save(&mut other)).unwrap();

    let refused = block_on(app.save(&mut tally)).unwrap_err();
    assert!(
        matches!(refused, Error::Save(SaveError::Conflict { .. })),
        "{refused:?}"
    );
    assert_eq!(tally.pending().len(), 1);
    assert_eq!(stored(&app, &tally), [7]);
}

#[test]
fn an_update_whose_answer_is_lost_is_not_decided_again() {
    for (fate, marks) in [(Lost, vec![]), (StoredAndLost, vec![1])] {
        let (line, app) = on_a_bad_line();
        let mut tally = Tally::begin();
        block_on(app.save(&mut tally)).unwrap();
        line.next(fate);
        let mut decided = 0;
        let failed = block_on(app.update(tally.id(), |tally: &mut Tally| {
            decided += 1;
            tally.mark_next();
        }));
        let Err(UpdateError::Failed(Error::Save(SaveError::Unknown { commit, .. }))) = failed
        else {
            panic!("{failed:?}");
        };
        assert_eq!(decided, 1);
        assert_eq!(stored(&app, &tally), marks);
        assert_eq!(
            block_on(app.outcome(commit)).unwrap().is_some(),
            fate == StoredAndLost
        );
    }
}

#[test]
fn a_copy_made_in_a_body_is_not_in_the_commit_of_the_original() {
    #[derive(Aggregate, Debug, Clone, PartialEq)]
    #[aggregate("Page")]
    struct Page {
        root: Root<Self>,
        before: Option<Box<Page>>,
    }

    #[events]
    impl Page {
        #[event("Opened")]
        fn open() -> Self {
            Self {
                root: Root::new(),
                before: None,
            }
        }

        #[event("Kept")]
        fn keep(&mut self) {
            self.before = Some(Box::new(self.clone()));
        }
    }

    let (line, app) = on_a_bad_line();
    let mut page = Page::open();
    line.next(Stuck);
    assert!(once(app.save(&mut page)).is_none());
    page.keep();
    let mut copy = page.before.as_deref().cloned().expect("it was kept");
    assert_eq!(
        block_on(app.save(&mut copy)).unwrap().position,
        None,
        "it has nothing to say"
    );
    assert_eq!(
        block_on(app.save(&mut page)).unwrap().version,
        Version::from(2),
        "the original does"
    );
    assert_eq!(
        block_on(app.log().read(Position::START, 10)).unwrap().len(),
        2
    );
}

#[test]
fn no_future_that_is_dropped_before_it_began_does_anything() {
    let (_, app) = on_a_bad_line();
    let mut tally = Tally::begin();
    drop(app.save(&mut tally));
    drop(app.update(tally.id(), Tally::mark_next));
    assert_eq!(tally.pending().len(), 1);
    assert_eq!(block_on(app.log().read(Position::START, 10)).unwrap(), []);
    assert_eq!(
        block_on(app.outcome(CommitId::from(Uuid::nil()))).unwrap(),
        None
    );
}

#[derive(Debug, Clone)]
enum Step {
    Mark(bool),
    Save {
        first: bool,
        second: bool,
        turned: bool,
        fate: Fate,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let fate = prop_oneof![
        Just(Answered),
        Just(Stuck),
        Just(StoredAndStuck),
        Just(Lost),
        Just(StoredAndLost)
    ];
    prop_oneof![
        any::<bool>().prop_map(Step::Mark),
        (any::<bool>(), any::<bool>(), any::<bool>(), fate).prop_map(
            |(first, second, turned, fate)| Step::Save {
                first,
                second,
                turned,
                fate
            }
        ),
    ]
}

proptest! {
    /// Whatever is given up, lost and tried again in whatever order: every mark is stored once, in order.
    #[test]
    fn every_event_is_stored_once_and_in_order(steps in prop::collection::vec(step(), 1..40)) {
        let (line, app) = on_a_bad_line();
        let (mut one, mut two) = (Tally::begin(), Tally::begin());
        for step in steps {
            match step {
                Step::Mark(first) => if first { one.mark_next() } else { two.mark_next() },
                Step::Save { first, second, turned, fate } => {
                    line.next(fate);
                    let done = match (first, second, turned) {
                        (true, true, false) => once(app.save((&mut one, &mut two))).map(|saved| saved.map(|_| ())),
                        (true, true, true) => once(app.save((&mut two, &mut one))).map(|saved| saved.map(|_| ())),
                        (true, false, _) => once(app.save(&mut one)).map(|saved| saved.map(|_| ())),
                        (false, true, _) => once(app.save(&mut two)).map(|saved| saved.map(|_| ())),
                        (false, false, _) => None,
                    };
                    let unknown = matches!(&done, None | Some(Ok(()) | Err(Error::Save(SaveError::Unknown { .. }))));
                    prop_assert!(unknown, "{:?}", done);
                    line.fates.lock().unwrap().clear();
                }
            }
        }
        block_on(app.save((&mut one, &mut two))).unwrap();
        for tally in [&one, &two] {
            prop_assert!(tally.pending().is_empty());
            let again = block_on(app.get::<Tally>(tally.id())).unwrap();
            prop_assert_eq!(&again, tally);
            prop_assert!(again.marks.iter().copied().eq(1..=again.marks.len() as u64));
        }
        let log = block_on(app.log().read(Position::START, 1_000)).unwrap();
        prop_assert_eq!(log.len(), 2 + one.marks.len() + two.marks.len());
    }
}

#[test]
fn an_aggregate_in_doubt_does_not_stand_for_what_was_got() {
    let (line, app) = on_a_bad_line();
    let mut tally = Tally::begin();
    line.next(Lost);
    block_on(app.save(&mut tally)).expect_err("the line broke");
    let put = app.update(tally.id(), |place: &mut Option<Tally>| {
        *place = Some(tally.clone());
    });
    let refused = block_on(put).expect_err("it was not there");
    assert!(
        matches!(
            &refused,
            UpdateError::Failed(Error::Save(SaveError::Replaced { .. }))
        ),
        "{refused:?}"
    );
}
