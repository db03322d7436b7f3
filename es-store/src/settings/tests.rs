//! Which of several values counts, beside a model.
use std::collections::HashMap;
use std::num::NonZeroU64;

use proptest::prelude::*;

use super::*;

/// What the sources say of one variable, that which counts most first: code, then map and environment, each with the name in front and without.
type Said = [Option<u16>; 5];

/// Zero is written as space, which is as if unset.
const SPACE: u16 = 0;

fn said() -> impl Strategy<Value = Said> {
    let number =
        || prop_oneof![1 => Just(None), 1 => Just(Some(SPACE)), 2 => (1..999_u16).prop_map(Some)];
    // Code has no empty values.
    (
        prop::option::of(1..999_u16),
        [number(), number(), number(), number()],
    )
        .prop_map(|(code, [a, b, c, d])| [code, a, b, c, d])
}

/// The model: the first that says something.
fn first(said: Said) -> Option<u16> {
    said.into_iter().flatten().find(|number| *number != SPACE)
}

type Write = fn(u16) -> String;

const VARIABLES: [(&Variable, Write); 3] = [
    (&STORE, |number| format!("store-{number}:")),
    (&SNAPSHOTS, |number| format!(" every:{number}\n")),
    (&CACHE, |number| number.to_string()),
];

fn settings(said: [Said; 3]) -> Settings {
    let (mut map, mut environment) = (HashMap::new(), HashMap::new());
    for ((variable, write), [_, said @ ..]) in VARIABLES.into_iter().zip(said) {
        let write = |number| {
            if number == SPACE {
                " \t".to_owned()
            } else {
                write(number)
            }
        };
        let names = [
            format!("DOG_SCHOOL_{}", variable.name),
            variable.name.to_owned(),
        ];
        for ((source, name), number) in [0, 0, 1, 1].iter().zip(names.iter().cycle()).zip(said) {
            let source = if *source == 0 {
                &mut map
            } else {
                &mut environment
            };
            source.extend(number.map(|number| (name.clone(), write(number))));
        }
    }
    let mut settings = Settings::new("dog-school")
        .map(map)
        .environment(move |name| environment.get(name).map(OsString::from));
    let [store, snapshots, cache] = said.map(|said| said[0]);
    let url = store.map(VARIABLES[0].1);
    if let Some(url) = url {
        settings = settings.store(url);
    }
    settings.choices.snapshots = snapshots.map(every);
    settings.choices.cache = cache.map(usize::from);
    settings
}

fn every(number: u16) -> SnapshotPolicy {
    SnapshotPolicy::Every(NonZeroU64::new(number.into()).unwrap())
}

/// Where the model found it, by its place.
fn origin(said: Said) -> Origin {
    let place = said
        .iter()
        .position(|number| number.is_some_and(|number| number != SPACE));
    let prefixed = "DOG_SCHOOL_ES_STORE".to_owned();
    let plain = "ES_STORE".to_owned();
    match place.unwrap() {
        0 => Origin::Code { method: "store" },
        1 => Origin::Map { variable: prefixed },
        2 => Origin::Map { variable: plain },
        3 => Origin::Environment { variable: prefixed },
        _ => Origin::Environment { variable: plain },
    }
}

proptest! {
    #[test]
    fn code_beats_the_map_and_the_map_the_environment(said in [said(), said(), said()]) {
        let [store, snapshots, cache] = said.map(first);
        let settings = settings(said);
        match (settings.location().unwrap_err(), store) {
            (SettingsError::UnknownStore { origin: found, value, .. }, Some(number)) => {
                prop_assert_eq!(value, format!("store-{number}:"));
                prop_assert_eq!(found, origin(said[0]));
            }
            (SettingsError::Missing { prefixed, plain, .. }, None) => {
                prop_assert_eq!((prefixed.as_str(), plain), ("DOG_SCHOOL_ES_STORE", "ES_STORE"));
            }
            (error, store) => prop_assert!(false, "{store:?} gives {error}"),
        }
        let (_, choices) = settings.resolved().unwrap();
        prop_assert_eq!(choices.snapshots, snapshots.map(every));
        prop_assert_eq!(choices.cache, cache.map(usize::from));
    }
}

#[test]
fn a_value_that_is_beaten_is_not_looked_at() {
    let environment = |_: &str| Some(OsString::from("nonsense"));
    let settings = Settings::new("school")
        .map([
            ("SCHOOL_ES_CACHE", "7"),
            ("ES_CACHE", "many"),
            ("ES_SNAPSHOTS", "off"),
        ])
        .compression(Compression::None)
        .environment(move |name| environment(name).filter(|_| !name.ends_with("KEYS")));
    let (_, choices) = settings.resolved().unwrap();
    assert_eq!(choices.cache, Some(7));
}

#[test]
fn what_nobody_sets_is_left_to_the_application() {
    let (name, choices) = Settings::new("school")
        .environment(|_| None)
        .resolved()
        .unwrap();
    let Choices {
        compression,
        keys,
        snapshots,
        cache,
    } = choices;
    assert_eq!(name, "school");
    assert!(compression.is_none() && keys.is_none() && snapshots.is_none());
    assert!(cache.is_none());
}
