//! What is written: the item, and the arguments of `#[event_set(..)]`.
use proc_macro2::TokenStream;
use syn::{DeriveInput, Path};

use crate::arguments::{Arguments, Key, unread, value};
use crate::diagnostics::Diagnostics;

pub(super) struct Syntax {
    pub(super) item: DeriveInput,
    pub(super) krate: Option<Path>,
}

const KEYS: &[Key] = &[Key {
    name: "crate",
    takes: "a path",
    example: "crate = my_crate::es_core",
}];

pub(super) fn read(item: TokenStream, diagnostics: &mut Diagnostics) -> syn::Result<Syntax> {
    let mut syntax = Syntax {
        item: syn::parse2(item)?,
        krate: None,
    };
    let mut arguments = Arguments::new("event_set", KEYS, diagnostics);
    let attributes = syntax.item.attrs.iter();
    for attribute in attributes.filter(|attribute| attribute.path().is_ident("event_set")) {
        arguments.read_attribute(attribute, &mut |key, written, input| {
            match key.name {
                "crate" => syntax.krate = Some(value(key, written, input)?),
                _ => return Err(unread(written)),
            }
            Ok(())
        });
    }
    arguments.refuse_name();
    Ok(syntax)
}
