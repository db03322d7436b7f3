//! Old names, old schemas, retired events.
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

#[derive(Aggregate)]
#[aggregate("Cat")]
struct Cat {
    root: Root<Self>,
    lives: u32,
}

#[events]
impl Cat {
    #[event("Born")]
    fn bear() -> Self {
        Self {
            root: Root::new(),
            lives: 9,
        }
    }

    #[cfg(any())]
    #[event("Died")]
    fn die(&mut self) {}

    #[cfg(not(any()))]
    #[event("Died", schema = 2)]
    fn die(&mut self, times: u32) {
        self.lives -= times;
    }

    #[cfg(any())]
    #[upcast("Died", from = 1)]
    fn how_often(payload: &mut JsonMap) {
        payload.clear();
    }

    #[cfg(not(any()))]
    #[upcast("Died", from = 1)]
    fn how_often(payload: &mut JsonMap) {
        payload.insert("times".to_owned(), 1.into());
    }
}

#[test]
fn upcasters_may_stand_under_conditions() -> es_core::Result<()> {
    let cat: Cat = load(&[
        ("Born", 1, "{}"),
        ("Died", 1, "{}"),
        ("Died", 2, r#"{"times":3}"#),
    ])?;
    assert_eq!(cat.lives, 5);
    Ok(())
}

#[derive(Aggregate, Debug, PartialEq)]
#[aggregate("Price")]
struct Price {
    root: Root<Self>,
    currency: String,
}

#[events]
impl Price {
    fn euro() -> String {
        "EUR".to_owned()
    }

    fn is_euro(currency: &str) -> bool {
        currency == Self::euro()
    }

    #[event("Set")]
    fn set(
        #[serde(
            rename = "Self::currency",
            default = "Self::euro",
            skip_serializing_if = "Self::is_euro"
        )]
        currency: String,
    ) -> Self {
        Self {
            root: Root::new(),
            currency,
        }
    }
}

#[test]
fn the_default_of_a_parameter_may_be_a_function_of_the_aggregate() -> es_core::Result<()> {
    for (payload, currency) in [("{}", "EUR"), (r#"{"Self::currency":"NZD"}"#, "NZD")] {
        let price: Price = load(&[("Set", 1, payload)])?;
        assert_eq!(price.currency, currency);
    }
    Ok(())
}
