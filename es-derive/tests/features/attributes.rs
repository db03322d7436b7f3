//! What becomes of attributes.
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

    /// Locks it; who did is for the readers of the story alone.
    #[event("Locked")]
    pub fn lock(&mut self, by: &str, reason: Option<String>) {
        self.limit = 0;
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
    assert_eq!(
        names,
        ["Hung", "Opened", "Slammed", "Painted", "Locked", "Oiled"]
    );
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
