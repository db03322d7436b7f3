//! What it means: a set with a variant for the events of each aggregate.
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{Attribute, Data, Type, Variant};

use super::parse::Syntax;

pub(super) struct EventSet<'a> {
    pub(super) ident: &'a Ident,
    /// Those that hold.
    pub(super) members: Vec<Member<'a>>,
    /// The path of `es_core`.
    pub(super) krate: TokenStream,
}

/// A variant with the events that it holds.
pub(super) struct Member<'a> {
    pub(super) variant: &'a Ident,
    pub(super) events: &'a Type,
    /// The conditions under which it is there at all.
    pub(super) conditions: Vec<&'a Attribute>,
}

pub(super) fn of(syntax: &Syntax) -> EventSet<'_> {
    let members = match &syntax.item.data {
        Data::Enum(data) => data.variants.iter().filter_map(member).collect(),
        Data::Struct(_) | Data::Union(_) => Vec::new(),
    };
    EventSet {
        ident: &syntax.item.ident,
        members,
        krate: syntax
            .krate
            .as_ref()
            .map_or_else(|| quote!(::es_core), |krate| quote!(#krate)),
    }
}

/// A variant that has one field without a name.
pub(super) fn member(variant: &Variant) -> Option<Member<'_>> {
    let syn::Fields::Unnamed(fields) = &variant.fields else {
        return None;
    };
    let mut types = fields.unnamed.iter().map(|field| &field.ty);
    let (Some(events), None) = (types.next(), types.next()) else {
        return None;
    };
    let attributes = variant.attrs.iter();
    Some(Member {
        variant: &variant.ident,
        events,
        conditions: attributes
            .filter(|attribute| attribute.path().is_ident("cfg"))
            .collect(),
    })
}
