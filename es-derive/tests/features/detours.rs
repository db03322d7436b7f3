//! Events called while another is applied, and what the test kit finds.
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
