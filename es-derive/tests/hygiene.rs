//! Odd surroundings in which the macros work all the same.

mod without_the_prelude {
    #![no_implicit_prelude]
    #![allow(dead_code)]

    #[derive(::es_core::Aggregate, Debug, PartialEq, Clone)]
    #[aggregate("Dog", cached)]
    pub(crate) struct Dog {
        root: ::es_core::Root<Self>,
        name: ::std::string::String,
        tricks: ::std::vec::Vec<::std::string::String>,
    }

    #[::es_core::events]
    impl Dog {
        #[event("Registered", id = ::uuid::Uuid::from_u128(3))]
        pub(crate) fn register(name: &str) -> Self {
            Self {
                root: ::es_core::Root::new(),
                name: ::std::borrow::ToOwned::to_owned(name),
                tricks: ::std::vec::Vec::new(),
            }
        }

        #[::es_core::event("TrickAdded", schema = 2)]
        pub(crate) fn add_trick(
            &mut self,
            trick: impl ::std::convert::Into<::std::string::String>,
            tags: &[u8],
        ) {
            let _ = tags;
            self.tricks.push(trick);
        }

        #[event("Barked", retired)]
        pub(crate) fn bark(&mut self) {}

        #[upcast("TrickAdded", from = 1)]
        fn tags(payload: &mut ::es_core::JsonMap) {
            let _ = payload;
        }
    }

    #[test]
    fn nothing_is_taken_from_the_prelude() {
        let mut dog = Dog::register("Fido");
        dog.add_trick("sit", &[1]);
        ::std::assert_eq!(::es_core::Aggregate::pending(&dog).len(), 2);
        ::es_core::testing::assert_replays(&dog);
    }
}

mod beside_the_users_names {
    #![allow(dead_code)]
    use es_core::{Aggregate, Root, events};

    struct Result;
    struct String;
    struct Vec;
    struct Option;
    struct Ok;
    struct Err;
    struct Some;
    struct None;
    struct Box;
    struct Event;
    struct Events;
    struct Uuid;
    trait Clone {}
    trait Into {}
    trait Debug {}
    trait Serialize {}

    #[derive(Aggregate)]
    #[aggregate("Dog")]
    struct Dog {
        root: Root<Self>,
        tricks: std::vec::Vec<std::string::String>,
    }

    #[events]
    impl Dog {
        #[event("Ok")]
        fn ok() -> Self {
            Self {
                root: Root::new(),
                tricks: std::vec::Vec::new(),
            }
        }

        #[event("Some")]
        fn some(&mut self, trick: &str, tags: &[std::string::String]) {
            self.tricks.push(trick.to_owned());
            self.tricks.extend_from_slice(tags);
        }
    }

    #[test]
    fn the_users_own_items_are_not_mistaken_for_others() {
        let mut dog = Dog::ok();
        dog.some("sit", &["tag".to_owned()]);
        assert_eq!(dog.tricks, ["sit", "tag"]);
        es_core::testing::assert_replays(&dog);
    }
}

mod odd_names {
    use es_core::{Aggregate, Root, events};

    #[derive(Aggregate, Debug, PartialEq)]
    #[aggregate("Dog")]
    struct Dog {
        r#type: Root<Self>,
        seen: Vec<u8>,
    }

    #[events]
    impl Dog {
        #[event("Registered", id = uuid::Uuid::from_u128(u128::from(*id) + u128::from(*chosen)))]
        fn register(id: u8, chosen: u8, state: u8) -> Self {
            Self {
                r#type: Root::new(),
                seen: vec![id, chosen, state],
            }
        }

        #[event("Everything")]
        #[allow(clippy::too_many_arguments)]
        fn everything(
            &mut self,
            event: u8,
            id: u8,
            version: u8,
            state: u8,
            payload: u8,
            self_: u8,
            e: u8,
            this: u8,
            r#match: u8,
        ) {
            self.seen = vec![event, id, version, state, payload, self_, e, this, r#match];
        }

        #[event("Tried")]
        fn r#try(&mut self, r#type: &str, mut many: u8) {
            many += 1;
            self.seen = vec![many; r#type.len()];
        }

        #[event("Befriended")]
        #[allow(clippy::boxed_local, clippy::ptr_arg)]
        fn befriend(&mut self, other: Box<Option<uuid::Uuid>>, paths: &std::path::PathBuf) {
            self.seen = vec![u8::from(other.is_some()); paths.components().count()];
        }
    }

    #[test]
    fn parameters_may_have_any_name() {
        let mut dog = Dog::register(1, 2, 3);
        assert_eq!(dog.id(), uuid::Uuid::from_u128(3));
        dog.everything(1, 2, 3, 4, 5, 6, 7, 8, 9);
        assert_eq!(dog.seen, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        dog.r#try("ab", 1);
        assert_eq!(dog.seen, [2, 2]);
        dog.befriend(Box::new(None), &"a/b/c".into());
        es_core::testing::assert_replays(&dog);
        let stored = serde_json::to_value(&dog.pending()[2]).unwrap();
        assert_eq!(
            stored,
            serde_json::json!({"Tried": {"type": "ab", "many": 1}})
        );
    }
}

mod made_by_a_macro {
    use es_core::{Aggregate, Root, events};

    macro_rules! counter {
        ($name:ident, $ty:ty, $stored:literal, $event:literal, $field:ty) => {
            #[derive(Aggregate, Debug, PartialEq)]
            #[aggregate($stored)]
            struct $name {
                root: Root<Self>,
                total: u64,
            }

            #[events]
            impl $ty {
                #[event("Started", id = uuid::Uuid::from_u128((*total).into()))]
                fn start(total: u64) -> Self {
                    Self {
                        root: Root::new(),
                        total,
                    }
                }

                #[event($event)]
                fn add(&mut self, amount: $field) {
                    let amount = u64::from(amount);
                    self.total += amount;
                }
            }
        };
    }

    counter!(Small, Small, "Small", "Added", u8);
    counter!(Large, self::Large, "Large", "Increased", u32);

    #[test]
    fn a_struct_and_its_impl_may_come_from_a_macro() {
        let mut small = Small::start(1);
        small.add(2);
        assert_eq!((small.total, small.id()), (3, uuid::Uuid::from_u128(1)));
        es_core::testing::assert_replays(&small);
        let mut large = Large::start(1);
        large.add(70_000);
        assert_eq!(large.pending()[1], LargeEvent::Increased { amount: 70_000 });
        es_core::testing::assert_replays(&large);
    }
}

mod under_another_path {
    mod facade {
        #[allow(clippy::single_component_path_imports)]
        pub(super) use es_core;
        pub(super) use es_core::{Aggregate, Root, events as facts};
    }

    use facade::{Aggregate, Root, facts};

    #[derive(Aggregate, Debug, PartialEq)]
    #[aggregate("Dog", crate = self::facade::es_core)]
    struct Dog {
        root: Root<Self>,
    }

    #[facts(crate = self::facade::es_core)]
    impl Dog {
        #[event("Registered")]
        fn register(name: &str) -> Self {
            let _ = name;
            Self { root: Root::new() }
        }
    }

    #[test]
    fn the_crate_may_be_reached_by_another_path() {
        es_core::testing::assert_replays(&Dog::register("Fido"));
    }
}

#[test]
fn an_aggregate_may_live_in_a_function() {
    use es_core::{Aggregate, Root, events};

    #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
    enum Kind {
        Small,
    }

    #[derive(Aggregate, Debug, PartialEq)]
    #[aggregate("Dog")]
    struct Dog {
        root: Root<Self>,
        kind: Kind,
    }

    #[events]
    impl Dog {
        #[event("Registered")]
        fn register(kind: Kind) -> Self {
            Self {
                root: Root::new(),
                kind,
            }
        }
    }

    let dog = Dog::register(Kind::Small);
    assert_eq!(dog.kind, Kind::Small);
    es_core::testing::assert_replays(&dog);
}

mod by_dollar_crate {
    #[allow(clippy::single_component_path_imports)]
    pub(crate) use es_core;

    macro_rules! aggregate {
        ($name:ident) => {
            #[derive(es_core::Aggregate, Debug, PartialEq)]
            #[aggregate("Dog", crate = $crate::by_dollar_crate::es_core)]
            struct $name {
                root: es_core::Root<Self>,
            }

            #[es_core::events(crate = $crate::by_dollar_crate::es_core)]
            impl $name {
                #[event("Registered")]
                fn register(name: &str) -> Self {
                    let _ = name;
                    Self {
                        root: es_core::Root::new(),
                    }
                }
            }
        };
    }

    aggregate!(Dog);

    #[test]
    fn the_crate_may_be_reached_from_a_macro_of_another_crate() {
        es_core::testing::assert_replays(&Dog::register("Fido"));
    }
}

mod conditions_on_the_aggregate_itself {
    use es_core::{Aggregate, Root, events};

    trait Trained {
        const TRICKS: usize;
    }

    #[derive(Aggregate, Debug, PartialEq)]
    #[aggregate("Dog")]
    struct Dog {
        root: Root<Self>,
        tricks: [u8; 2],
    }

    impl Trained for Dog {
        const TRICKS: usize = 2;
    }

    #[events]
    impl Dog
    where
        Self: Trained + Sized,
    {
        #[event("Registered")]
        fn register(tricks: [u8; Self::TRICKS]) -> Self {
            Self {
                root: Root::new(),
                tricks,
            }
        }
    }

    #[test]
    fn an_impl_may_ask_something_of_self() {
        let dog = Dog::register([1, 2]);
        assert_eq!(dog.tricks, [1, 2]);
        es_core::testing::assert_replays(&dog);
    }
}

mod under_strict_lints {
    //! Nothing that is generated may ask for less than the user does.
    #![forbid(
        missing_docs,
        dead_code,
        unused_variables,
        unused_mut,
        unreachable_code
    )]
    #![deny(warnings, clippy::all, clippy::pedantic)]

    use es_core::{Aggregate, Root, events};

    /// A dog.
    #[derive(Aggregate, Debug, PartialEq)]
    #[aggregate("Dog")]
    pub(crate) struct Dog {
        root: Root<Self>,
        tricks: Vec<String>,
    }

    #[events]
    impl Dog {
        #![allow(clippy::needless_pass_by_value)]

        #[event("Registered", id = uuid::Uuid::from_u128(7))]
        pub(crate) fn register(name: &str, age: u8) -> Self {
            Self {
                root: Root::new(),
                tricks: Vec::new(),
            }
        }

        #[event("TrickAdded")]
        #[expect(clippy::ptr_arg)]
        pub(crate) fn add_trick(&mut self, trick: &Vec<String>, mut times: u8) {
            #![allow(clippy::implicit_clone)]
            while times > 0 {
                times -= 1;
                self.tricks.extend(trick.to_vec());
            }
        }

        #[event("Filled")]
        #[expect(clippy::too_many_arguments)]
        #[rustfmt::skip]
        pub(crate) fn fill(&mut self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, #[serde(rename = "eighth")] _h: u8) {
            self.tricks.push(format!("{a}{b}{c}{d}{e}{f}{g}"));
        }
    }

    #[test]
    fn the_strictest_lints_are_kept() {
        let mut dog = Dog::register("Fido", 3);
        dog.add_trick(&vec!["sit".to_owned()], 2);
        dog.fill(1, 2, 3, 4, 5, 6, 7, 8);
        assert_eq!(dog.tricks, ["sit", "sit", "1234567"]);
        es_core::testing::assert_replays(&dog);
    }
}

mod with_a_type_that_is_deprecated {
    #![deny(warnings)]

    use es_core::{Aggregate, Root, events};

    mod old {
        #![allow(deprecated)]

        #[deprecated]
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        pub(super) struct Collar {
            pub(super) size: u8,
        }
    }

    #[derive(Aggregate, Debug, PartialEq)]
    #[aggregate("Dog")]
    struct Dog {
        root: Root<Self>,
        size: u8,
    }

    #[events]
    impl Dog {
        #[event("Registered")]
        fn register() -> Self {
            Self {
                root: Root::new(),
                size: 0,
            }
        }

        #[event("Collared")]
        #[allow(deprecated)]
        fn collar(&mut self, collar: old::Collar) {
            self.size = collar.size;
        }
    }

    #[test]
    #[allow(deprecated)]
    fn what_a_method_allows_is_allowed_in_its_event() {
        let mut dog = Dog::register();
        dog.collar(old::Collar { size: 3 });
        assert_eq!(dog.size, 3);
        es_core::testing::assert_replays(&dog);
    }
}

mod calls_that_only_look_like_events {
    use es_core::{Aggregate, Root, events};

    mod other {
        pub(super) struct Dog;

        impl Dog {
            pub(super) fn bark() -> u8 {
                1
            }
        }
    }

    #[derive(Aggregate, Debug, PartialEq)]
    #[aggregate("Dog")]
    struct Dog {
        root: Root<Self>,
        barks: u8,
    }

    #[events]
    impl Dog {
        #[event("Registered")]
        fn register() -> Self {
            Self {
                root: Root::new(),
                barks: 0,
            }
        }

        #[event("Barked")]
        fn bark(&mut self) {
            struct Parrot;

            impl Parrot {
                fn bark(&self) -> u8 {
                    1
                }

                fn talk(&self) -> u8 {
                    self.bark()
                }
            }

            self.barks += other::Dog::bark() + Parrot.talk();
        }
    }

    #[test]
    fn a_method_of_another_type_may_have_the_name_of_an_event() {
        let mut dog = Dog::register();
        dog.bark();
        assert_eq!(dog.barks, 2);
    }
}
