//! Everything the macros write can be written by hand: the same aggregate both ways, and the same tests for both.

use es_core::domain::{Event, Events, HasRoot};
use es_core::testing::{assert_replays, given, when_created};
use es_core::{Aggregate, Application, Version};
use es_store_memory::MemoryStore;
use pollster::block_on;
use uuid::Uuid;

mod with_macros {
    use es_core::{Aggregate, Root, events};
    use uuid::Uuid;

    #[derive(Aggregate, Debug, Clone, PartialEq)]
    #[aggregate("Dog")]
    pub(crate) struct Dog {
        root: Root<Self>,
        pub(crate) tricks: Vec<String>,
    }

    #[events]
    impl Dog {
        #[event("Registered", id = Uuid::from_u128(name.len() as u128))]
        pub(crate) fn register(name: &str) -> Self {
            let _ = name;
            Self {
                root: Root::new(),
                tricks: Vec::new(),
            }
        }

        #[event("TrickAdded", was = "TrickLearned")]
        pub(crate) fn add_trick(&mut self, trick: String) {
            self.tricks.push(trick);
        }
    }
}

mod by_hand {
    use es_core::Root;
    use es_core::domain::{
        Declares, Event, EventShape, Events, FieldShape, HasRoot, Misplaced, record,
        record_creation,
    };
    use serde::{Deserialize, Serialize};
    use uuid::Uuid;

    #[derive(Debug, Clone, PartialEq)]
    pub(crate) struct Dog {
        root: Root<Self>,
        pub(crate) tricks: Vec<String>,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(crate) enum DogEvent {
        Registered { name: String },
        TrickAdded { trick: String },
    }

    impl Event for DogEvent {
        const SHAPES: &'static [EventShape] = &[
            EventShape {
                name: "Registered",
                creates: true,
                was: &[],
                schema: 1,
                fields: &[FieldShape {
                    name: "name",
                    ty: "String",
                    serde: "",
                }],
            },
            EventShape {
                name: "TrickAdded",
                creates: false,
                was: &["TrickLearned"],
                schema: 1,
                fields: &[FieldShape {
                    name: "trick",
                    ty: "String",
                    serde: "",
                }],
            },
        ];

        fn name(&self) -> &'static str {
            match self {
                Self::Registered { .. } => "Registered",
                Self::TrickAdded { .. } => "TrickAdded",
            }
        }

        fn schema(&self) -> u32 {
            1
        }
    }

    impl HasRoot for Dog {
        type Id = Uuid;
        const CATEGORY: &'static str = "Dog";

        fn root(&self) -> &Root<Self> {
            &self.root
        }

        fn root_mut(&mut self) -> &mut Root<Self> {
            &mut self.root
        }
    }

    impl Declares for Dog {
        type Event = DogEvent;
    }

    impl Events for Dog {
        fn create(event: DogEvent) -> Result<Self, Misplaced> {
            match event {
                DogEvent::Registered { .. } => Ok(Self::new()),
                DogEvent::TrickAdded { .. } => Err(Misplaced {
                    event: "TrickAdded",
                }),
            }
        }

        fn apply(&mut self, event: DogEvent) -> Result<(), Misplaced> {
            match event {
                DogEvent::Registered { .. } => Err(Misplaced {
                    event: "Registered",
                }),
                DogEvent::TrickAdded { trick } => {
                    self.tricks.push(trick);
                    Ok(())
                }
            }
        }

        fn difference(&self, other: &Self) -> Option<String> {
            (self != other).then(|| format!("{self:?}\n{other:?}"))
        }
    }

    impl Dog {
        fn new() -> Self {
            Self {
                root: Root::new(),
                tricks: Vec::new(),
            }
        }

        pub(crate) fn register(name: &str) -> Self {
            let event = DogEvent::Registered {
                name: name.to_owned(),
            };
            record_creation(Uuid::from_u128(name.len() as u128), event, Self::new())
        }

        pub(crate) fn add_trick(&mut self, trick: String) {
            let event = DogEvent::TrickAdded {
                trick: trick.clone(),
            };
            record(self, event, |dog| dog.tricks.push(trick));
        }
    }
}

macro_rules! the_same_tests {
    ($way:ident) => {
        mod $way {
            use super::*;
            use crate::$way::{Dog, DogEvent};

            fn registered() -> DogEvent {
                DogEvent::Registered {
                    name: "Fido".to_owned(),
                }
            }

            fn added(trick: &str) -> DogEvent {
                DogEvent::TrickAdded {
                    trick: trick.to_owned(),
                }
            }

            #[test]
            fn it_records_replays_and_refuses_what_is_out_of_place() {
                let mut dog = Dog::register("Fido");
                dog.add_trick("sit".to_owned());
                assert_eq!(dog.pending(), [registered(), added("sit")]);
                assert_eq!(
                    (dog.id(), dog.version()),
                    (Uuid::from_u128(4), Version::from(2))
                );
                assert_replays(&dog);
                assert_eq!(Dog::replay(dog.id(), dog.pending().to_vec()).unwrap(), dog);
                assert!(Dog::replay(dog.id(), [added("sit")]).is_err());
                assert!(Dog::replay(dog.id(), [registered(), registered()]).is_err());
                assert!(Dog::replay(dog.id(), []).is_err());
                assert!(Dog::create(added("sit")).is_err());
            }

            #[test]
            fn it_is_tested_without_a_store() {
                when_created(|| Dog::register("Fido")).then([registered()]);
                given::<Dog>([registered()])
                    .when(|dog| dog.add_trick("sit".to_owned()))
                    .then([added("sit")]);
                given::<Dog>([registered()])
                    .when(|dog| {
                        if dog.tricks.is_empty() {
                            Err("untrained")
                        } else {
                            Ok(())
                        }
                    })
                    .refused_with("untrained");
            }

            #[test]
            fn it_is_saved_and_got_again() {
                let app = Application::new(MemoryStore::new());
                let mut dog = Dog::register("Fido");
                block_on(app.save(&mut dog)).unwrap();
                block_on(app.update(dog.id(), |dog: &mut Dog| dog.add_trick("sit".to_owned())))
                    .unwrap();
                let again = block_on(app.get::<Dog>(dog.id())).unwrap();
                assert_eq!(again.tricks, ["sit"]);
                assert_eq!(again.version(), Version::from(2));
            }

            #[test]
            fn its_events_say_what_they_are() {
                let names: Vec<_> = DogEvent::SHAPES
                    .iter()
                    .map(|shape| (shape.name, shape.was, shape.schema))
                    .collect();
                assert_eq!(
                    names,
                    [
                        ("Registered", &[][..], 1),
                        ("TrickAdded", &["TrickLearned"][..], 1)
                    ]
                );
                assert_eq!(
                    (added("sit").name(), added("sit").schema()),
                    ("TrickAdded", 1)
                );
                assert_eq!(Dog::CATEGORY, "Dog");
            }
        }
    };
}

mod tests {
    use super::*;

    the_same_tests!(with_macros);
    the_same_tests!(by_hand);
}
