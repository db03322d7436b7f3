//! What is written: the item, and the arguments of `#[aggregate(..)]`.
use proc_macro2::{Ident, TokenStream};
use syn::{DeriveInput, Path, Type};

use crate::arguments::{Arguments, Key, Name, Number, flag, number, unread, value};
use crate::diagnostics::Diagnostics;

pub(super) struct Syntax {
    pub(super) item: DeriveInput,
    pub(super) category: Name,
    pub(super) id: Option<Type>,
    pub(super) snapshot_every: Option<Number>,
    /// With its key.
    pub(super) snapshot_revision: Option<(Ident, Number)>,
    pub(super) cached: bool,
    pub(super) krate: Option<Path>,
}

const KEYS: &[Key] = &[
    Key {
        name: "id",
        takes: "a type",
        example: "id = DogId",
    },
    Key {
        name: "snapshot_every",
        takes: "a number",
        example: "snapshot_every = 100",
    },
    Key {
        name: "snapshot_revision",
        takes: "a number",
        example: "snapshot_revision = 2",
    },
    Key {
        name: "cached",
        takes: "no value",
        example: "cached",
    },
    Key {
        name: "crate",
        takes: "a path",
        example: "crate = my_crate::es_core",
    },
];

pub(super) fn read(item: TokenStream, diagnostics: &mut Diagnostics) -> syn::Result<Syntax> {
    let mut syntax = Syntax {
        item: syn::parse2(item)?,
        category: Name::Missing,
        id: None,
        snapshot_every: None,
        snapshot_revision: None,
        cached: false,
        krate: None,
    };
    let mut arguments = Arguments::new("aggregate", KEYS, diagnostics);
    let attributes = syntax.item.attrs.iter();
    for attribute in attributes.filter(|attribute| attribute.path().is_ident("aggregate")) {
        arguments.read_attribute(attribute, &mut |key, written, input| {
            match key.name {
                "id" => syntax.id = Some(value(key, written, input)?),
                "snapshot_every" => syntax.snapshot_every = Some(number(key, written, input)?),
                "snapshot_revision" => {
                    syntax.snapshot_revision =
                        Some((written.clone(), number(key, written, input)?));
                }
                "cached" => {
                    flag(key, input)?;
                    syntax.cached = true;
                }
                "crate" => syntax.krate = Some(value(key, written, input)?),
                _ => return Err(unread(written)),
            }
            Ok(())
        });
    }
    syntax.category = arguments.into_name();
    Ok(syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read_and_documented() {
        let documentation = include_str!("../lib.rs");
        for key in KEYS {
            let documented = documentation.contains(&format!("/// | `{}", key.name));
            assert!(
                documented,
                "`{}` is not in the documentation of the macro",
                key.name
            );
            let item = format!("#[aggregate(\"Dog\", {})] struct Dog {{}}", key.example);
            let mut diagnostics = Diagnostics::default();
            assert!(read(item.parse().unwrap(), &mut diagnostics).is_ok());
            assert!(diagnostics.is_empty(), "`{}` is not read", key.example);
        }
    }
}
