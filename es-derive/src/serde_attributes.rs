//! `#[serde(..)]` as the user wrote it: read for what it means to what is stored, and left to serde for the rest.
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Token, Type};

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

/// Writes out `Self` in `default = "Self::euro"`: on a field of the events it would be another type.
pub(crate) fn name_self(attribute: &mut Attribute, self_type: &Type) {
    let Meta::List(list) = &mut attribute.meta else {
        return;
    };
    let named = |token: TokenTree| match syn::parse2::<LitStr>(token.to_token_stream()) {
        Ok(text) => match text.value().strip_prefix("Self::") {
            Some(function) => {
                let owner = source::text(self_type.to_token_stream());
                LitStr::new(&format!("<{owner}>::{function}"), text.span()).to_token_stream()
            }
            None => token.into(),
        },
        Err(_) => token.into(),
    };
    let tokens = std::mem::take(&mut list.tokens);
    list.tokens = tokens.into_iter().map(named).collect::<TokenStream>();
}
