//! `#[serde(..)]` as the user wrote it: read for what it means to what is stored, and left to serde for the rest.
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Token, Type, parse_quote};

use crate::source;

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

/// The name that serde writes, where that is not the field's.
pub(crate) fn stored_name(attributes: &[Attribute]) -> Option<String> {
    let keys = keys(attributes);
    let rename = keys.iter().find(|key| key.path().is_ident("rename"))?;
    if let Meta::List(both) = rename {
        let both = both.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
        let mut both = both.into_iter().flatten();
        let written = both.find(|key| key.path().is_ident("serialize"))?;
        return text(&written).map(LitStr::value);
    }
    text(rename).map(LitStr::value)
}

/// Writes out `Self` in `default = "Self::euro"`: on a field of the events it would be another type.
pub(crate) fn name_self(attribute: &mut Attribute, self_type: &Type) {
    let mut keys = keys(std::slice::from_ref(attribute));
    let mut is_named = false;
    for key in &mut keys {
        let names_a_function = [
            "default",
            "serialize_with",
            "deserialize_with",
            "skip_serializing_if",
        ]
        .iter()
        .any(|function| key.path().is_ident(function));
        let Some(text) = text(key).filter(|_| names_a_function) else {
            continue;
        };
        if let Some(function) = text.value().strip_prefix("Self::") {
            let owner = source::text(self_type.to_token_stream());
            let named = LitStr::new(&format!("<{owner}>::{function}"), text.span());
            let path = key.path();
            *key = parse_quote!(#path = #named);
            is_named = true;
        }
    }
    if is_named {
        *attribute = parse_quote!(#[serde(#(#keys),*)]);
    }
}
