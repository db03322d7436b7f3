//! Values that come back as they were, down to the bit.
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
