//! `#[serde(..)]` as the user wrote it: read for what it means to what is stored, and left to serde for the rest.
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Token};

pub(crate) fn is_serde(attribute: &Attribute) -> bool {
    attribute.path().is_ident("serde")
}

/// What stands in the brackets. An attribute that cannot be read has nothing in it: serde says so.
pub(crate) fn keys(attributes: &[Attribute]) -> Vec<Meta> {
    let read = |attribute: &Attribute| {
        attribute
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .ok()
    };
    let serde = attributes.iter().filter(|attribute| is_serde(attribute));
    serde.filter_map(read).flatten().collect()
}

/// Whether a key keeps its field out of what is written, or of what is read.
pub(crate) fn skips(key: &Meta) -> bool {
    ["skip", "skip_serializing", "skip_deserializing"]
        .iter()
        .any(|skip| key.path().is_ident(skip))
}

/// The value of `KEY = "VALUE"`.
pub(crate) fn text(key: &Meta) -> Option<&LitStr> {
    match key {
        Meta::NameValue(pair) => match &pair.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => Some(text),
            _ => None,
        },
        Meta::Path(_) | Meta::List(_) => None,
    }
}
