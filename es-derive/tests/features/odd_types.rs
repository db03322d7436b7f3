//! Types that own their data in odd ways.
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
