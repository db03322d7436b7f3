//! One aggregate in many versions: each is a change that a developer may make.
use std::collections::HashSet;

use super::{File, SchemaGuard, schema_guard};

/// A version of the lamp: what its second event carries, and samples of its events.
macro_rules! lamp {
    ($version:ident, [$($sample:expr),*], { $($method:item)* }) => {
        pub(super) mod $version {
            use es_core::{Aggregate, Root, events};

            use super::*;

            #[derive(Aggregate)]
            #[aggregate("Lamp")]
            pub(crate) struct Lamp {
                root: Root<Self>,
            }

            #[events]
            #[allow(unused)]
            impl Lamp {
                #[event("Mounted")]
                fn mount(room: &str) -> Self {
                    Self { root: Root::new() }
                }

                $($method)*
            }

            use LampEvent::*;

            pub(crate) fn guard(file: &File) -> SchemaGuard {
                schema_guard(&file.0).samples::<Lamp>([Mounted { room: "hall".to_owned() }, $($sample),*])
            }
        }
    };
}

lamp!(first, [Dimmed { percent: 50 }], {
    #[event("Dimmed")]
    fn dim(&mut self, percent: u8) {}
});

lamp!(renamed_parameter, [Dimmed { to: 50 }], {
    #[event("Dimmed")]
    fn dim(&mut self, to: u8) {}
});

lamp!(renamed_parameter_with_default, [Dimmed { to: 50 }], {
    #[event("Dimmed")]
    fn dim(&mut self, #[serde(default)] to: u8) {}
});

lamp!(renamed_parameter_that_reads_both, [Dimmed { to: 50 }], {
    #[event("Dimmed")]
    fn dim(&mut self, #[serde(rename = "percent")] to: u8) {}
});

lamp!(
    parameter_that_is_written_under_another_name,
    [Dimmed { to: 50 }],
    {
        #[event("Dimmed")]
        fn dim(&mut self, #[serde(rename(serialize = "percent"), alias = "percent")] to: u8) {}
    }
);

lamp!(another_stored_name, [Dimmed { percent: 50 }], {
    #[event("Dimmed")]
    fn dim(&mut self, #[serde(rename = "level")] percent: u8) {}
});

lamp!(narrower_type, [Dimmed { percent: -1 }], {
    #[event("Dimmed")]
    fn dim(&mut self, percent: i8) {}
});

lamp!(
    a_set,
    [Dimmed {
        rooms: (0..9).map(|room| [room, 0]).collect()
    }],
    {
        #[event("Dimmed")]
        fn dim(&mut self, rooms: HashSet<[u8; 2]>) {}
    }
);

lamp!(
    another_set,
    [Dimmed {
        rooms: (1..10).map(|room| [room, 0]).collect()
    }],
    {
        #[event("Dimmed")]
        fn dim(&mut self, rooms: HashSet<[u8; 2]>) {}
    }
);

lamp!(
    other_type,
    [Dimmed {
        percent: "50".to_owned()
    }],
    {
        #[event("Dimmed")]
        fn dim(&mut self, percent: &str) {}
    }
);

lamp!(
    added_field,
    [Dimmed {
        percent: 50,
        slowly: true
    }],
    {
        #[event("Dimmed")]
        fn dim(&mut self, percent: u8, slowly: bool) {}
    }
);

lamp!(
    added_optional_field,
    [Dimmed {
        percent: 50,
        slowly: Some(true)
    }],
    {
        #[event("Dimmed")]
        fn dim(&mut self, percent: u8, slowly: Option<bool>) {}
    }
);

lamp!(removed_field, [Dimmed {}], {
    #[event("Dimmed")]
    fn dim(&mut self) {}
});

lamp!(removed_event, [], {});

lamp!(renamed_event, [Lowered { percent: 50 }], {
    #[event("Lowered")]
    fn lower(&mut self, percent: u8) {}
});

lamp!(
    renamed_event_with_its_old_name,
    [Lowered { percent: 50 }],
    {
        #[event("Lowered", was = "Dimmed")]
        fn lower(&mut self, percent: u8) {}
    }
);

lamp!(retired_event, [Dimmed { percent: 50 }], {
    #[event("Dimmed", retired)]
    fn dim(&mut self, percent: u8) {}
});

lamp!(new_event, [Dimmed { percent: 50 }, Broken {}], {
    #[event("Dimmed")]
    fn dim(&mut self, percent: u8) {}

    #[event("Broken")]
    fn break_down(&mut self) {}
});

lamp!(no_sample, [], {
    #[event("Dimmed")]
    fn dim(&mut self, percent: u8) {}

    #[event("Broken")]
    fn break_down(&mut self) {}
});

lamp!(new_schema, [Dimmed { watts: 30 }], {
    #[event("Dimmed", schema = 2)]
    fn dim(&mut self, watts: u32) {}

    #[upcast("Dimmed", from = 1)]
    fn percent_to_watts(payload: &mut es_core::JsonMap) {
        let percent = payload
            .remove("percent")
            .and_then(|percent| percent.as_u64());
        payload.insert("watts".to_owned(), (percent.unwrap_or(0) * 60 / 100).into());
    }
});

lamp!(new_schema_with_another_upcaster, [Dimmed { watts: 30 }], {
    #[event("Dimmed", schema = 2)]
    fn dim(&mut self, watts: u32) {}

    #[upcast("Dimmed", from = 1)]
    fn percent_to_watts(payload: &mut es_core::JsonMap) {
        payload.insert("watts".to_owned(), 1.into());
    }
});

lamp!(new_schema_whose_upcaster_fails, [Dimmed { watts: 30 }], {
    #[event("Dimmed", schema = 2)]
    fn dim(&mut self, watts: u32) {}

    #[upcast("Dimmed", from = 1)]
    fn percent_to_watts(_: &mut es_core::JsonMap) -> Result<(), &'static str> {
        Err("too dark")
    }
});

lamp!(new_schema_whose_upcaster_panics, [Dimmed { watts: 30 }], {
    #[event("Dimmed", schema = 2)]
    fn dim(&mut self, watts: u32) {}

    #[upcast("Dimmed", from = 1)]
    fn percent_to_watts(_: &mut es_core::JsonMap) {
        panic!("no such lamp")
    }
});

lamp!(
    lossy,
    [
        Dimmed {
            percent: Some(Some(1))
        },
        Dimmed {
            percent: Some(None)
        }
    ],
    {
        #[event("Dimmed")]
        fn dim(&mut self, percent: Option<Option<u8>>) {}
    }
);

lamp!(two_events, [Walked { steps: 3 }, Ran { steps: 2 }], {
    #[event("Walked")]
    fn walk(&mut self, steps: u32) {}

    #[event("Ran")]
    fn run(&mut self, steps: u32) {}
});

lamp!(two_other_events, [Walked { steps: 3 }, Ran { miles: 2 }], {
    #[event("Walked")]
    fn walk(&mut self, steps: u32) {}

    #[event("Ran")]
    fn run(&mut self, miles: u32) {}
});

lamp!(one_event_for_both, [Moved { steps: 3 }], {
    #[event("Moved", was = ["Walked", "Ran"])]
    fn go(&mut self, steps: u32) {}
});

lamp!(creating_event, [Dimmed { percent: 50 }], {
    #[event("Dimmed")]
    fn dim(percent: u8) -> Self {
        Self { root: Root::new() }
    }
});

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Inner {
    x: u8,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct InnerWithMore {
    x: u8,
    y: Option<u8>,
}

lamp!(
    nested,
    [Dimmed {
        inner: vec![Inner { x: 1 }]
    }],
    {
        #[event("Dimmed")]
        fn dim(&mut self, inner: Vec<Inner>) {}
    }
);

lamp!(
    nested_with_an_optional_field,
    [Dimmed {
        inner: vec![InnerWithMore { x: 1, y: None }]
    }],
    {
        #[event("Dimmed")]
        fn dim(&mut self, inner: Vec<InnerWithMore>) {}
    }
);

lamp!(with_an_old_name, [Dimmed { percent: 50 }], {
    #[event("Dimmed", was = "Lowered")]
    fn dim(&mut self, percent: u8) {}
});

lamp!(
    dimmed_and_powered,
    [Dimmed { watts: 30 }, Powered { watts: 30 }],
    {
        #[event("Dimmed", schema = 2)]
        fn dim(&mut self, watts: u8) {}

        #[upcast("Dimmed", from = 1)]
        fn from_deciwatts(payload: &mut es_core::JsonMap) {
            let deciwatts = payload["watts"].as_u64().unwrap_or_default();
            payload.insert("watts".to_owned(), (deciwatts / 10).into());
        }

        #[event("Powered")]
        fn power(&mut self, watts: u8) {}
    }
);

lamp!(powered_as_dimmed, [Dimmed { watts: 30 }], {
    #[event("Dimmed", schema = 2, was = "Powered")]
    fn dim(&mut self, watts: u8) {}

    #[upcast("Dimmed", from = 1)]
    fn from_deciwatts(payload: &mut es_core::JsonMap) {
        let deciwatts = payload["watts"].as_u64().unwrap_or_default();
        payload.insert("watts".to_owned(), (deciwatts / 10).into());
    }
});

lamp!(
    dimmed_and_powered_at_first,
    [Dimmed { watts: 30 }, Powered { watts: 30 }],
    {
        #[event("Dimmed")]
        fn dim(&mut self, watts: u8) {}

        #[event("Powered")]
        fn power(&mut self, watts: u8) {}
    }
);

lamp!(lit, [Lit { watts: 30 }], {
    #[event("Lit", schema = 2, was = ["Powered", "Dimmed"])]
    fn light(&mut self, watts: u8) {}

    #[upcast("Lit", from = 1)]
    fn from_deciwatts(payload: &mut es_core::JsonMap) {
        let deciwatts = payload["watts"].as_u64().unwrap_or_default();
        payload.insert("watts".to_owned(), (deciwatts / 10).into());
    }
});

lamp!(lit_of_a_new_schema, [Lit { watts: 30 }], {
    #[event("Lit", schema = 3, was = ["Powered", "Dimmed"])]
    fn light(&mut self, watts: u8) {}

    #[upcast("Lit", from = 1)]
    fn from_deciwatts(payload: &mut es_core::JsonMap) {
        let deciwatts = payload["watts"].as_u64().unwrap_or_default();
        payload.insert("watts".to_owned(), (deciwatts / 10).into());
    }

    #[upcast("Lit", from = 2)]
    fn as_it_was(_: &mut es_core::JsonMap) {}
});
