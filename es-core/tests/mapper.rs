//! An event comes back from the store as it was recorded, or it is refused by name before anything is written.
use std::collections::BTreeMap;
use std::collections::HashMap;

use es_core::__private::encode;
use es_core::application::SaveError;
use es_core::persistence::EncodeError;
use es_core::{Aggregate, Application, Error, Root, StreamId, Version, events};
use es_store_memory::MemoryStore;
use pollster::block_on;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(f64),
    Tuple(i8, String),
    Struct {
        side: Option<u16>,
        nested: Vec<Shape>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    text: String,
    letter: char,
    small: i64,
    large: u64,
    float: f64,
    single: f32,
    truth: bool,
    bytes: Vec<u8>,
    numbered: BTreeMap<u32, Option<String>>,
    shape: Shape,
    unit: (),
    pair: (u8, Option<bool>),
    value: Value,
}

#[derive(Aggregate, Debug, PartialEq)]
#[aggregate("Box")]
struct Box_ {
    root: Root<Self>,
    held: Vec<Everything>,
}

#[events(type_name = BoxEvent)]
impl Box_ {
    #[event("Made")]
    fn make() -> Self {
        Self {
            root: Root::new(),
            held: Vec::new(),
        }
    }

    #[event("Filled")]
    fn fill(&mut self, with: Everything, #[serde(default)] name: &str) {
        let _ = name;
        self.held.push(with);
    }
}

/// As it was stored before.
#[derive(Aggregate)]
#[aggregate("Jar")]
struct Jar {
    root: Root<Self>,
}

#[events]
impl Jar {
    #[event("Blown", id = *id)]
    fn blow(id: Uuid) -> Self {
        let _ = id;
        Self { root: Root::new() }
    }
}

mod with_a_bug {
    use super::*;

    #[derive(Aggregate, Debug)]
    #[aggregate("Jar")]
    pub(super) struct Jar {
        root: Root<Self>,
    }

    #[events]
    impl Jar {
        #[event("Blown", schema = 2)]
        fn blow(volume: u32) -> Self {
            let _ = volume;
            Self { root: Root::new() }
        }

        #[upcast("Blown", from = 1)]
        fn volume(payload: &mut es_core::JsonMap) {
            let volume = payload["volume"].clone();
            payload.insert("volume".to_owned(), volume);
        }
    }
}

#[test]
fn an_upcaster_that_panics_is_an_error_that_names_the_event_and_the_step() {
    block_on(async {
        let store = MemoryStore::new();
        let id = Uuid::from_u128(1);
        let app = Application::new(store.clone());
        app.save(&mut Jar::blow(id)).await.unwrap();
        let later = Application::new(store);
        let error = later.get::<with_a_bug::Jar>(id).await.unwrap_err();
        let said = format!("{error:?}");
        let stream = StreamId::new("Jar", id);
        for part in [
            &format!("`Blown` of `{stream}` at version 1 cannot be brought from schema 1 to 2"),
            "the upcaster of `Blown` from schema 1 failed",
            "it panicked: ",
        ] {
            assert!(said.contains(part), "{said}");
        }
    });
}

/// Any float that JSON has a form for, down to the bit.
fn finite() -> impl Strategy<Value = f64> {
    any::<u64>()
        .prop_map(f64::from_bits)
        .prop_filter("finite", |float| float.is_finite())
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        Just("\0\u{1f415}\"\\/\u{2028}\u{7f}'; DROP TABLE".to_owned())
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        finite().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(text(), inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn shape() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        Just(Shape::Unit),
        finite().prop_map(Shape::Newtype),
        (any::<i8>(), text()).prop_map(|(number, text)| Shape::Tuple(number, text)),
    ];
    leaf.prop_recursive(4, 20, 3, |inner| {
        (any::<Option<u16>>(), vec(inner, 0..3))
            .prop_map(|(side, nested)| Shape::Struct { side, nested })
    })
}

prop_compose! {
    fn everything()(
        (text, letter, small, large) in (text(), any::<char>(), any::<i64>(), any::<u64>()),
        (float, single, truth) in (finite(), any::<f32>().prop_filter("finite", |float| float.is_finite()), any::<bool>()),
        (bytes, numbered, shape) in (vec(any::<u8>(), 0..9), btree_map(any::<u32>(), any::<Option<String>>(), 0..4), shape()),
        (pair, value) in (any::<(u8, Option<bool>)>(), value()),
    ) -> Everything {
        Everything { text, letter, small, large, float, single, truth, bytes, numbered, shape, unit: (), pair, value }
    }
}

/// Saves a box with these, and gets it again.
fn there_and_back(held: Vec<Everything>) -> es_core::Result<Vec<Everything>> {
    let app = Application::new(MemoryStore::new());
    let mut saved = Box_::make();
    for with in held {
        saved.fill(with, "it");
    }
    block_on(app.save(&mut saved))?;
    Ok(block_on(app.get::<Box_>(saved.id()))?.held)
}

proptest! {
    #[test]
    fn whatever_json_can_carry_comes_back_the_same(held in vec(everything(), 1..4)) {
        let again = there_and_back(held.clone()).unwrap();
        for (held, again) in held.iter().zip(&again) {
            prop_assert_eq!(held.float.to_bits(), again.float.to_bits());
            prop_assert_eq!(held.single.to_bits(), again.single.to_bits());
        }
        prop_assert_eq!(again, held);
    }
}

fn plain() -> Everything {
    Everything {
        text: String::new(),
        letter: ' ',
        small: i64::MIN,
        large: u64::MAX,
        float: f64::MIN_POSITIVE,
        single: f32::MAX,
        truth: true,
        bytes: Vec::new(),
        numbered: BTreeMap::new(),
        shape: Shape::Unit,
        unit: (),
        pair: (0, None),
        value: Value::Null,
    }
}

/// Arrays inside each other.
fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |inside, _| Value::Array(vec![inside]))
}

#[test]
fn the_limits_come_back_the_same() {
    let limits = [
        plain(),
        Everything {
            small: i64::MAX,
            float: -0.0,
            single: f32::MIN_POSITIVE,
            ..plain()
        },
        Everything {
            float: f64::MAX,
            value: nested(125),
            ..plain()
        },
    ];
    let again = there_and_back(limits.to_vec()).unwrap();
    assert_eq!(again, limits);
    assert!(again[1].float.is_sign_negative());
}

#[test]
fn what_would_not_come_back_is_refused_and_stays_pending() {
    let nan = || f64::NAN;
    let deepest_shape = (0..60).fold(Shape::Unit, |inside, _| Shape::Struct {
        side: None,
        nested: vec![inside],
    });
    let cases = [
        (
            Everything {
                float: nan(),
                ..plain()
            },
            "NaN",
        ),
        (
            Everything {
                single: f32::NEG_INFINITY,
                ..plain()
            },
            "-inf",
        ),
        (
            Everything {
                shape: Shape::Newtype(f64::INFINITY),
                ..plain()
            },
            "inf",
        ),
        (
            Everything {
                shape: Shape::Struct {
                    side: None,
                    nested: vec![Shape::Unit, Shape::Newtype(nan())],
                },
                ..plain()
            },
            "NaN",
        ),
        (
            Everything {
                value: nested(126),
                ..plain()
            },
            "127 levels",
        ),
        (
            Everything {
                value: nested(1_000),
                ..plain()
            },
            "127 levels",
        ),
        (
            Everything {
                shape: deepest_shape,
                ..plain()
            },
            "127 levels",
        ),
    ];
    for (with, cause) in cases {
        let store = MemoryStore::new();
        let app = Application::new(store.clone());
        let mut refused = Box_::make();
        refused.fill(plain(), "first");
        refused.fill(with, "second");
        let error = block_on(app.save(&mut refused)).unwrap_err();
        let Error::Save(SaveError::Encode(EncodeError::NotJson {
            stream,
            version,
            event,
            source,
            ..
        })) = error
        else {
            panic!("{error:?}");
        };
        assert_eq!(
            (stream.id, version.get(), event),
            (refused.id(), 3, "Filled")
        );
        assert!(source.to_string().contains(cause), "{source}");
        assert_eq!(refused.pending().len(), 3, "nothing pending is lost");
        assert_eq!(
            block_on(app.find::<Box_>(refused.id())).unwrap(),
            None,
            "nothing is written"
        );
    }
}

#[test]
fn numbers_and_keys_that_are_not_read_everywhere_are_refused() {
    #[derive(Aggregate, Debug)]
    #[aggregate("Chart")]
    struct Chart {
        root: Root<Self>,
    }

    #[events]
    impl Chart {
        #[event("Counted")]
        fn count(stars: u128) -> Self {
            let _ = stars;
            Self { root: Root::new() }
        }

        #[event("Drawn")]
        fn draw(points: HashMap<(u8, u8), u8>) -> Self {
            let _ = points;
            Self { root: Root::new() }
        }
    }

    let app = Application::new(MemoryStore::new());
    let refused = block_on(app.save(&mut Chart::draw(HashMap::from([((1, 2), 3)])))).unwrap_err();
    let Error::Save(SaveError::Encode(EncodeError::NotJson { event, source, .. })) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(event, "Drawn");
    assert_eq!(
        source.to_string(),
        "a key of a map must be text, a number or an enum without fields; store a list of pairs"
    );
    let refused = block_on(app.save(&mut Chart::count(5))).unwrap_err();
    assert!(matches!(
        refused,
        Error::Save(SaveError::Encode(EncodeError::NotJson {
            event: "Counted",
            ..
        }))
    ));
}

#[test]
fn events_stay_apart_whatever_the_version_before_them() {
    let made = Box_::make();
    let twice = [made.pending(), made.pending()].concat();
    let stream = StreamId::new("Box", Uuid::nil());
    for after in [Version::NEW, Version::from(7), Version::MAX] {
        let encoded = encode(&twice, &stream, after).unwrap();
        let payloads = encoded.iter().map(|event| &*event.payload);
        assert!(payloads.eq([b"{}", b"{}"]), "{after}");
    }
}

/// Which event it is stands among its fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Change {
    Prices { by_article: BTreeMap<u32, u64> },
    Switches { by_state: BTreeMap<bool, u64> },
    Closed,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Skipping {
    #[serde(default = "five", skip_serializing_if = "is_zero")]
    count: u8,
}

fn five() -> u8 {
    5
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u8) -> bool {
    *count == 0
}

#[derive(Aggregate, Debug)]
#[aggregate("Shelf")]
struct Shelf {
    root: Root<Self>,
}

#[events]
impl Shelf {
    #[event("PutUp")]
    fn put_up() -> Self {
        Self { root: Root::new() }
    }

    #[event("Changed")]
    fn change(&mut self, change: Change) {
        let _ = change;
    }

    #[event("Nested")]
    fn nest(&mut self, kept: Option<Option<u8>>, done: Option<()>, value: Option<Value>) {
        let _ = (kept, done, value);
    }

    #[event("Skipped")]
    fn skip(&mut self, skipping: Skipping) {
        let _ = skipping;
    }

    #[event("Flattened")]
    fn flatten(
        &mut self,
        #[serde(flatten)] one: BTreeMap<String, u8>,
        #[serde(flatten)] other: BTreeMap<String, u8>,
    ) {
        let _ = (one, other);
    }
}

#[test]
fn what_would_be_read_as_other_values_or_not_at_all_is_refused_when_it_is_saved() {
    type Case = fn(&mut Shelf);
    let cases: [(&str, bool, Case); 7] = [
        ("Changed", false, |shelf| {
            let by_article = BTreeMap::from([(7, 1)]);
            shelf.change(Change::Prices { by_article });
        }),
        ("Changed", false, |shelf| {
            let by_state = BTreeMap::from([(true, 1)]);
            shelf.change(Change::Switches { by_state });
        }),
        ("Nested", true, |shelf| shelf.nest(Some(None), None, None)),
        ("Nested", true, |shelf| shelf.nest(None, Some(()), None)),
        ("Nested", true, |shelf| {
            shelf.nest(None, None, Some(Value::Null))
        }),
        ("Skipped", true, |shelf| shelf.skip(Skipping { count: 0 })),
        ("Flattened", true, |shelf| {
            let one = |key: &str| BTreeMap::from([(key.to_owned(), 1)]);
            shelf.flatten(one("a"), one("b"));
        }),
    ];
    for (name, is_read, change) in cases {
        let app = Application::new(MemoryStore::new());
        let mut shelf = Shelf::put_up();
        change(&mut shelf);
        let refused = block_on(app.save(&mut shelf)).unwrap_err();
        let Error::Save(SaveError::Encode(EncodeError::NotFaithful { event, source, .. })) =
            refused
        else {
            panic!("{refused:?}");
        };
        assert_eq!((event, source.is_none()), (name, is_read));
        assert_eq!(shelf.pending().len(), 2);
    }
    // The same types with values that come back.
    let app = Application::new(MemoryStore::new());
    let mut shelf = Shelf::put_up();
    shelf.change(Change::Closed);
    shelf.nest(Some(Some(1)), None, Some(Value::from(1)));
    shelf.skip(Skipping { count: 1 });
    block_on(app.save(&mut shelf)).unwrap();
    block_on(app.get::<Shelf>(shelf.id())).unwrap();
}

/// As the bits of a float, which may be no number.
mod as_bits {
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    pub(super) fn serialize<S: Serializer>(float: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(float.to_bits())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        u64::deserialize(deserializer).map(f64::from_bits)
    }
}

#[derive(Aggregate, Debug)]
#[aggregate("Gauge")]
struct Gauge {
    root: Root<Self>,
    reading: f64,
}

#[events]
impl Gauge {
    #[event("Read")]
    fn read(#[serde(with = "as_bits")] reading: f64) -> Self {
        Self {
            root: Root::new(),
            reading,
        }
    }
}

#[test]
fn what_is_not_like_itself_comes_back_in_a_form_of_its_own() {
    let app = Application::new(MemoryStore::new());
    let mut gauge = Gauge::read(f64::NAN);
    block_on(app.save(&mut gauge)).unwrap();
    let again = block_on(app.get::<Gauge>(gauge.id())).unwrap();
    assert_eq!(again.reading.to_bits(), f64::NAN.to_bits());
}
