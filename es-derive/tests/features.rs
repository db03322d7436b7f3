//! What the macros accept, and what it does: each test is one clause.
use std::collections::BTreeMap;
use std::fmt::Debug;

use es_core::application::LoadError;
use es_core::domain::{AggregateId, Declares, Event, Events, HasRoot};
use es_core::persistence::{
    Append, Commit, CommitId, DecodeError, EncodedEvent, EventStore, Metadata,
};
use es_core::testing::{given, when_created};
use es_core::{Aggregate, Application, Error, JsonMap, Root, StreamId, Version, events};
use es_store_memory::MemoryStore;
use pollster::block_on;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Writes raw events, as an older program did, and gets the aggregate.
fn load<A: Aggregate>(stored: &[(&str, u32, &str)]) -> es_core::Result<A> {
    let id = Uuid::from_u128(1);
    let store = MemoryStore::new();
    let events = stored.iter().map(|(name, schema, payload)| EncodedEvent {
        name: (*name).to_owned().into(),
        schema: *schema,
        payload: (*payload).to_owned().into(),
    });
    let commit = Commit {
        id: CommitId::draw(),
        metadata: Metadata::new(),
        time: std::time::SystemTime::now(),
        appends: vec![Append {
            stream: StreamId::new(A::CATEGORY, id),
            expected: Version::NEW,
            events: events.collect(),
        }],
    };
    block_on(store.commit(commit)).expect("stored");
    block_on(Application::new(store).get::<A>(A::Id::from_uuid(id)))
}

mod typed_ids {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(crate) struct CatId(Uuid);

    impl From<Uuid> for CatId {
        fn from(id: Uuid) -> Self {
            Self(id)
        }
    }

    impl From<CatId> for Uuid {
        fn from(id: CatId) -> Self {
            id.0
        }
    }

    #[derive(Aggregate, Debug, PartialEq)]
    #[aggregate("Cat", id = CatId)]
    struct Cat {
        root: Root<Self>,
        friends: Vec<CatId>,
    }

    #[events]
    impl Cat {
        #[event("Born")]
        fn bear() -> Self {
            Self {
                root: Root::new(),
                friends: Vec::new(),
            }
        }

        #[event("Found", id = chosen.clone())]
        fn find(chosen: CatId, friend: impl Into<CatId>) -> Self {
            Self {
                root: Root::new(),
                friends: vec![chosen, friend],
            }
        }

        #[event("Befriended")]
        fn befriend(&mut self, other: &CatId) {
            self.friends.push(other.clone());
        }
    }

    #[test]
    fn an_aggregate_has_ids_of_its_own_type() {
        let cat: CatId = Cat::bear().id();
        assert_eq!(Uuid::from(cat).get_version_num(), 7);
    }

    #[test]
    fn there_may_be_several_creation_events_each_with_its_id() {
        let id = CatId(Uuid::from_u128(5));
        let mut cat = Cat::find(id.clone(), Uuid::from_u128(6));
        assert_eq!(cat.id(), id);
        cat.befriend(&CatId(Uuid::from_u128(7)));
        assert_eq!(cat.friends.len(), 3);
        es_core::testing::assert_replays(&cat);
        es_core::testing::assert_replays(&Cat::bear());
    }
}

mod evolution {
    use super::*;

    #[derive(Aggregate, Debug, PartialEq)]
    #[aggregate("Dog")]
    struct Dog {
        root: Root<Self>,
        tricks: Vec<(String, u8)>,
        barked: u32,
    }

    #[events]
    impl Dog {
        #[event("Registered", was = ["Bought", "Adopted"])]
        fn register() -> Self {
            Self {
                root: Root::new(),
                tricks: Vec::new(),
                barked: 0,
            }
        }

        #[event("TrickAdded", was = "TrickLearned", schema = 3)]
        fn add_trick(&mut self, name: &str, stars: u8) {
            self.tricks.push((name.to_owned(), stars));
        }

        #[event("Barked", retired)]
        fn barked(&mut self, times: u32) {
            self.barked += times;
        }

        #[upcast("TrickAdded", from = 1)]
        fn a_trick_has_a_name(payload: &mut JsonMap) {
            if let Some(trick) = payload.remove("trick") {
                payload.insert("name".to_owned(), trick);
            }
        }

        #[upcast("TrickAdded", from = 2)]
        fn a_trick_has_stars(payload: &mut JsonMap) -> Result<(), String> {
            if payload.contains_key("broken") {
                return Err("it is broken".to_owned());
            }
            payload.insert("stars".to_owned(), 1.into());
            Ok(())
        }
    }

    #[test]
    fn old_names_and_old_schemas_are_read() -> es_core::Result<()> {
        let dog: Dog = load(&[
            ("Bought", 1, "{}"),
            ("TrickLearned", 1, r#"{"trick":"sit"}"#),
            ("TrickAdded", 2, r#"{"name":"roll"}"#),
            ("TrickAdded", 3, r#"{"name":"fly","stars":5}"#),
        ])?;
        assert_eq!(
            dog.tricks,
            [
                ("sit".to_owned(), 1),
                ("roll".to_owned(), 1),
                ("fly".to_owned(), 5)
            ]
        );
        Ok(())
    }

    #[test]
    fn events_are_stored_under_the_new_name_and_schema() {
        let mut dog = Dog::register();
        dog.add_trick("sit", 2);
        let [registered, added] = dog.pending() else {
            panic!("{:?}", dog.pending());
        };
        assert_eq!((registered.name(), registered.schema()), ("Registered", 1));
        assert_eq!((added.name(), added.schema()), ("TrickAdded", 3));
    }

    #[test]
    fn a_retired_event_is_replayed() -> es_core::Result<()> {
        let dog: Dog = load(&[("Registered", 1, "{}"), ("Barked", 1, r#"{"times":3}"#)])?;
        assert_eq!(dog.barked, 3);
        Ok(())
    }

    #[test]
    fn a_payload_that_an_upcaster_refuses_is_named() {
        let error = load::<Dog>(&[
            ("Registered", 1, "{}"),
            ("TrickAdded", 1, r#"{"broken":true}"#),
        ])
        .unwrap_err();
        let Error::Load(LoadError::Decode(DecodeError::Upcast {
            version,
            event,
            found: 1,
            known: 3,
            source,
            ..
        })) = error
        else {
            panic!("{error:?}");
        };
        assert_eq!((version.get(), event.as_str()), (2, "TrickAdded"));
        assert_eq!(
            source.to_string(),
            "the upcaster of `TrickAdded` from schema 2 failed"
        );
        assert_eq!(
            std::error::Error::source(&source).unwrap().to_string(),
            "it is broken"
        );
    }

    #[test]
    fn schema_zero_and_a_schema_of_the_future_are_errors() {
        for (schema, upcast) in [(0, true), (4, false)] {
            let error =
                load::<Dog>(&[("Registered", 1, "{}"), ("TrickAdded", schema, "{}")]).unwrap_err();
            let Error::Load(LoadError::Decode(error)) = error else {
                panic!("{error:?}");
            };
            assert_eq!(
                matches!(error, DecodeError::Upcast { .. }),
                upcast,
                "{error:?}"
            );
            assert_eq!(
                matches!(error, DecodeError::FutureSchema { .. }),
                !upcast,
                "{error:?}"
            );
        }
    }

    #[test]
    fn the_shapes_say_all_that_is_declared() {
        let [registered, added, barked] = DogEvent::SHAPES else {
            panic!("{:?}", DogEvent::SHAPES);
        };
        assert_eq!(registered.was, ["Bought", "Adopted"]);
        assert_eq!(
            (added.name, added.was, added.schema),
            ("TrickAdded", &["TrickLearned"][..], 3)
        );
        let fields: Vec<_> = added
            .fields
            .iter()
            .map(|field| (field.name, field.ty))
            .collect();
        assert_eq!(fields, [("name", "String"), ("stars", "u8")]);
        assert_eq!(barked.name, "Barked");
    }
}

mod values {
    use super::*;

    #[test]
    fn a_float_is_read_as_it_was_written() -> es_core::Result<()> {
        #[derive(Aggregate, Debug, PartialEq)]
        #[aggregate("Scale")]
        struct Scale {
            root: Root<Self>,
            grams: f64,
        }

        #[events]
        impl Scale {
            #[event("Loaded")]
            fn load(grams: f64) -> Self {
                Self {
                    root: Root::new(),
                    grams,
                }
            }
        }

        let app = Application::new(MemoryStore::new());
        let mut scale = Scale::load(950.098_145_061_411_3);
        block_on(app.save(&mut scale))?;
        assert_eq!(block_on(app.get::<Scale>(scale.id()))?, scale);
        Ok(())
    }
}

mod asked_for {
    use super::*;

    #[derive(Aggregate, Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[aggregate("Meter", snapshot_every = 100, snapshot_revision = 3, cached)]
    struct Meter {
        root: Root<Self>,
        total: u64,
    }

    #[events]
    impl Meter {
        #[event("Installed")]
        fn install() -> Self {
            Self {
                root: Root::new(),
                total: 0,
            }
        }

        #[event("Read")]
        fn read(&mut self, total: u64) {
            self.total = total;
        }
    }

    #[test]
    fn a_snapshot_is_the_state_again() {
        let mut meter = Meter::install();
        meter.read(7);
        let meter = Meter::replay(meter.id(), meter.pending().to_vec()).unwrap();
        let snapshots = Meter::SNAPSHOTS.unwrap();
        assert_eq!(snapshots.every, 100);
        let again = (snapshots.read)(&(snapshots.write)(&meter).unwrap()).unwrap();
        assert_eq!(again, meter);
        assert!(again.pending().is_empty());
    }

    #[test]
    fn a_copy_for_the_cache_is_the_state_again() {
        let mut meter = Meter::install();
        meter.read(7);
        let mut copy = Meter::CACHED.unwrap()(&meter);
        assert_eq!(copy, meter);
        copy.read(8);
        assert_eq!((meter.total, meter.version().get()), (7, 2), "it is a copy");
    }

    #[test]
    fn what_is_not_asked_for_is_not_there() {
        #[derive(Aggregate)]
        #[aggregate("Plain")]
        struct Plain {
            root: Root<Self>,
        }

        #[events]
        impl Plain {
            #[event("Made")]
            fn make() -> Self {
                Self { root: Root::new() }
            }
        }

        assert!(Plain::SNAPSHOTS.is_none() && Plain::CACHED.is_none());
        assert_eq!(Plain::make().version(), Version::FIRST);
    }

    /// Two aggregates that differ in the body of one event, or in one field.
    #[test]
    fn fingerprints_tell_bodies_and_structs_apart() {
        mod other {
            use super::*;

            #[derive(Aggregate, Serialize, Deserialize)]
            #[aggregate("Meter", snapshot_every = 100, snapshot_revision = 3)]
            pub(super) struct Meter {
                root: Root<Self>,
                total: u32,
            }

            #[events]
            impl Meter {
                #[event("Installed")]
                fn install() -> Self {
                    Self {
                        root: Root::new(),
                        total: 0,
                    }
                }

                #[event("Read")]
                fn read(&mut self, total: u64) {
                    self.total += u32::try_from(total).unwrap_or(0);
                }
            }
        }

        assert_ne!(Meter::FINGERPRINT, other::Meter::FINGERPRINT);
        assert_ne!(
            Meter::SNAPSHOTS.unwrap().fingerprint,
            other::Meter::SNAPSHOTS.unwrap().fingerprint
        );
    }
}

mod generics {
    use super::*;

    #[derive(Aggregate, Debug, PartialEq)]
    #[aggregate("Basket")]
    struct Basket<T, U, const MAX: usize>
    where
        T: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static,
        U: Default + Send + Sync + 'static,
    {
        root: Root<Self>,
        items: Vec<T>,
        scratch: U,
        rows: [u8; MAX],
    }

    #[events]
    impl<T, U, const MAX: usize> Basket<T, U, MAX>
    where
        T: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static,
        U: Default + Send + Sync + 'static,
    {
        #[event("Woven")]
        fn weave() -> Self {
            Self {
                root: Root::new(),
                items: Vec::new(),
                scratch: U::default(),
                rows: [0; MAX],
            }
        }

        #[event("Filled")]
        fn fill(&mut self, item: T, more: &[T], by: BTreeMap<String, Option<T>>) {
            self.items.push(item);
            self.items.extend_from_slice(more);
            self.items.extend(by.into_values().flatten());
        }
    }

    #[test]
    fn a_generic_aggregate_has_events_with_the_parameters_they_use() -> es_core::Result<()> {
        let app = Application::new(MemoryStore::new());
        let mut basket = Basket::<String, u8, 3>::weave();
        basket.fill("a".to_owned(), &["b".to_owned()], BTreeMap::new());
        let event: &BasketEvent<String> = &basket.pending()[1];
        assert_eq!(event.name(), "Filled");
        block_on(app.save(&mut basket))?;
        assert_eq!(
            block_on(app.get::<Basket<String, u8, 3>>(basket.id()))?,
            basket
        );
        Ok(())
    }

    #[derive(Aggregate)]
    #[aggregate("Grid")]
    struct Grid<const W: usize> {
        root: Root<Self>,
        row: Vec<u8>,
    }

    #[events]
    impl<const W: usize> Grid<W> {
        #[event("Drawn")]
        fn draw() -> Self {
            Self {
                root: Root::new(),
                row: vec![0; W],
            }
        }
    }

    #[test]
    fn a_parameter_that_no_event_uses_stays_with_the_aggregate() {
        let grid = Grid::<4>::draw();
        let _: &[GridEvent] = grid.pending();
        assert_eq!(grid.row.len(), 4);
    }
}

mod attributes {
    #![deny(missing_docs, unused, clippy::pedantic)]
    use super::*;

    /// A door.
    #[derive(Aggregate, Debug)]
    #[aggregate("Door")]
    pub(crate) struct Door {
        root: Root<Self>,
        opened: Vec<String>,
        limit: u8,
    }

    #[events(derive(Eq, Hash, PartialOrd), type_name = DoorFact, vis = pub(crate))]
    #[allow(clippy::needless_pass_by_value)]
    impl Door {
        /// Hangs it.
        #[event("Hung")]
        #[must_use]
        pub fn hang() -> Self {
            Self {
                root: Root::new(),
                opened: Vec::new(),
                limit: 0,
            }
        }

        /// Opens it.
        #[event("Opened")]
        pub fn open(&mut self, #[serde(rename = "who")] by: String, #[serde(default)] wide: bool) {
            self.opened.push(by);
            self.limit = u8::from(wide);
        }

        /// Slams it.
        #[event("Slammed")]
        #[deprecated = "close it"]
        pub fn slam(&mut self) {}

        #[cfg(any())]
        #[event("Vanished")]
        pub fn vanish(&mut self, nothing: NoSuchType) {}

        #[cfg(not(any()))]
        /// Paints it.
        #[event("Painted")]
        pub fn paint(&mut self, mut colours: Vec<String>, #[allow(unused)] twice: bool) {
            colours.sort();
            if colours.is_empty() {
                return;
            }
            self.opened = colours;
        }

        /// Oils it.
        #[event("Oiled")]
        #[expect(clippy::cast_possible_truncation)]
        pub fn oil(&mut self, drops: u64) {
            self.limit = drops as u8;
        }
    }

    /// Alike under a condition: one of the two is there.
    #[derive(Aggregate)]
    #[aggregate("Window")]
    struct Window {
        root: Root<Self>,
        wide: bool,
    }

    #[events]
    impl Window {
        #[cfg(any())]
        #[event("Fitted")]
        fn fit() -> Self {
            Self {
                root: Root::new(),
                wide: true,
            }
        }

        #[cfg(not(any()))]
        #[event("Fitted")]
        fn fit() -> Self {
            Self {
                root: Root::new(),
                wide: false,
            }
        }
    }

    #[test]
    fn conditions_hold_for_the_variant_its_arms_and_its_shape() {
        let names: Vec<_> = DoorFact::SHAPES.iter().map(|shape| shape.name).collect();
        assert_eq!(names, ["Hung", "Opened", "Slammed", "Painted", "Oiled"]);
        assert!(!Window::fit().wide);
        assert_eq!(WindowEvent::SHAPES.len(), 1);
    }

    #[test]
    fn the_enum_derives_what_it_is_asked_to() {
        fn hashed<E: Eq + std::hash::Hash + PartialOrd>(_: &E) {}
        hashed(&DoorFact::Hung {});
        let _: <Door as Declares>::Event = DoorFact::Slammed {};
    }

    #[test]
    fn serde_attributes_reach_the_field() -> es_core::Result<()> {
        let door: Door = load(&[("Hung", 1, "{}"), ("Opened", 1, r#"{"who":"Ann"}"#)])?;
        assert_eq!((&door.opened[..], door.limit), (&["Ann".to_owned()][..], 0));
        let shape = DoorFact::SHAPES[1];
        assert_eq!(shape.fields[0].serde, r#"#[serde(rename = "who")]"#);
        Ok(())
    }

    #[test]
    fn bodies_may_return_early_and_change_their_arguments() {
        let mut door = Door::hang();
        door.paint(vec!["red".to_owned(), "blue".to_owned()], true);
        assert_eq!(door.opened, ["blue", "red"]);
        door.paint(Vec::new(), true);
        assert_eq!(door.opened, ["blue", "red"]);
        door.oil(300);
        assert_eq!(door.limit, 44);
        assert_eq!(door.version().get(), 4);
        assert_eq!(
            door.pending()[1],
            DoorFact::Painted {
                colours: vec!["red".to_owned(), "blue".to_owned()],
                twice: true
            },
            "the event keeps what was given"
        );
    }
}

mod detours {
    use super::*;

    #[derive(Aggregate, Debug, PartialEq)]
    #[aggregate("Dog")]
    struct Dog {
        root: Root<Self>,
        barks: u32,
        tricks: u32,
    }

    #[events]
    impl Dog {
        #[event("Registered")]
        fn register(eager: bool) -> Self {
            let mut dog = Self {
                root: Root::new(),
                barks: 0,
                tricks: 0,
            };
            if eager {
                dog.bark();
            }
            dog
        }

        #[event("Barked")]
        fn bark(&mut self) {
            self.barks += 1;
        }

        #[event("TrickAdded")]
        fn add_trick(&mut self, loudly: bool) {
            self.tricks += 1;
            if loudly {
                self.celebrate();
            }
        }

        #[event("Failed")]
        fn fail(&mut self, hard: bool) {
            assert!(!hard, "it failed hard");
        }

        fn celebrate(&mut self) {
            self.bark();
        }

        fn secretly(&mut self) {
            self.barks += 100;
        }
    }

    #[test]
    fn an_event_called_while_another_is_applied_changes_the_state_and_is_not_recorded() {
        let mut dog = Dog::register(true);
        dog.add_trick(true);
        assert_eq!((dog.barks, dog.tricks, dog.version().get()), (2, 1, 2));
        let again = Dog::replay(dog.id(), dog.pending().to_vec()).unwrap();
        assert_eq!(again, dog, "recording and replaying agree");
        assert!(again.pending().is_empty());
    }

    #[test]
    #[should_panic = "`Barked` was not recorded"]
    fn a_detour_from_a_change_is_found() {
        given::<Dog>([DogEvent::Registered { eager: false }])
            .when(|dog| dog.add_trick(true))
            .then([DogEvent::TrickAdded { loudly: true }]);
    }

    #[test]
    #[should_panic = "`Barked` was not recorded"]
    fn a_detour_from_a_creation_is_found() {
        when_created(|| Dog::register(true)).then([DogEvent::Registered { eager: true }]);
    }

    #[test]
    #[should_panic = "something changed it outside an event"]
    fn a_change_outside_an_event_is_found() {
        given::<Dog>([DogEvent::Registered { eager: false }])
            .when(Dog::secretly)
            .then([]);
    }

    #[test]
    #[should_panic = "something changed it outside an event"]
    fn a_change_by_a_refused_command_is_found() {
        given::<Dog>([DogEvent::Registered { eager: false }])
            .when(|dog| {
                dog.secretly();
                Err::<(), _>("no")
            })
            .refused_with("no");
    }

    #[test]
    #[should_panic = "but recorded"]
    fn an_event_of_a_refused_command_is_found() {
        given::<Dog>([DogEvent::Registered { eager: false }])
            .when(|dog| {
                dog.bark();
                Err::<(), _>("no")
            })
            .refused_with("no");
    }

    #[test]
    #[should_panic = "recorded (left) is not what was expected (right)"]
    fn another_event_than_expected_is_found() {
        given::<Dog>([DogEvent::Registered { eager: false }])
            .when(Dog::bark)
            .then([]);
    }

    #[test]
    #[should_panic = "the command was refused: \"no\""]
    fn a_refusal_where_events_are_expected_is_found() {
        given::<Dog>([DogEvent::Registered { eager: false }])
            .when(|_| Err::<(), _>("no"))
            .then([]);
    }

    #[test]
    #[should_panic = "the command was accepted"]
    fn acceptance_where_a_refusal_is_expected_is_found() {
        given::<Dog>([DogEvent::Registered { eager: false }])
            .when(|_| Ok::<_, &str>(()))
            .refused_with("no");
    }

    #[test]
    fn a_body_that_panics_records_nothing_and_mutes_nothing_after_it() {
        let mut dog = Dog::register(false);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| dog.fail(true)));
        assert!(panicked.is_err());
        dog.bark();
        assert_eq!(
            dog.pending(),
            [DogEvent::Registered { eager: false }, DogEvent::Barked {}]
        );
    }

    #[test]
    fn a_clone_keeps_what_is_pending_of_its_own() {
        #[derive(Aggregate, Clone)]
        #[aggregate("Sheep")]
        struct Sheep {
            root: Root<Self>,
        }

        #[events]
        impl Sheep {
            #[event("Born")]
            fn bear() -> Self {
                Self { root: Root::new() }
            }

            #[event("Shorn")]
            fn shear(&mut self) {}
        }

        let dolly = Sheep::bear();
        let mut copy = dolly.clone();
        copy.shear();
        assert_eq!((dolly.pending().len(), copy.pending().len()), (1, 2));
        assert_eq!(dolly.id(), copy.id());
    }
}

mod bodies {
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
}

mod odd_types {
    use super::*;
    use std::borrow::Cow;
    use std::path::{Path, PathBuf};

    mod tree {
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        pub(super) struct Root;
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Size {
        width: u8,
        height: u8,
    }

    #[derive(Aggregate, Debug, PartialEq)]
    #[aggregate("Tree")]
    struct Tree {
        root: es_core::Root<Self>,
        tree: tree::Root,
        seen: Vec<String>,
    }

    #[events]
    impl Tree {
        const LIMIT: usize = 3;

        #[event("Gepflanzt")]
        fn plant(tree: tree::Root, rings: [u8; Self::LIMIT]) -> Self {
            Self {
                root: es_core::Root::new(),
                tree,
                seen: vec![rings.len().to_string()],
            }
        }

        // The compiler writes this letter, the sign of a unit, as the letter that looks like it.
        #[event("Gef\u{212b}llt")]
        fn fell(&mut self) {
            self.seen.push("felled".to_owned());
        }

        #[event("Labelled")]
        #[allow(clippy::needless_arbitrary_self_type, clippy::boxed_local)]
        fn label(self: &mut Self, a: Cow<'static, str>, b: Box<str>, c: Box<[u8]>, d: &Path)
        where
            Self: Sized,
        {
            self.seen = vec![
                a.into_owned(),
                b.into(),
                c.len().to_string(),
                d.display().to_string(),
            ];
        }

        #[event("Measured")]
        fn measure(&mut self, #[serde(flatten)] size: Size, by: &str) {
            self.seen = vec![size.width.to_string(), by.to_owned()];
        }
    }

    #[test]
    fn whatever_owns_its_data_can_be_recorded() -> es_core::Result<()> {
        let app = Application::new(MemoryStore::new());
        let mut tree = Tree::plant(tree::Root, [1, 2, 3]);
        tree.label("a".into(), "b".into(), vec![1].into(), Path::new("c/d"));
        tree.measure(
            Size {
                width: 1,
                height: 2,
            },
            "eye",
        );
        tree.fell();
        let TreeEvent::Labelled { d, .. } = &tree.pending()[1] else {
            panic!("{:?}", tree.pending());
        };
        let _: &PathBuf = d;
        block_on(app.save(&mut tree))?;
        assert_eq!(block_on(app.get::<Tree>(tree.id()))?, tree);

        let mut history = app.history::<Tree>(tree.id());
        let mut payloads = Vec::new();
        while let Some(recorded) = block_on(history.next()) {
            payloads.push(String::from_utf8(recorded?.payload.to_vec()).expect("JSON"));
        }
        assert_eq!(payloads[2], r#"{"width":1,"height":2,"by":"eye"}"#);
        Ok(())
    }
}

mod round_three {
    //! What a second reader broke.
    use super::*;
    use es_core::application::SaveError;

    macro_rules! price {
        ($name:ident, $stored:literal, $price:expr) => {
            #[derive(Aggregate, Debug, PartialEq)]
            #[aggregate($stored)]
            struct $name {
                root: Root<Self>,
                total: i64,
            }

            #[events]
            impl $name {
                #[event("Made", id = Uuid::from_u128(($price * 3) as u128))]
                fn make() -> Self {
                    Self {
                        root: Root::new(),
                        total: $price * 3,
                    }
                }

                #[event("Doubled")]
                fn double(&mut self) {
                    self.total = $price * 2;
                }

                fn plain(&self) -> i64 {
                    -$price
                }
            }
        };
    }

    price!(Sum, "Sum", 1 + 2);

    #[test]
    fn an_expression_given_to_a_macro_stays_one() {
        let mut sum = Sum::make();
        assert_eq!(
            (sum.total, sum.id(), sum.plain()),
            (9, Uuid::from_u128(9), -3)
        );
        sum.double();
        assert_eq!(sum.total, 6);
    }

    #[derive(Aggregate, Debug, PartialEq, Serialize, Deserialize)]
    #[aggregate("Snap", snapshot_every = 10)]
    struct Snap {
        root: Root<Self>,
        late: bool,
        count: u32,
    }

    #[events]
    impl Snap {
        #[event("Made")]
        fn make() -> Self {
            Self {
                root: Root::new(),
                late: false,
                count: 0,
            }
        }

        #[event("Edited")]
        fn edit(&mut self) {
            self.late |= self.created_at().is_some() || self.modified_at().is_some();
            self.count += 1;
        }
    }

    #[test]
    fn no_body_sees_the_times_since_replaying_knows_them_at_its_end_only() -> es_core::Result<()> {
        let app = Application::new(MemoryStore::new());
        let mut snap = Snap::make();
        block_on(app.save(&mut snap))?;
        snap.edit();
        block_on(app.save(&mut snap))?;
        assert!(!snap.late && snap.created_at().is_some());
        assert_eq!(block_on(app.get::<Snap>(snap.id()))?, snap);
        Ok(())
    }

    #[test]
    fn only_a_saved_aggregate_has_a_snapshot() -> es_core::Result<()> {
        let snapshots = Snap::SNAPSHOTS.unwrap();
        let app = Application::new(MemoryStore::new());
        let mut snap = Snap::make();
        assert!((snapshots.write)(&snap).is_err(), "its events are pending");
        let blank = Snap {
            root: Root::new(),
            late: false,
            count: 0,
        };
        assert!((snapshots.write)(&blank).is_err(), "no event created it");
        block_on(app.save(&mut snap))?;
        let written = (snapshots.write)(&snap).unwrap();
        assert_eq!((snapshots.read)(&written).unwrap(), snap);

        let of_version_0 = String::from_utf8(written)
            .unwrap()
            .replace("\"version\":1", "\"version\":0");
        assert!((snapshots.read)(of_version_0.as_bytes()).is_err());
        Ok(())
    }

    #[test]
    fn a_decision_cannot_put_another_aggregate_in_the_place_of_the_one_it_is_given()
    -> es_core::Result<()> {
        let app = Application::new(MemoryStore::new());
        let mut snap = Snap::make();
        block_on(app.save(&mut snap))?;
        let refused = block_on(app.update(snap.id(), |snap: &mut Snap| {
            *snap = Snap::make();
            snap.edit();
        }));
        let error = Error::from(refused.unwrap_err());
        assert!(
            matches!(&error, Error::Save(SaveError::Replaced { stream }) if stream.id == snap.id()),
            "{error:?}"
        );
        assert_eq!(block_on(app.get::<Snap>(snap.id()))?, snap);
        Ok(())
    }

    #[test]
    fn an_event_recorded_while_something_else_panics_is_whole() {
        struct Guard<'a>(&'a mut Snap);

        impl Drop for Guard<'_> {
            fn drop(&mut self) {
                self.0.edit();
            }
        }

        let mut snap = Snap::make();
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _guard = Guard(&mut snap);
            panic!("something else");
        }));
        assert!(unwound.is_err());
        assert_eq!(snap.pending().len(), 2);
        block_on(Application::new(MemoryStore::new()).save(&mut snap)).unwrap();
    }

    trait Item:
        Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
    {
    }

    impl Item for u8 {}

    #[derive(Aggregate, Debug)]
    #[aggregate("Bag")]
    struct Bag<T, U> {
        root: Root<Self>,
        items: Vec<T>,
        other: Option<U>,
    }

    #[events]
    impl<T: Item + Into<U>, U: Send + Sync + 'static> Bag<T, U> {
        #[event("Sewn")]
        fn sew() -> Self {
            Self {
                root: Root::new(),
                items: Vec::new(),
                other: None,
            }
        }

        #[event("Filled")]
        fn fill(&mut self, item: T) {
            self.other = Some(item.clone().into());
            self.items.push(item);
        }
    }

    #[derive(Aggregate, Debug)]
    #[aggregate("Pouch")]
    struct Pouch<T: Send + Sync + 'static> {
        root: Root<Self>,
        items: Vec<T>,
    }

    #[events]
    impl Pouch<String> {
        #[event("Sewn")]
        fn sew(first: &str) -> Self {
            Self {
                root: Root::new(),
                items: vec![first.to_owned()],
            }
        }
    }

    #[test]
    fn bounds_may_stand_on_the_impl_alone_and_an_impl_may_be_for_one_type() {
        let mut bag = Bag::<u8, u32>::sew();
        bag.fill(3);
        assert_eq!((bag.items.len(), bag.other), (1, Some(3)));
        let _: &[BagEvent<u8>] = bag.pending();
        assert_eq!(Pouch::sew("a").items, ["a"]);
    }

    /// A type of another crate, without serde.
    #[derive(Debug, Clone, PartialEq)]
    struct Foreign(u8);

    mod foreign {
        use super::*;

        pub(super) fn serialize<S: serde::Serializer>(
            foreign: &Foreign,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            foreign.0.serialize(serializer)
        }

        pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Foreign, D::Error> {
            u8::deserialize(deserializer).map(Foreign)
        }
    }

    trait HasDifference {
        fn difference(&self, _: &str) {}
    }

    impl<T> HasDifference for T {}

    mod one {
        #[derive(es_core::Aggregate, Debug, PartialEq)]
        #[aggregate("One")]
        pub(super) struct Dog {
            pub(super) root: es_core::Root<Self>,
            pub(super) seen: Vec<super::Foreign>,
        }
    }

    mod two {
        #[derive(es_core::Aggregate, Debug, PartialEq)]
        #[aggregate("Two")]
        pub(super) struct Dog {
            pub(super) root: es_core::Root<Self>,
        }
    }

    #[events(type_name = r#One)]
    impl one::Dog {
        #[event("Found")]
        fn find(
            #[serde(with = "foreign")] foreign: Foreign,
            name: impl Into<String> + Debug,
        ) -> Self {
            let _ = name;
            Self {
                root: Root::new(),
                seen: vec![foreign],
            }
        }

        #[event("Lost", retired)]
        fn lose(&mut self) {}
    }

    #[events(type_name = Two)]
    impl two::Dog {
        #[event("Found")]
        fn find() -> Self {
            Self { root: Root::new() }
        }

        #[event("Lost", retired)]
        fn lose(&mut self) {}
    }

    #[test]
    fn a_foreign_type_is_stored_by_the_users_functions() {
        "".difference("");
        let dog = one::Dog::find(Foreign(7), "Fido");
        es_core::testing::assert_replays(&dog);
        es_core::testing::assert_replays(&two::Dog::find());
        let stored = serde_json::to_value(&dog.pending()[0]).unwrap();
        assert_eq!(stored["Found"]["foreign"], 7);
    }

    #[derive(Aggregate, Debug, PartialEq)]
    #[aggregate("Lossy")]
    struct Lossy {
        root: Root<Self>,
        kept: Option<Option<u8>>,
    }

    #[events]
    impl Lossy {
        #[event("Made")]
        fn make(kept: Option<Option<u8>>) -> Self {
            Self {
                root: Root::new(),
                kept,
            }
        }
    }

    #[test]
    #[should_panic = "does not come back the same"]
    fn the_kit_finds_an_event_that_a_store_would_give_back_otherwise() {
        when_created(|| Lossy::make(Some(None))).then([LossyEvent::Made { kept: Some(None) }]);
    }

    #[test]
    fn a_fingerprint_changes_with_what_a_body_uses() {
        macro_rules! scaled {
            ($module:ident, $by:literal, $default:literal) => {
                mod $module {
                    use super::*;

                    #[derive(Aggregate)]
                    #[aggregate("Scaled")]
                    pub(super) struct Scaled {
                        root: Root<Self>,
                        sum: u8,
                    }

                    fn ten() -> u8 {
                        10
                    }

                    #[events]
                    impl Scaled {
                        const BY: u8 = $by;

                        #[event("Made")]
                        fn make(#[serde(default = $default)] amount: u8) -> Self {
                            let _ = ten;
                            Self {
                                root: Root::new(),
                                sum: amount * Self::BY,
                            }
                        }
                    }

                    impl Scaled {
                        pub(super) fn sum() -> u8 {
                            Self::make(1).sum
                        }
                    }
                }
            };
        }

        scaled!(once, 1, "ten");
        scaled!(twice, 2, "ten");
        scaled!(other, 1, "u8::default");
        assert_eq!(
            (
                once::Scaled::sum(),
                twice::Scaled::sum(),
                other::Scaled::sum()
            ),
            (1, 2, 1)
        );
        assert_ne!(once::Scaled::FINGERPRINT, twice::Scaled::FINGERPRINT);
        assert_ne!(once::Scaled::FINGERPRINT, other::Scaled::FINGERPRINT);
    }
}
