//! What is written: the item, and the arguments of `#[aggregate(..)]`.
use proc_macro2::TokenStream;
use syn::{DeriveInput, Path, Type};

use crate::arguments::{Arguments, Key, Name, value};
use crate::diagnostics::Diagnostics;

pub(super) struct Syntax {
    pub(super) item: DeriveInput,
    pub(super) category: Name,
    pub(super) id: Option<Type>,
    pub(super) krate: Option<Path>,
}

const KEYS: &[Key] = &[
    Key {
        name: "id",
        takes: "a type",
        example: "id = DogId",
    },
    Key {
        name: "crate",
        takes: "a path",
        example: "crate = my_crate::es_core",
    },
];

pub(super) fn read(item: TokenStream, diagnostics: &mut Diagnostics) -> syn::Result<Syntax> {
    let item: DeriveInput = syn::parse2(item)?;
    let (mut id, mut krate) = (None, None);
    let mut arguments = Arguments::new("aggregate", KEYS, diagnostics);
    for attribute in item
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("aggregate"))
    {
        arguments.read_attribute(attribute, &mut |key, written, input| {
            match key.name {
                "id" => id = Some(value(key, written, input)?),
                _ => krate = Some(value(key, written, input)?),
            }
            Ok(())
        });
    }
    let category = arguments.into_name();
    Ok(Syntax {
        item,
        category,
        id,
        krate,
    })
}
